"""Join recordings into longer ones with known word times, and measure the effect of joining.

    join_audio.py clips CORPUS OUT [--minutes 10]      clips with TextGrids, joined in random order
    join_audio.py words FOLDER OUT [--recordings 20]   single words, `WORD_SPEAKER_*.wav` or `WORD/*.wav`: exact times
    join_audio.py compare OUT CLIPS_RUN JOINED_RUN     word times in the joined recording against those of its clips

Between pieces are pauses of the recording's room tone. Splice times are exact to the sample. The onset of a sound
inside its recording is unknown, and single words have no coarticulation. Use the result for tests of offsets and round
trips, never as a main result.
"""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from align_eval.corpus.audio import Samples, read_audio
from align_eval.corpus.bundled import load_corpus
from align_eval.corpus.sound.suffixes import AUDIO_SUFFIXES
from align_eval.formats.run.words_table import read_words_table
from align_eval.formats.textgrids import write_words
from align_eval.records import AudioSpan, Word
from align_eval.units import MS_PER_S, SAMPLE_RATE

PIECES_NAME = "pieces.csv"
PIECES_COLUMNS = ("clip", "start_s", "first_word")
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
TONE_S = 0.1
OFFSETS_S = (0, 2, 6, 8, 15, 30)
"""Edges of the bins that `compare` prints, by the offset of a piece in its window; 6 to 8 s is near 7 s."""


def room_tone(samples: Samples, n_samples: int) -> Samples:
    """Return ``n_samples`` of the quietest tenth of a second, forwards and backwards in turn to avoid clicks."""
    n = min(round(TONE_S * SAMPLE_RATE), len(samples))
    quietest = int(np.convolve(samples**2, np.ones(n), "valid").argmin())
    tone = samples[quietest : quietest + n]
    return np.tile(np.concatenate([tone, tone[::-1]]), n_samples // (2 * n) + 1)[:n_samples]


def join(
    pieces: Sequence[tuple[Samples, Sequence[Word]]], pauses_s: Sequence[float]
) -> tuple[Samples, list[Word], list[float]]:
    """Join pieces, with ``pauses_s[i]`` of room tone after piece ``i``.

    Returns
    -------
    samples : float32[n_samples]
    words : list of Word
        Times in seconds from the start of the joined recording.
    starts_s : list of float
        Start of each piece.
    """
    segments: list[Samples] = []
    words: list[Word] = []
    starts_s: list[float] = []
    n_samples = 0
    for (samples, piece_words), pause_s in zip(pieces, pauses_s, strict=True):
        start_s = n_samples / SAMPLE_RATE
        starts_s.append(start_s)
        words += [Word(w.text, w.start_s + start_s, w.end_s + start_s) for w in piece_words]
        pause = room_tone(samples, round(pause_s * SAMPLE_RATE))
        segments += [samples, pause]
        n_samples += len(samples) + len(pause)
    return np.concatenate(segments), words, starts_s


def write_recording(stem: Path, samples: Samples, words: Sequence[Word]) -> None:
    stem.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(stem.with_suffix(".flac"), samples, SAMPLE_RATE)
    write_words(stem.with_suffix(".TextGrid"), {"words": words}, len(samples) / SAMPLE_RATE)


def join_clips(corpus: str, out: Path, minutes: float, pause_s: tuple[float, float], seed: int) -> None:
    """Write one recording of the clips of a corpus, in random order; each clip is used once before any is repeated."""
    rng = np.random.default_rng(seed)
    clips = load_corpus(corpus).utterances
    audio = [read_audio(clip.audio) for clip in clips]
    order: list[int] = []
    pauses: list[float] = []
    while sum(len(audio[i]) for i in order) / SAMPLE_RATE + sum(pauses) < 60 * minutes:
        order += rng.permutation(len(clips)).tolist()
        pauses += rng.uniform(*pause_s, len(clips)).tolist()
    samples, words, starts_s = join([(audio[i], clips[i].words) for i in order], pauses)
    write_recording(out / "joined", samples, words)
    first_words = np.cumsum([0, *(len(clips[i].words) for i in order)])
    with (out / PIECES_NAME).open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(
            [PIECES_COLUMNS, *zip((clips[i].id for i in order), starts_s, first_words[:-1], strict=True)]
        )


def join_words(
    folder: Path, out: Path, n_recordings: int, n_words: int, pause_s: tuple[float, float], seed: int
) -> None:
    """Write recordings of single words in random order, each by one speaker; digits are spelled as words."""
    rng = np.random.default_rng(seed)
    by_speaker: dict[str, list[tuple[str, Path]]] = defaultdict(list)
    for path in sorted(path for path in folder.rglob("*") if path.suffix.lower() in AUDIO_SUFFIXES):
        in_subfolder = path.parent != folder
        label, *fields = [path.parent.name, *path.stem.split("_")] if in_subfolder else path.stem.split("_")
        word = DIGITS[int(label)] if label in map(str, range(10)) else label
        by_speaker[fields[0] if fields else ""].append((word, path))
    for number in range(n_recordings):
        speaker = sorted(by_speaker)[number % len(by_speaker)]
        selection = [by_speaker[speaker][i] for i in rng.integers(len(by_speaker[speaker]), size=n_words)]
        audio = [(word, read_audio(AudioSpan(path))) for word, path in selection]
        pieces = [(samples, (Word(word, 0.0, len(samples) / SAMPLE_RATE),)) for word, samples in audio]
        samples, words, _ = join(pieces, rng.uniform(*pause_s, n_words).tolist())
        write_recording(out / speaker / f"{speaker or 'words'}_{number:03}", samples, words)


def compare(out: Path, clips_run: Path, joined_run: Path) -> None:
    """Print the effect of joining on the word times, by system and by the offset of a piece in its window."""
    alone, joined = (_by_system(run) for run in (clips_run, joined_run))
    with (out / PIECES_NAME).open(encoding="utf-8", newline="") as file:
        pieces = [(row["clip"], float(row["start_s"]), int(row["first_word"])) for row in csv.DictReader(file)]
    bins = list(pairwise(OFFSETS_S))
    offsets = "".join(f"{f'{low} to {high} s':>12}" for low, high in bins)
    print(f"median |joined - alone|, ms{'':27}{'all':>12}{offsets}{'error alone':>14}{'joined':>10}")
    for system, rows in joined.items():
        rows.sort(key=lambda row: row["reference_start_s"])
        moved, offset_s, errors = [], [], []
        rows_by_clip: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for row in alone[system]:
            rows_by_clip[row["utterance"]].append(row)
        for clip, start_s, first in pieces:
            for clip_row, row in zip(rows_by_clip[clip], rows[first:], strict=False):
                for edge in ("start", "end"):
                    moved.append(abs(row[f"{edge}_s"] - start_s - clip_row[f"{edge}_s"]) * MS_PER_S)
                    errors.append([abs(r[f"{edge}_error_s"]) * MS_PER_S for r in (clip_row, row)])
                    offset_s.append(start_s - row["offset_s"])
        values, at_s = np.array(moved), np.array(offset_s)
        cells = [values[(at_s >= low) & (at_s < high)] for low, high in bins]
        medians = "".join(f"{np.median(cell):12.1f}" if len(cell) else f"{'-':>12}" for cell in cells)
        before, after = np.mean(errors, axis=0)
        print(f"{' | '.join(system):54}{np.median(values):12.1f}{medians}{before:14.1f}{after:10.1f}")


def _by_system(run: Path) -> dict[tuple[str, str], list[dict[str, Any]]]:
    rows = defaultdict(list)
    for row in read_words_table(run / "words.parquet").to_pylist():
        rows[row["source"], row["align"]].append(row)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    clips, words, compared = (verbs.add_parser(verb) for verb in ("clips", "words", "compare"))
    clips.add_argument("corpus")
    clips.add_argument("--minutes", type=float, default=10)
    words.add_argument("folder", type=Path)
    words.add_argument("--recordings", type=int, default=20)
    words.add_argument("--words", type=int, default=10, help="number of words per recording")
    for verb in (clips, words, compared):
        verb.add_argument("out", type=Path)
    for verb in (clips, words):
        verb.add_argument(
            "--pause", type=float, nargs=2, default=(0.4, 1.2), metavar="S", help="shortest and longest pause"
        )
        verb.add_argument("--seed", type=int, default=0)
    compared.add_argument("clips_run", type=Path)
    compared.add_argument("joined_run", type=Path)
    a = parser.parse_args()
    if a.verb == "clips":
        join_clips(a.corpus, a.out, a.minutes, tuple(a.pause), a.seed)
    elif a.verb == "words":
        join_words(a.folder, a.out, a.recordings, a.words, tuple(a.pause), a.seed)
    else:
        compare(a.out, a.clips_run, a.joined_run)


if __name__ == "__main__":
    main()
