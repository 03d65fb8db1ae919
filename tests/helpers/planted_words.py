"""Words tables with planted errors, for tests of the gate.

A corpus has speakers of unequal numbers of words, in utterances of eight. A boundary's error is the bias of its speaker
(sd 15 ms), an exponential number of either sign (mean 45 ms) and, for one word in thirty, a large miss of the whole
word (sd 300 ms): about 60 ms in the mean, as tiny.en's better systems have on real speech. Changes are added to the
times of a run, and a loss in the mean absolute error is planted by zero-mean noise of the sd that adds it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy.optimize import brentq

from align_eval.formats.run.words_table import SCHEMA
from align_eval.gate.compare import Side
from align_eval.run_record import Run
from tests.helpers.simulated import folded_mean

SYSTEM = ("attention:heads=alignment", "dtw")
LABEL = " | ".join(SYSTEM)
N_UTTERANCE = 8
SIGNATURE = {
    "id": "0123456789ab", "model": "tiny.en", "model_checksum": "a" * 64, "corpus": "planted",
    "corpus_checksum": "b" * 64, "text": "words", "seed": 0, "systems": [], "protocols": {},
    "device": "cpu", "packages": {"torch": "2.13.0", "numpy": "2.4.6"},
}  # fmt: skip

Noise = Callable[[np.random.Generator, int, float], tuple[np.ndarray, np.ndarray]]
"""From a generator, the number of words and an sd in ms to the changes of starts and ends, in ms."""


def by_word(rng: np.random.Generator, n: int, sd_ms: float) -> tuple[np.ndarray, np.ndarray]:
    """Words move as a whole."""
    moved = rng.normal(0.0, sd_ms, n)
    return moved, moved


def by_boundary(rng: np.random.Generator, n: int, sd_ms: float) -> tuple[np.ndarray, np.ndarray]:
    """Starts and ends move by themselves."""
    return rng.normal(0.0, sd_ms, n), rng.normal(0.0, sd_ms, n)


def by_junction(rng: np.random.Generator, n: int, sd_ms: float) -> tuple[np.ndarray, np.ndarray]:
    """A word's end is the next one's start and moves with it, as under DTW."""
    moved = rng.normal(0.0, sd_ms, n + 1)
    return moved[:-1], moved[1:]


NOISES: dict[str, Noise] = {"word": by_word, "boundary": by_boundary, "junction": by_junction}


def corpus(rng: np.random.Generator, n_speakers: int = 40, fewest: int = 10, most: int = 40) -> pa.Table:
    """One corpus as one system times it."""
    n_words = rng.integers(fewest, most + 1, n_speakers)
    speaker = np.repeat(np.arange(n_speakers), n_words)
    n = len(speaker)
    within = np.concatenate([np.arange(k) for k in n_words])
    utterance, index = within // N_UTTERANCE, within % N_UTTERANCE
    reference_start = 0.5 + 0.4 * index
    reference_end = reference_start + 0.3
    bias, miss = rng.normal(0.0, 15.0, n_speakers)[speaker], rng.normal(0.0, 300.0, n) * (rng.random(n) < 1 / 30)
    errors = [(bias + rng.laplace(0.0, 45.0, n) + miss) / 1000 for _ in range(2)]
    n_of_utterance = np.minimum(n_words[speaker] - utterance * N_UTTERANCE, N_UTTERANCE)
    ids = [f"s{s:02d}/u{u}" for s, u in zip(speaker, utterance, strict=True)]
    columns = {
        "utterance": ids, "speaker": [f"s{s:02d}" for s in speaker], "recording": ids, "language": ["en"] * n,
        "reference": ["manual"] * n, "audio": ids, "offset_s": [0.0] * n, "duration_s": [5.0] * n,
        "source": [SYSTEM[0]] * n, "align": [SYSTEM[1]] * n,
        "word_index": index.astype(np.int32), "n_words": n_of_utterance.astype(np.int32),
        "word": [f"w{i}" for i in range(n)], "reference_start_s": reference_start, "reference_end_s": reference_end,
        "start_s": reference_start + errors[0], "end_s": reference_end + errors[1],
        "start_error_s": errors[0], "end_error_s": errors[1], "confidence": np.full(n, 0.9),
        "hypothesis": [f"w{i}" for i in range(n)], "inserted": [[]] * n,
    }  # fmt: skip
    return pa.table(columns, schema=SCHEMA)


def moved(table: pa.Table, starts_ms: np.ndarray | float, ends_ms: np.ndarray | float) -> pa.Table:
    """The table with its times and errors moved."""
    for names, by_ms in ((("start_s", "start_error_s"), starts_ms), (("end_s", "end_error_s"), ends_ms)):
        for name in names:
            values = table.column(name).to_numpy(zero_copy_only=False) + np.asarray(by_ms) / 1000
            table = table.set_column(SCHEMA.get_field_index(name), SCHEMA.field(name), pa.array(values))
    return table


def jittered(table: pa.Table, rng: np.random.Generator, noise: Noise, sd_ms: float) -> pa.Table:
    return moved(table, *noise(rng, len(table), sd_ms))


def without(table: pa.Table, rows: Iterable[int]) -> pa.Table:
    """The table without the times of these rows."""
    gone = np.zeros(len(table), dtype=np.bool_)
    gone[list(rows)] = True
    for name in ("start_s", "end_s", "start_error_s", "end_error_s", "confidence", "hypothesis"):
        values = pc.if_else(pa.array(gone), pa.scalar(None, SCHEMA.field(name).type), table.column(name))
        table = table.set_column(SCHEMA.get_field_index(name), SCHEMA.field(name), values)
    return table


def noise_that_loses(table: pa.Table, loss_ms: float) -> float:
    """Sd of the zero-mean normal noise that adds so much to the table's mean absolute error, in expectation."""
    names = ("start_error_s", "end_error_s")
    errors = np.concatenate([table.column(name).to_numpy(zero_copy_only=False) * 1000 for name in names])
    before = np.abs(errors).mean()

    def added(sd_ms: float) -> float:
        return float(np.mean([folded_mean(error, sd_ms) for error in errors]) - before)

    return float(brentq(lambda sd_ms: added(sd_ms) - loss_ms, 1.0, 500.0, xtol=0.01))


def side(table: pa.Table, place: str = "run", **signature: object) -> Side:
    return Side(place, Run(2, SIGNATURE | signature, ()), table)
