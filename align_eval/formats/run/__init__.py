"""Files of a run folder and of findings."""
