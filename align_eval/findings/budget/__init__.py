"""The error budget: the share of the word-time error that each part of the system causes."""
