"""Boundary errors of a run by speaker, manual and automatic references apart.

Usage: by_speaker.py RUN [SOURCE]

Prints, for every system whose source begins with SOURCE (all without it), the words, the mean and median absolute error
of their boundaries, the signed mean of starts and of ends, in ms, and the share within 50 ms. The last line of each
kind of reference is pooled over words. A speaker who is not known is named by the recording.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path

import numpy as np

from align_eval.formats.run.folder import read_run
from align_eval.formats.run.words_table import read_words_table
from align_eval.units import MS_PER_S

NEAR_MS = 50


def main(run: str, source: str = "") -> None:
    found: dict[tuple[str, str, str], dict[str, list[tuple[float, float]]]] = defaultdict(lambda: defaultdict(list))
    for row in read_words_table(Path(run) / "words.parquet").to_pylist():
        if row["source"].startswith(source) and row["start_error_s"] is not None:
            by_speaker = found[row["source"], row["align"], row["reference"]]
            signed = (row["start_error_s"] * MS_PER_S, row["end_error_s"] * MS_PER_S)
            by_speaker[row["speaker"] or row["recording"]].append(signed)
    for (name, align, reference), by_speaker in found.items():
        print(f"{name} | {align}, {reference} reference, run {read_run(Path(run)).signature['id']}")
        print(f"  {'speaker':34}{'words':>6}{'mean':>8}{'median':>8}{'starts':>8}{'ends':>8}{'≤ 50 ms':>9}")
        pooled = [errors for of_speaker in by_speaker.values() for errors in of_speaker]
        for speaker, of_speaker in [*sorted(by_speaker.items()), ("pooled", pooled)]:
            errors = np.array(of_speaker)
            size = np.abs(errors)
            start, end = errors.mean(axis=0)
            line = f"  {speaker:34}{len(errors):6}{size.mean():8.1f}{np.median(size):8.1f}{start:+8.1f}{end:+8.1f}"
            print(f"{line}{(size <= NEAR_MS).mean():9.0%}")


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    main(*sys.argv[1:])
