"""Hypothesis files for tests: the folder of files that systems wrote, and a small good file of every format."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

HYPOTHESES = Path(__file__).parents[1] / "hypotheses"
CLIP = "en_librivox_sense_0880"

Words = Sequence[tuple[str, float, float]]
"""Labels with their times in seconds."""

WORDS = [("one", 0.1, 0.4), ("two", 0.5, 0.9)]
"""The words of every file of :data:`GOOD`, with their times in seconds."""


def _text(words: Words) -> str:
    return " ".join(word for word, _, _ in words)


def _segment(words: Words, text_key: str, confidence_key: str) -> dict[str, object]:
    entries = [{text_key: word, "start": start_s, "end": end_s, confidence_key: 0.5} for word, start_s, end_s in words]
    return {"id": 0, "start": words[0][1], "end": words[-1][2], "text": f" {_text(words)}", "words": entries}


def json_files(words: Words, end_s: float = 1.0) -> dict[str, Any]:
    """Content of a file with these words, of a recording of ``end_s`` seconds, for each format in JSON."""
    text = _text(words)
    openai_segment = _segment(words, "word", "probability")
    tokens = [
        {"text": f" {word}", "offsets": {"from": round(1000 * start_s), "to": round(1000 * end_s)}, "p": 0.5}
        for word, start_s, end_s in words
    ]
    offsets = {"from": tokens[0]["offsets"]["from"], "to": tokens[-1]["offsets"]["to"]}
    return {
        "openai-whisper": {"text": f" {text}", "segments": [openai_segment], "language": "en"},
        "faster-whisper": [openai_segment],
        "whisper-timestamped": {
            "text": f" {text}",
            "segments": [_segment(words, "text", "confidence")],
            "language": "en",
        },
        "stable-ts": {"text": f" {text}", "segments": [openai_segment], "ori_dict": {}, "language": "en"},
        "whisperx": {"segments": [_segment(words, "word", "score")], "word_segments": [], "language": "en"},
        "openai-api": {
            "task": "transcribe",
            "language": "english",
            "duration": end_s,
            "text": text,
            "words": [{"word": word, "start": start_s, "end": end_s} for word, start_s, end_s in words],
        },
        "vosk": {
            "result": [{"conf": 0.5, "end": end_s, "start": start_s, "word": word} for word, start_s, end_s in words],
            "text": text,
        },
        "gentle": {
            "transcript": text,
            "words": [
                {"alignedWord": word, "case": "success", "end": end_s, "start": start_s, "word": word}
                for word, start_s, end_s in words
            ],
        },
        "whisper.cpp": {
            "systeminfo": "",
            "result": {"language": "en"},
            "transcription": [{"offsets": offsets, "text": f" {text}", "tokens": tokens}],
        },
        "mfa": {
            "start": 0,
            "end": end_s,
            "tiers": {
                "words": {"type": "interval", "entries": [[start_s, end_s, word] for word, start_s, end_s in words]}
            },
        },
        "transformers": {"text": f" {text}", "chunks": [{"text": f" {w}", "timestamp": [s, e]} for w, s, e in words]},
        "lhotse": [
            {
                "id": "a-0", "recording_id": "a", "start": 0.0, "duration": end_s, "channel": 0, "text": text,
                "alignment": {"word": [[word, start_s, end_s - start_s, None] for word, start_s, end_s in words]},
            }
        ],
    }  # fmt: skip


def text_files(words: Words, end_s: float = 1.0) -> dict[str, str]:
    """File with these words, in a recording of ``end_s`` seconds, for each format that is not JSON."""
    intervals = "".join(f'{start_s:.6f}\n{word_end_s:.6f}\n"{word}"\n' for word, start_s, word_end_s in words)
    cues = [(_time(start_s), _time(word_end_s), html.escape(word)) for word, start_s, word_end_s in words]
    return {
        "textgrid": 'File type = "ooTextFile"\nObject class = "TextGrid"\n\n'
        f'0\n{end_s:.6f}\n<exists>\n1\n"IntervalTier"\n"words"\n0\n{end_s:.6f}\n{len(words)}\n{intervals}',
        "ctm": "".join(f"a 1 {start_s:.6f} {end_s - start_s:.6f} {word} 0.5\n" for word, start_s, end_s in words),
        "srt": "\n".join(f"{i}\n{start} --> {end}\n{word}\n" for i, (start, end, word) in enumerate(cues, 1)),
        "webvtt": "WEBVTT\n\n" + "\n".join(f"{start} --> {end}\n{word}\n" for start, end, word in cues),
    }


def _time(time_s: float) -> str:
    return f"00:00:{time_s:06.3f}"


def files_of(words: Words, end_s: float = 1.0) -> dict[str, str]:
    """File with these words, of recording ``a`` of ``end_s`` seconds, for each format."""
    in_json = {name: json.dumps(content) for name, content in json_files(words, end_s).items()}
    return text_files(words, end_s) | in_json


JSON_GOOD = json_files(WORDS)

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


def write_good(folder: Path, format_name: str, name: str = "a", files: Mapping[str, str] = GOOD) -> Path:
    """Write the good file of a format, or that of ``files``, and return its path."""
    path = folder / f"{name}{SUFFIX.get(format_name, '.json')}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(files[format_name], encoding="utf-8")
    return path
