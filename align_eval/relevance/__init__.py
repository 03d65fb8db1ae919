"""Relevance maps: how much each stretch of time matters to each token.

A source is a function ``f(model, pass, options) -> Stack``. The stack holds maps ``(map, row, frame)`` of non-negative
values. Rows sum to one over the real frames, because the scale of a saliency differs by orders of magnitude between
tokens.
Preparation, the same for every source, makes the one map that a path is searched in.
"""
