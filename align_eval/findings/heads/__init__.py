"""Search for the attention heads to read word times from."""
