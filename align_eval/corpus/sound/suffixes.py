"""Suffixes of sound files."""

AUDIO_SUFFIXES = (
    ".wav", ".flac", ".ogg", ".opus", ".mp3", ".aiff", ".aif", ".au", ".sph", ".nist", ".aifc", ".caf", ".oga", ".w64",
    ".mp2", ".mpga", ".wave", ".rf64", ".bw64", ".snd",
)  # fmt: skip
"""Suffixes of files that libsndfile reads."""

MEDIA_SUFFIXES = (
    ".m4a", ".mp4", ".webm", ".aac", ".m4b", ".m4v", ".mov", ".3gp", ".3g2", ".amr", ".mkv", ".mka", ".weba", ".wma",
    ".wmv", ".avi", ".flv", ".mpg", ".mpeg", ".ogv", ".ape", ".wv", ".adts", ".ac3", ".eac3", ".ts", ".mts", ".m2ts",
    ".m4r", ".tta", ".asf", ".ogx", ".spx",
)  # fmt: skip
"""Suffixes of files that ffmpeg reads: recordings of phones, browsers, cameras and meetings, and packed music."""
