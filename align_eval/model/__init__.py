"""Whisper models: loading, tokenising text, and the shared teacher-forced pass. Requires torch and openai-whisper."""

from importlib.util import find_spec

from align_eval.errors import InputError

for _package in ("torch", "whisper"):
    if find_spec(_package) is None:
        raise InputError(f"package {_package}", "is not installed", "pip install 'align-eval[whisper]'")
