"""Whisper models: loading, text to tokens, the shared teacher-forced pass. Needs torch."""
