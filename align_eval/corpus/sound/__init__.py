"""Sound files: their parts and true lengths, and media through ffmpeg."""
