"""Files of about a number of bytes for every reader, the call that reads them, and its memory and processor time.

``python -m tests.helpers.large_files`` prints those of a tenth of each limit, with a process for each.
"""

from __future__ import annotations

import gc
import gzip
import itertools
import json
import math
import struct
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from align_eval.corpus.bundled import load_corpus
from align_eval.corpus.file_search import read_lines, read_text
from align_eval.corpus.folder import read_metadata
from align_eval.corpus.readers.buckeye import read_buckeye_words
from align_eval.corpus.readers.kaldi import read_ctm
from align_eval.corpus.readers.timit import read_wrd
from align_eval.corpus.sound import chunks
from align_eval.formats.hypothesis.detect import read_transcripts
from align_eval.formats.json_file import MAX_BYTES as JSON_BYTES
from align_eval.formats.nite_xml import read_xml, word_entries
from align_eval.formats.run.audio_spans import read_audio_spans
from align_eval.formats.run.folder import DETAILS_JSON, read_run
from align_eval.formats.run.json_lines import MAX_LINE, read_entries
from align_eval.formats.run.maps import MAX_MAPS_BYTES, SavedMaps, read_maps, write_maps
from align_eval.formats.run.words_table import MAX_ROWS, SCHEMA, read_words_table
from align_eval.formats.textgrids import read_word_tier
from align_eval.reading import MAX_BYTES, MAX_RECORDING_BYTES, MAX_SETTINGS_BYTES
from align_eval.score_files import MAX_WORDS
from align_eval.scoring.pairing import pair_words
from align_eval.scoring.protocol_file import read_protocols
from tests.fuzz.oracle import peak_bytes, reset_peak
from tests.helpers.planted_run import SIGNATURE

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
        write_entries(path, json.dumps(table(["ENTRIES"])), texts)

    return make


def write_entries(path: Path, content: str, entries: list[str]) -> None:
    """Write JSON with these entries, one in each line."""
    path.write_text(content.replace('"ENTRIES"', "\n" + "".join(entries).rstrip(",\n") + "\n"))


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


def long_wav(path: Path, length_s: float, rate: int = 1000) -> None:
    """Silence of this length, as a sparse file."""
    n_bytes = 2 * int(length_s * rate)
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate, 2 * rate, 2, 16)
    with path.open("wb") as file:
        file.write(struct.pack("<4sI4s", b"RIFF", 36 + n_bytes, b"WAVE") + form + struct.pack("<4sI", b"data", n_bytes))
        file.truncate(44 + n_bytes)


def beside_long_wav(make: Callable[[Path, int], None], name: str) -> Callable[[Path, int], None]:
    """The file with a recording beside it; a line of the file has at least 16 bytes."""

    def make_both(path: Path, n_bytes: int) -> None:
        make(path, n_bytes)
        long_wav(path.with_name(name), n_bytes / 16 * STEP_S)

    return make_both


def kaldi_corpus(path: Path, n_bytes: int) -> None:
    FORMS["ctm"][1](path, n_bytes)
    n_recordings = path.read_bytes().count(b"\n") // 1000 + 1
    long_wav(path.with_name("a.wav"), n_recordings * 1000 * STEP_S)
    path.with_name("wav.scp").write_text("".join(f"rec{i} a.wav\n" for i in range(n_recordings)))


def lhotse_corpus(path: Path, n_bytes: int) -> None:
    lhotse(path, n_bytes)
    long_wav(path.with_name("a.wav"), 40 * STEP_S)
    n = gzip.decompress(path.read_bytes()).count(b"\n")
    source = [{"type": "file", "channels": [0], "source": "a.wav"}]
    sound = {"sources": source, "sampling_rate": 1000, "num_samples": 10_000, "duration": 10.0, "channel_ids": [0]}
    rows = "".join(f"{json.dumps({'id': f'r{i}', **sound})}\n" for i in range(n))
    path.with_name("recordings.jsonl").write_text(rows)


def librispeech_lists(path: Path, n_bytes: int) -> None:
    ends = ",".join(str(i * STEP_S) for i in range(1, 41))
    words = ",".join(f"W{i}" for i in range(1, 41))
    texts = up_to(n_bytes, (f'1-1-{i:07d} "{words}" "{ends}"\n' for i in itertools.count()))
    path.write_text("".join(texts))


def words_parquet(path: Path, n_rows: int) -> None:
    """Rows of one system, with utterances of 40 words; every word and time is another one."""
    places, index = np.arange(n_rows), np.arange(n_rows) % 40
    start_s = places * STEP_S
    names = pa.array([f"u{i:08d}" for i in range(-(-n_rows // 40))]).take(pa.array(places // 40))
    words = pc.binary_join_element_wise("w", pa.array(places).cast(pa.string()), "")
    same = {"speaker": "x", "language": "en", "reference": "manual", "source": "x", "align": "dtw", "offset_s": 0.0,
            "duration_s": 1e6, "start_error_s": 0.0, "end_error_s": 0.0, "confidence": 0.5, "inserted": []}  # fmt: skip
    columns = {name: pa.repeat(pa.scalar(value, SCHEMA.field(name).type), n_rows) for name, value in same.items()}
    columns |= {"utterance": names, "recording": names, "audio": names, "word": words, "hypothesis": words}
    columns |= {f"{of}start_s": pa.array(start_s) for of in ("", "reference_")}
    columns |= {f"{of}end_s": pa.array(start_s + STEP_S) for of in ("", "reference_")}
    columns |= {"word_index": pa.array(index), "n_words": pa.array(np.minimum(40, n_rows - places + index))}
    pq.write_table(pa.table({name: columns[name].cast(SCHEMA.field(name).type) for name in SCHEMA.names}), path)


def run_json(path: Path, n_bytes: int) -> None:
    run = {"schema": 2, "signature": SIGNATURE, "rows": [], "failures": ["ENTRIES"], "environment": {}}
    failures = (json.dumps({"id": f"u{i}", "message": f"{t} is damaged"}) + ",\n" for i, t, *_ in timed())
    write_entries(path, json.dumps(run), up_to(n_bytes, failures))


def audio_json(path: Path, n_bytes: int) -> None:
    span = {"path": "/audio/a.wav", "channel": None, "start_s": 0.0, "end_s": None}
    content = json.dumps({"schema": 1, "spans": ["ENTRIES"]}).replace('["ENTRIES"]', '{"ENTRIES"}')
    write_entries(path, content, up_to(n_bytes, (f'"u{i}": {json.dumps(span)},\n' for i in itertools.count())))


def details_json(path: Path, n_bytes: int) -> None:
    """One utterance in one line."""
    numbers = up_to(n_bytes, (f"{s}, " for _, _, s, _ in timed()))
    path.write_text(f'{{\n"a": [{"".join(numbers)}0]\n}}\n')


def protocol_tables(path: Path, n_bytes: int) -> None:
    table = 'boundaries = "starts"\nwords = "recognised"\ncollars_ms = [20, 40]\nmeasures = ["mean", "within"]\n'
    path.write_text("".join(up_to(n_bytes, (f"[mine{i}]\n{table}" for i in itertools.count()))))


def maps_file(path: Path, n_bytes: int) -> None:
    n_rows, n_frames = 40, 500
    values = np.full((n_bytes // (4 * n_rows * n_frames) + 1, n_rows, n_frames), 1 / n_frames, np.float32)
    rows = np.append(np.arange(n_rows - 1), -1).astype(np.int32)
    write_maps(path, SavedMaps({"attention:heads=all": values}, {"bpe": rows}, np.zeros(n_frames), 0.02, 0.0, {}))


def paired(path: Path) -> object:
    words = path.read_text().split()
    return pair_words(words, [word if i % 7 else "other" for i, word in enumerate(words)], "en")


@dataclass(frozen=True)
class Large:
    """A kind of file: its name, its limit, how it is made and read, and the most memory in bytes per unit.

    The unit is a byte, a row or a word. ``package`` is the name of one that the reader needs.
    """

    name: str
    file: str
    limit: int
    make: Callable[[Path, int], None]
    read: Callable[[Path], object]
    memory_per_unit: float
    package: str | None = None
    unit: str = "bytes"


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
    "ctm": ("a.ctm", lines("", lambda i, t, s, e: f"rec{i // 1000} 1 {s % 250:.2f} {e - s - 0.1:.2f} {t}\n"), 30),
    "srt": ("a.srt", lines("", lambda i, t, s, e: f"{i + 1}\n{clock(s, ',')} --> {clock(e, ',')}\n{t}\n\n"), 40),
    "webvtt": ("a.vtt", lines("WEBVTT\n\n", lambda _, t, s, e: f"{clock(s, '.')} --> {clock(e, '.')}\n{t}\n\n"), 40),
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
    "lhotse": ("a.jsonl.gz", lhotse, 40),
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
    lambda i, t, s, e: f'<w nite:id="m.{i}" starttime="{s}" endtime="{e - 0.1}">{t}</w>\n',
    "</nite:root>\n",
)
BUCKEYE = lines("header\n#\n", lambda i, t, _, e: f"{e} 122 {t if i % 9 else '<SIL>'}; x; x; x\n")


def corpus(kind: str) -> Callable[[Path], object]:
    return lambda path: load_corpus(path.parent, kind=kind)


KINDS = [
    *(Large(form, name, MAX_BYTES, make, hypothesis(form), memory) for form, (name, make, memory) in FORMS.items()),
    Large("long TextGrid", "long.TextGrid", MAX_RECORDING_BYTES, LONG, read_word_tier, 50),
    Large("short TextGrid", "short.TextGrid", MAX_RECORDING_BYTES, SHORT, read_word_tier, 50),
    Large("scored TextGrid", "scored.TextGrid", MAX_RECORDING_BYTES, SHORT, hypothesis("textgrid"), 50),
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
    Large("Buckeye", "a.words", MAX_BYTES, BUCKEYE, read_buckeye_words, 35),
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
    Large("Buckeye corpus", "a.words", MAX_BYTES, beside_long_wav(BUCKEYE, "a.wav"), corpus("buckeye"), 60),
    Large(
        "AMI corpus",
        "ES1.A.words.xml",
        MAX_RECORDING_BYTES,
        beside_long_wav(XML, "ES1.Headset-0.wav"),
        corpus("ami"),
        60,
    ),
    Large("Kaldi corpus", "ctm", MAX_BYTES, kaldi_corpus, corpus("kaldi"), 60),
    Large("LibriSpeech lists", "1-1.alignment.txt", MAX_BYTES, librispeech_lists, corpus("librispeech"), 35),
    Large("Lhotse corpus", "supervisions.jsonl.gz", MAX_BYTES, lhotse_corpus, corpus("lhotse"), 60, "lhotse"),
    Large("protocols", "mine.toml", MAX_SETTINGS_BYTES, protocol_tables, read_protocols, 60),
    Large("run.json", "run.json", JSON_BYTES, run_json, lambda p: read_run(p, edited=True), 20),
    Large("audio.json", "audio.json", JSON_BYTES, audio_json, lambda p: read_audio_spans(p.parent), 20),
    Large(
        "line of details.json",
        "details.json",
        MAX_LINE,
        details_json,
        lambda p: list(read_entries(p, Any, DETAILS_JSON)),
        20,
    ),
    Large("words.parquet", "words.parquet", MAX_ROWS, words_parquet, read_words_table, 1000, unit="rows"),
    Large("maps", "a.safetensors", MAX_MAPS_BYTES, maps_file, read_maps, 4),
    Large("WAV of chunks", "a.wav", chunks.MAX_CHUNKS * 8, wav, lambda p: chunks.wave_parts(p.read_bytes(), p), 4),
    Large(
        "words of one recording",
        "a.txt",
        MAX_WORDS,
        lambda p, n: p.write_text(" ".join(t for _, t, *_ in timed(n))),
        paired,
        5_000,
        unit="words",
    ),
]


@dataclass(frozen=True)
class Cost:
    """The cost of a call: the size of its file, seconds of processor time, and bytes beyond those in use before."""

    size: int
    cpu_s: float
    memory_bytes: int


def cost_of(kind: Large, folder: Path, size: int) -> Cost:
    """Make a file of about this size in an empty folder, and read it."""
    for part, part_size in (("small", size // 100), ("large", size)):  # the first call imports and compiles
        (folder / part).mkdir(parents=True)
        kind.make(folder / part / kind.file, part_size)
    path = folder / "large" / kind.file
    kind.read(folder / "small" / kind.file)
    gc.collect()
    before_bytes, start_s = reset_peak(), time.process_time()
    result = kind.read(path)
    cost = Cost(size, time.process_time() - start_s, peak_bytes() - before_bytes)
    del result
    return cost


def slope(half: Cost, whole: Cost) -> float:
    """Exponent with which time grows with the file: 1 is linear, 2 quadratic."""
    return math.log2(whole.cpu_s / half.cpu_s)


def main(part: float, names: list[str]) -> None:
    """Print what each reader takes for this part of its limit."""
    print("reader | million bytes, rows or words | seconds | MB of memory | bytes for each | slope")
    for kind in (kind for kind in KINDS if not names or kind.name in names):
        with tempfile.TemporaryDirectory() as folder, ProcessPoolExecutor(1, max_tasks_per_child=1) as pool:
            whole, half = (
                pool.submit(
                    _cost_by_name, kind.name, Path(folder) / str(share), int(part * kind.limit / share)
                ).result()
                for share in (1, 2)
            )
        columns = f"{whole.size / 1e6:g} | {whole.cpu_s:.2f} | {whole.memory_bytes / 1e6:.0f}"
        print(f"{kind.name} | {columns} | {whole.memory_bytes / whole.size:.1f} | {slope(half, whole):.2f}", flush=True)


def _cost_by_name(name: str, folder: Path, size: int) -> Cost:
    return cost_of(next(kind for kind in KINDS if kind.name == name), folder, size)


if __name__ == "__main__":
    main(float((sys.argv[1:] or ["0.1"])[0]), sys.argv[2:])
