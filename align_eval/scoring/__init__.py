"""Scores from a words table. Torch-free: a finished run is scored again without a model."""
