"""Boundary errors of a run by speaker, manual and automatic references apart.

Usage: by_speaker.py RUN [SOURCE]

For every system whose source begins with SOURCE (default: all), prints one line per speaker with the number of words,
the mean and median absolute boundary error, the signed mean of starts and of ends, in ms, and the share within 50 ms.
The last line of each kind of reference pools all words. An unknown speaker has the name of the recording.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path

import numpy as np

from align_eval.formats.run.folder import read_run
from align_eval.formats.run.words_table import read_words_table
from align_eval.units import MS_PER_S

TOLERANCE_MS = 50


def main(run: str, source: str = "") -> None:
    errors_ms: dict[tuple[str, str, str], dict[str, list[tuple[float, float]]]] = defaultdict(lambda: defaultdict(list))
    for row in read_words_table(Path(run) / "words.parquet").to_pylist():
        if row["source"].startswith(source) and row["start_error_s"] is not None:
            by_speaker = errors_ms[row["source"], row["align"], row["reference"]]
            signed = (row["start_error_s"] * MS_PER_S, row["end_error_s"] * MS_PER_S)
            by_speaker[row["speaker"] or row["recording"]].append(signed)
    for (name, align, reference), by_speaker in errors_ms.items():
        print(f"{name} | {align}, {reference} reference, run {read_run(Path(run)).signature['id']}")
        print(f"  {'speaker':34}{'words':>6}{'mean':>8}{'median':>8}{'starts':>8}{'ends':>8}{'≤ 50 ms':>9}")
        pooled = [pair for pairs in by_speaker.values() for pair in pairs]
        for speaker, pairs in [*sorted(by_speaker.items()), ("pooled", pooled)]:
            errors = np.array(pairs)
            size = np.abs(errors)
            start, end = errors.mean(axis=0)
            line = f"  {speaker:34}{len(errors):6}{size.mean():8.1f}{np.median(size):8.1f}{start:+8.1f}{end:+8.1f}"
            print(f"{line}{(size <= TOLERANCE_MS).mean():9.0%}")


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    main(*sys.argv[1:])
