"""A run folder with an answer: words of every system that one needs, with planted errors. No model, no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow.dataset import dataset

from align_eval.engine.answer import answers
from align_eval.formats.run.folder import write_baseline
from align_eval.records import SystemName
from align_eval.run_record import Run
from align_eval.systems import ALIGN, PRESETS, answer_specs, chosen_heads, parse_system, with_heads
from tests.helpers.planted_words import SIGNATURE, corpus, moved
from tests.helpers.reported_run import ends_after_starts

TINY_EN = "7f5460d32b58ad1797d5397b109979b9b41dfb5baced11cfeb71e70243d2fdb2"
HEADS = chosen_heads(TINY_EN)
WHISPER = PRESETS["openai"].name
ATTENTION, SALIENCY, *INJECTED = (parse_system(with_heads(spec, HEADS), ALIGN).name for spec in answer_specs())
RESIDUAL, CONTROL = INJECTED[: len(INJECTED) // 2], INJECTED[len(INJECTED) // 2 :]

SHARES = {WHISPER: 1.5, ATTENTION: 1.0, SALIENCY: 1.2, **dict.fromkeys(RESIDUAL, 0.8), **dict.fromkeys(CONTROL, 0.98)}
"""Share of the planted errors that each system makes: what the gradient shows takes a fifth of attention's."""


def answered_words(shares: Mapping[SystemName, float], n_speakers: int, reference: str, seed: int = 0) -> pa.Table:
    """The words of one corpus as every system times them: its share of the errors of the corpus."""
    table = corpus(np.random.default_rng(seed), n_speakers)
    tables = []
    for number, (name, share) in enumerate(shares.items()):
        errors_ms = [1000 * (share - 1) * table[f"{edge}_error_s"].to_numpy() for edge in ("start", "end")]
        of_system = ends_after_starts(moved(table, *errors_ms))
        named = {"source": name.source, "align": name.align, "reference": reference}
        for column in ("utterance", "speaker", "recording", "audio"):
            named[column] = [f"{reference[0]}{value}" for value in table[column].to_pylist()]
        for column, value in named.items():
            i = of_system.schema.get_field_index(column)
            values = [value] * len(table) if isinstance(value, str) else value
            of_system = of_system.set_column(i, of_system.schema.field(i), pa.array(values))
        tables.append(of_system.append_column("system", pa.array([number] * len(table))))
    in_order = pa.concat_tables(tables).sort_by([(key, "ascending") for key in ("utterance", "system", "word_index")])
    return in_order.drop_columns(["system"])


def write_answered(folder: Path, n_speakers: Mapping[str, int], shares: Mapping[SystemName, float] = SHARES) -> Path:
    """Write the run; ``n_speakers`` are those of each kind of reference."""
    words = pa.concat_tables(
        [answered_words(shares, n, reference, seed) for seed, (reference, n) in enumerate(n_speakers.items())]
    )
    run = Run(2, {**SIGNATURE, "context": "full", "device": "cpu", "dtype": "float32"}, ())
    found, reason = answers(dataset(words), run.rows, run.signature)
    write_baseline(folder, replace(run, answer=found, no_answer=reason), words, "")
    return folder
