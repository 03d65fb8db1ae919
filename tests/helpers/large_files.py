"""Files of about a number of bytes for every reader, and the call that reads them."""

from __future__ import annotations

import gzip
import itertools
import json
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from align_eval.corpus.file_search import read_lines, read_text
from align_eval.corpus.folder import read_metadata
from align_eval.corpus.readers.buckeye import read_buckeye_words
from align_eval.corpus.readers.kaldi import read_ctm
from align_eval.corpus.readers.timit import read_wrd
from align_eval.corpus.sound import chunks
from align_eval.formats.hypothesis.detect import read_transcripts
from align_eval.formats.nite_xml import read_xml, word_entries
from align_eval.formats.run.words_table import MAX_WORDS_BYTES, SCHEMA, read_words_table
from align_eval.formats.textgrids import read_word_tier
from align_eval.reading import MAX_BYTES, MAX_RECORDING_BYTES

STEP_S = 0.25


def timed(n: int = -1) -> Iterator[tuple[int, str, float, float]]:
    """Number, text, start and end of words that follow each other."""
    for i in itertools.count():
        if i == n:
            return
        yield i, f"w{i % 9973}", i * STEP_S, (i + 1) * STEP_S


def up_to(n_bytes: int, pieces: Iterator[str]) -> list[str]:
    """Pieces that have as many bytes together."""
    taken, size = [], 0
    for piece in pieces:
        taken.append(piece)
        size += len(piece)
        if size >= n_bytes:
            break
    return taken


def lines(head: str, line: Callable[..., str], tail: str = "") -> Callable[[Path, int], None]:
    def make(path: Path, n_bytes: int) -> None:
        path.write_text(head + "".join(up_to(n_bytes, (line(*word) for word in timed()))) + tail)

    return make


def json_of(table: Callable[[list[Any]], Any], entry: Callable[..., Any]) -> Callable[[Path, int], None]:
    def make(path: Path, n_bytes: int) -> None:
        texts = up_to(n_bytes, (json.dumps(entry(*word)) + ",\n" for word in timed()))
        content = json.dumps(table(["ENTRIES"]))
        path.write_text(content.replace('"ENTRIES"', "\n" + "".join(texts).rstrip(",\n") + "\n"))

    return make


def grid(intervals: str, point: Callable[..., str]) -> Callable[[Path, int], None]:
    def make(path: Path, n_bytes: int) -> None:
        texts = up_to(n_bytes, (point(*word) for word in timed()))
        head = f'File type = "ooTextFile"\nObject class = "TextGrid"\n\n0\n{len(texts) * STEP_S}\n<exists>\n1\n'
        tier = f'"IntervalTier"\n"words"\n0\n{len(texts) * STEP_S}\n{len(texts)}\n'
        path.write_text(head + tier + intervals.join(texts))

    return make


def lhotse(path: Path, n_bytes: int) -> None:
    def line(i: int) -> str:
        items = [[f"w{i}", j * STEP_S, STEP_S, 0.9] for j in range(40)]
        supervision = {"id": f"s{i}", "recording_id": f"r{i}", "start": 0.0, "duration": 10.0, "channel": 0}
        return json.dumps({**supervision, "text": "w", "alignment": {"word": items}}) + "\n"

    with gzip.open(path, "wt", compresslevel=1) as file:
        file.writelines(up_to(n_bytes, map(line, itertools.count())))


def wav(path: Path, n_bytes: int) -> None:
    """A second of silence after chunks without content."""
    fmt = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 16000, 32000, 2, 16)
    body = fmt + struct.pack("<4sI", b"junk", 0) * (n_bytes // 8) + struct.pack("<4sI", b"data", 32000) + bytes(32000)
    path.write_bytes(struct.pack("<4sI4s", b"RIFF", 4 + len(body), b"WAVE") + body)


def words_parquet(path: Path, n_bytes: int) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    n = n_bytes // 150
    texts = ["utterance", "speaker", "recording", "language", "reference", "audio", "source", "align"]
    columns: dict[str, Any] = {name: ["x"] * n for name in texts}
    columns |= {name: [i * STEP_S for i in range(n)] for name in SCHEMA.names if name.endswith("_s")}
    columns |= {"word_index": range(n), "n_words": [n] * n, "confidence": [0.5] * n, "inserted": [[]] * n}
    columns |= {name: [f"w{i}" for i in range(n)] for name in ("word", "hypothesis")}
    pq.write_table(pa.table({name: list(columns[name]) for name in SCHEMA.names}, schema=SCHEMA), path)


@dataclass(frozen=True)
class Large:
    """A kind of file: its name, its limit in bytes, how it is made and read, and the most memory per byte."""

    name: str
    file: str
    limit: int
    make: Callable[[Path, int], None]
    read: Callable[[Path], object]
    memory_per_byte: float


def hypothesis(form: str) -> Callable[[Path], object]:
    return lambda path: read_transcripts(path, form)


def word(**keys: str) -> Callable[..., dict[str, Any]]:
    return lambda _, text, start_s, end_s: {keys.get("text", "word"): text, "start": start_s, "end": end_s}


def segments(**other: Any) -> Callable[[list[Any]], Any]:
    return lambda entries: {"text": "", **other, "segments": [{"text": "x", "start": 0.0, "words": entries}]}


def csv_rows(path: Path, n_bytes: int) -> None:
    path.write_text("id,speaker\n" + "".join(up_to(n_bytes, (f"clip_{i},speaker_{i}\n" for i, *_ in timed()))))


def read_csv(path: Path) -> object:
    return read_metadata(path, {f"clip_{i}" for i in range(path.stat().st_size // 15)})


FORMS = {
    "ctm": ("a.ctm", lines("", lambda i, t, s, e: f"rec{i // 1000} 1 {s:.2f} {e - s:.2f} {t}\n"), 20),
    "srt": ("a.srt", lines("", lambda i, t, s, e: f"{i + 1}\n{clock(s, ',')} --> {clock(e, ',')}\n{t}\n\n"), 40),
    "webvtt": ("a.vtt", lines("WEBVTT\n\n", lambda _, t, s, e: f"{clock(s, '.')} --> {clock(e, '.')}\n{t}\n\n"), 50),
    "openai-whisper": ("a.json", json_of(segments(language="en"), word()), 25),
    "faster-whisper": ("a.json", json_of(lambda e: [{"text": "x", "start": 0.0, "words": e}], word()), 25),
    "whisper-timestamped": ("a.json", json_of(segments(), word(text="text")), 25),
    "stable-ts": ("a.json", json_of(segments(ori_dict={}), word()), 25),
    "whisperx": ("a.json", json_of(segments(word_segments=[]), word()), 25),
    "openai-api": ("a.json", json_of(lambda e: {"text": "x", "task": "transcribe", "words": e}, word()), 25),
    "vosk": ("a.json", json_of(lambda e: {"text": "x", "result": e}, word()), 25),
    "gentle": ("a.json", json_of(lambda e: {"transcript": "x", "words": e}, word()), 25),
    "whisper.cpp": (
        "a.json",
        json_of(
            lambda e: {"result": {"language": "en"}, "transcription": e},
            lambda _, t, s, e: {"offsets": {"from": int(1000 * s), "to": int(1000 * e)}, "text": f" {t}"},
        ),
        25,
    ),
    "mfa": (
        "a.json",
        json_of(
            lambda e: {"start": 0, "end": 9e5, "tiers": {"words": {"type": "interval", "entries": e}}},
            lambda _, t, s, e: [s, e, t],
        ),
        40,
    ),
    "transformers": (
        "a.json",
        json_of(lambda e: {"text": "x", "chunks": e}, lambda _, t, s, e: {"text": f" {t}", "timestamp": [s, e]}),
        25,
    ),
    "lhotse": ("a.jsonl.gz", lhotse, 25),
}


def clock(time_s: float, comma: str) -> str:
    seconds = int(time_s)
    milliseconds = round(1000 * (time_s - seconds))
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{comma}{milliseconds:03d}"


def long_interval(i: int, text: str, start_s: float, end_s: float) -> str:
    return f'    intervals [{i + 1}]:\n        xmin = {start_s}\n        xmax = {end_s}\n        text = "{text}"\n'


LONG = grid("", long_interval)
SHORT = grid("", lambda _, t, s, e: f'{s}\n{e}\n"{t}"\n')
XML = lines(
    '<nite:root xmlns:nite="http://nite.sourceforge.net/">\n',
    lambda i, t, s, e: f'<w nite:id="m.{i}" starttime="{s}" endtime="{e}">{t}</w>\n',
    "</nite:root>\n",
)

KINDS = [
    *(Large(form, name, MAX_BYTES, make, hypothesis(form), memory) for form, (name, make, memory) in FORMS.items()),
    Large("TextGrid, long", "long.TextGrid", MAX_RECORDING_BYTES, LONG, read_word_tier, 20),
    Large("TextGrid, short", "short.TextGrid", MAX_RECORDING_BYTES, SHORT, read_word_tier, 40),
    Large("TextGrid, scored", "scored.TextGrid", MAX_RECORDING_BYTES, SHORT, hypothesis("textgrid"), 50),
    Large("NITE XML", "a.A.words.xml", MAX_RECORDING_BYTES, XML, lambda p: list(word_entries(read_xml(p), p)), 25),
    Large("Kaldi ctm", "ctm", MAX_BYTES, FORMS["ctm"][1], read_ctm, 30),
    Large(
        "Kaldi text",
        "text",
        MAX_BYTES,
        lines("", lambda i, t, *_: f"utt{i} {t} {t} {t}\n"),
        lambda p: list(read_lines(p)),
        15,
    ),
    Large(
        "Buckeye",
        "a.words",
        MAX_BYTES,
        lines("header\n#\n", lambda i, t, _, e: f"{e} 122 {t if i % 9 else '<SIL>'}; x; x; x\n"),
        read_buckeye_words,
        30,
    ),
    Large(
        "TIMIT",
        "a.wrd",
        MAX_BYTES,
        lines("", lambda _, t, s, e: f"{int(16000 * s)} {int(16000 * e)} {t}\n"),
        lambda p: read_wrd(p, 16000),
        35,
    ),
    Large("corpus.csv", "corpus.csv", MAX_RECORDING_BYTES, csv_rows, read_csv, 60),
    Large("transcript", "a.txt", MAX_RECORDING_BYTES, lines("", lambda _, t, *__: f"{t} "), read_text, 6),
    Large("WAV of chunks", "a.wav", chunks.MAX_CHUNKS * 8, wav, lambda p: chunks.wave_parts(p.read_bytes(), p), 4),
    Large("words.parquet", "words.parquet", MAX_WORDS_BYTES, words_parquet, read_words_table, 20),
]
