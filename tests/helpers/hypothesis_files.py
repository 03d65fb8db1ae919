"""Hypothesis files for tests: the folder of files that systems wrote, and a small good file of every format."""

from __future__ import annotations

import json
from pathlib import Path

HYPOTHESES = Path(__file__).parents[1] / "hypotheses"
CLIP = "en_librivox_sense_0880"

WORDS = [("one", 0.1, 0.4), ("two", 0.5, 0.9)]
"""The words of every file of :data:`GOOD`, with their times in seconds."""


def _segment(keys: tuple[str, str], extra: dict[str, object] | None = None) -> dict[str, object]:
    text, confidence = keys
    words = [{text: word, "start": start_s, "end": end_s, confidence: 0.5} for word, start_s, end_s in WORDS]
    return {"id": 0, "start": 0.1, "end": 0.9, "text": " one two", "words": words} | (extra or {})


def _supervision(recording: str = "a") -> dict[str, object]:
    items = [[word, start_s, end_s - start_s, None] for word, start_s, end_s in WORDS]
    return {
        "id": "a-0", "recording_id": recording, "start": 0.0, "duration": 1.0, "channel": 0, "text": "one two",
        "alignment": {"word": items},
    }  # fmt: skip


JSON_GOOD = {
    "openai-whisper": {"text": " one two", "segments": [_segment(("word", "probability"))], "language": "en"},
    "faster-whisper": [_segment(("word", "probability"))],
    "whisper-timestamped": {"text": " one two", "segments": [_segment(("text", "confidence"))], "language": "en"},
    "stable-ts": {
        "text": " one two",
        "segments": [_segment(("word", "probability"))],
        "ori_dict": {},
        "language": "en",
    },
    "whisperx": {"segments": [_segment(("word", "score"))], "word_segments": [], "language": "en"},
    "openai-api": {
        "task": "transcribe",
        "language": "english",
        "duration": 1.0,
        "text": "one two",
        "words": [{"word": word, "start": start_s, "end": end_s} for word, start_s, end_s in WORDS],
    },
    "vosk": {
        "result": [{"conf": 0.5, "end": end_s, "start": start_s, "word": word} for word, start_s, end_s in WORDS],
        "text": "one two",
    },
    "gentle": {
        "transcript": "one two",
        "words": [
            {"alignedWord": word, "case": "success", "end": end_s, "start": start_s, "word": word}
            for word, start_s, end_s in WORDS
        ],
    },
    "whisper.cpp": {
        "systeminfo": "",
        "result": {"language": "en"},
        "transcription": [
            {
                "offsets": {"from": 100, "to": 900},
                "text": " one two",
                "tokens": [
                    {
                        "text": f" {word}",
                        "offsets": {"from": round(1000 * start_s), "to": round(1000 * end_s)},
                        "p": 0.5,
                    }
                    for word, start_s, end_s in WORDS
                ],
            }
        ],
    },
    "mfa": {
        "start": 0,
        "end": 1.0,
        "tiers": {"words": {"type": "interval", "entries": [[start_s, end_s, word] for word, start_s, end_s in WORDS]}},
    },
    "transformers": {"text": " one two", "chunks": [{"text": f" {w}", "timestamp": [s, e]} for w, s, e in WORDS]},
    "lhotse": [_supervision()],
}

GOOD = {
    "textgrid": (
        'File type = "ooTextFile"\nObject class = "TextGrid"\n\n0\n1\n<exists>\n1\n"IntervalTier"\n"words"\n0\n1\n2\n'
        '0.1\n0.4\n"one"\n0.5\n0.9\n"two"\n'
    ),
    "ctm": ";; by hand\na 1 0.1 0.3 one 0.5\na 1 0.5 0.4 two NA\n",
    "srt": "1\n00:00:00,100 --> 00:00:00,400\none\n\n2\n00:00:00,500 --> 00:00:00,900\ntwo\n",
    "webvtt": "WEBVTT\n\nNOTE by hand\n\n00:00.100 --> 00:00.900\none<00:00.400> <00:00.500>two\n",
} | {name: json.dumps(content) for name, content in JSON_GOOD.items()}
"""A good file of every format, all with the same words."""

SUFFIX = {"textgrid": ".TextGrid", "ctm": ".ctm", "srt": ".srt", "webvtt": ".vtt"}
"""Suffixes of the formats that are not JSON."""


def write_good(folder: Path, format_name: str, name: str = "a") -> Path:
    """Write the good file of a format and return its path."""
    path = folder / f"{name}{SUFFIX.get(format_name, '.json')}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(GOOD[format_name], encoding="utf-8")
    return path
