"""Faithfulness: loss in a model's prediction of its words when the frames that a map ranks first are hidden."""
