"""The gate: a run against a baseline, word by word. Torch-free."""
