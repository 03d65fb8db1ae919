"""Scores from a words table. No torch: a finished run can be scored again without a model."""
