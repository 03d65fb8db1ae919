"""Faithfulness: how much of its words a model loses when the frames that a map calls relevant are hidden."""
