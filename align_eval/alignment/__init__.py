"""Alignment: from a relevance map to the times of its words. Any aligner takes any map. Torch-free."""
