"""Corpora: loading, checking and converting them, windows of long recordings, and making references."""
