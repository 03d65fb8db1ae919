"""Corpora: audio, bundled names, folders."""
