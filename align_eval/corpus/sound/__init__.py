"""Sound files: their parts and true lengths, decoding, and faults of samples."""
