"""Gate: compares a run with a baseline, word by word. Imports no torch."""
