"""The error budget: how much of the word-time error each part of the system causes."""
