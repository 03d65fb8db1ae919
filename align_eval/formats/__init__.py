"""File forms: what they mean is decided here and nowhere else."""
