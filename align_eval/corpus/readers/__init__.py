"""Readers of published corpora in their own layouts, one module per corpus."""
