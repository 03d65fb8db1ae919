"""Analyses beyond the scores: agreement, faithfulness, error budget, drift, heuristics and the search for heads."""
