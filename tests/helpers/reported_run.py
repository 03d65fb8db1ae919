"""A run folder with everything that a report shows, its figures known: scores, maps, audio. No model, no torch.

The words are those of :mod:`tests.helpers.planted_run`. Attention puts every boundary 60 ms late, the gradient 20 ms:
these are their mean errors and biases, and the two are 40 ms apart. The audio of an utterance is a tone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import soundfile

from align_eval.formats.run.audio_spans import write_audio_spans
from align_eval.formats.run.folder import WORDS_NAME, place_run, write_baseline
from align_eval.formats.run.map_checksums import write_checksums
from align_eval.formats.run.maps import SavedMaps, maps_path, write_maps
from align_eval.formats.run.staging import staging
from align_eval.formats.run.words_file import write_words_table
from align_eval.formats.run.words_table import words_table
from align_eval.records import AudioSpan, SystemName, Utterance, Word
from align_eval.run_record import Answer, Run
from align_eval.scoring.summary import score_table
from tests.helpers.planted_run import FRAME_S, SIGNATURE, SPEAKERS, Planted, maps_of
from tests.helpers.planted_words import corpus

ATTENTION, GRADIENT = SystemName("attention:heads=all", "dtw"), SystemName("gradient:at=encoder-output", "viterbi")
LATE_S = {ATTENTION: 0.060, GRADIENT: 0.020}
RUN_SIGNATURE = {**SIGNATURE, "text": "words", "device": "cpu", "dtype": "float32", "packages": {"numpy": "2.4.6"}}


def write_reported(
    folder: Path,
    utterances: Sequence[Planted] = SPEAKERS,
    texts: Mapping[str, str] | None = None,
    late_s: Mapping[SystemName, float] | None = None,
    longer_s: float = 1.0,
    saved: Callable[[Planted], SavedMaps] | None = maps_of,
    answer: Answer | None = None,
) -> Path:
    """Write the run; ``texts`` are other names for words, ``longer_s`` is what follows the last word."""
    records, late_s = [], late_s or LATE_S
    (folder / "audio").mkdir(parents=True)
    for u in utterances:
        audio = folder / "audio" / f"{u.id}.wav"
        duration_s = u.n_frames * FRAME_S + longer_s
        soundfile.write(audio, 0.5 * np.sin(2 * np.pi * 440 * np.arange(round(16000 * duration_s)) / 16000), 16000)
        words = tuple(replace(w, text=(texts or {}).get(w.text, w.text)) for w in u.words())
        text = " ".join(w.text for w in words)
        record = Utterance(u.id, AudioSpan(audio), words, text, "en", u.speaker, u.id, duration_s, u.reference)
        records.append(record)
    results = {
        r.id: {s: tuple(Word(w.text, w.start_s + by, w.end_s + by) for w in r.words) for s, by in late_s.items()}
        for r in records
    }
    table = words_table(records, late_s, results)
    with staging(folder) as new:
        write_words_table(new / WORDS_NAME, table)
        write_audio_spans(new, {u.id: u.audio for u in records})
        write_checksums(new, {u.id: write_maps(maps_path(new, u.id), saved(u)) for u in utterances if saved})
        place_run(folder, new, Run(2, dict(RUN_SIGNATURE), score_table(table), answer=answer and (answer,)))
    return folder


def ends_after_starts(table: pa.Table) -> pa.Table:
    """The same words, none of which ends before it starts: independent noise of starts and ends can do that."""
    end_s = pc.max_element_wise(table["start_s"], table["end_s"], skip_nulls=False)
    for name, values in (("end_s", end_s), ("end_error_s", pc.subtract(end_s, table["reference_end_s"]))):
        i = table.schema.get_field_index(name)
        table = table.set_column(i, table.schema.field(i), values)
    return table


def write_many_words(folder: Path, n_speakers: int, n_systems: int) -> int:
    """Write a run of words alone, without scores and TextGrids: about 25 words a speaker; return their number."""
    rng = np.random.default_rng(0)
    table = ends_after_starts(corpus(rng, n_speakers))
    source, align = (table.schema.get_field_index(name) for name in ("source", "align"))
    systems = [("attention:heads=all", "viterbi"), ("gradient:at=encoder-output", "viterbi")]
    systems += [(f"attention:heads=layer.{i}", "dtw") for i in range(n_systems - 2)]
    tables = []
    for i, names in enumerate(systems):
        of_system = table.append_column("system", pa.array([i] * len(table)))
        for column, name in zip((source, align), names, strict=True):
            of_system = of_system.set_column(column, table.schema.field(column), pa.array([name] * len(table)))
        tables.append(of_system)
    in_order = pa.concat_tables(tables).sort_by([(key, "ascending") for key in ("utterance", "system", "word_index")])
    write_baseline(folder, Run(2, dict(RUN_SIGNATURE), ()), in_order.drop_columns(["system"]), "")
    return len(table)
