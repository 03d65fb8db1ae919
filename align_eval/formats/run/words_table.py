"""``words.parquet``: a row a reference word and system. Everything that is scored is recomputed from it.

Errors are signed, hypothesis minus reference, in seconds. Where an utterance failed its words stand with null times,
so that coverage counts them. Times count from the start of the audio file, not of the utterance, which starts at
``offset_s``; utterances with the same ``audio`` are stretches of one file, as the windows of a long recording are.

Recognised text. ``hypothesis`` is what was recognised where the reference word stands; null means that the word is
paired with nothing (left out by the system, or its utterance failed). Where several reference words are paired as one
unit ("can not" recognised as "cannot") each of their rows holds the unit's whole ``hypothesis``, the first row its
start, the last row its end, and every other time is null: what the system did not say is not made up. So a row opens a
unit where ``start_s`` is known, and the unit reaches to the next row whose ``end_s`` is known. A reference word that
was recognised as several is one row with their first start and last end.

``inserted`` lists the hypothesis words that are paired with nothing, in the row of the last paired word before them, or
in the utterance's first row. Words without letter or digit (a lone dash) are left out of it.
"""

from __future__ import annotations

import hashlib
import io
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from align_eval.errors import InputError
from align_eval.records import GivenWord, Pairing, System, Unit, Utterance, Word

INSERTED = pa.struct(
    [
        pa.field("word", pa.string(), nullable=False),
        pa.field("start_s", pa.float64()),
        pa.field("end_s", pa.float64()),
    ]
)

SCHEMA = pa.schema(
    [
        pa.field("utterance", pa.string(), nullable=False),
        pa.field("speaker", pa.string()),
        pa.field("recording", pa.string(), nullable=False),
        pa.field("language", pa.string()),
        pa.field("reference", pa.string(), nullable=False),
        pa.field("audio", pa.string(), nullable=False),
        pa.field("offset_s", pa.float64(), nullable=False),
        pa.field("duration_s", pa.float64(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("align", pa.string(), nullable=False),
        pa.field("word_index", pa.int32(), nullable=False),
        pa.field("n_words", pa.int32(), nullable=False),
        pa.field("word", pa.string(), nullable=False),
        pa.field("reference_start_s", pa.float64(), nullable=False),
        pa.field("reference_end_s", pa.float64(), nullable=False),
        pa.field("start_s", pa.float64()),
        pa.field("end_s", pa.float64()),
        pa.field("start_error_s", pa.float64()),
        pa.field("end_error_s", pa.float64()),
        pa.field("confidence", pa.float64()),
        pa.field("hypothesis", pa.string()),
        pa.field("inserted", pa.list_(INSERTED), nullable=False),
    ]
)


def words_table(
    utterances: Iterable[Utterance],
    systems: Iterable[System],
    results: Mapping[str, Mapping[System, Sequence[Word | GivenWord]]],
    pairings: Mapping[str, Mapping[System, Pairing]] | None = None,
) -> pa.Table:
    """Rows in the order of utterance ids, systems and words; utterances without a result have null times.

    Parameters
    ----------
    results
        Words that each system found, by utterance id: one a reference word, in order, or any where there is a pairing.
        Their times, as those of references, count from the start of their utterance.
    pairings
        Which of those words belong to which reference words, by utterance id and system; an utterance that is not in it
        is paired word by word.

    Raises
    ------
    ValueError
        Where a system's words are more or fewer than its pairing, or without one the reference, has.
    """
    systems = tuple(systems)
    columns: dict[str, list[object]] = {name: [] for name in SCHEMA.names}
    for u in sorted(utterances, key=lambda u: u.id):
        offset_s = u.audio.start_s
        for system in systems:
            pairing = (pairings or {}).get(u.id, {}).get(system) or _word_by_word(len(u.words))
            words = results.get(u.id, {}).get(system)
            found = [_Found()] * len(u.words) if words is None else _found(pairing, _moved(words, offset_s))
            for i, (reference, word) in enumerate(zip(u.words, found, strict=True)):
                start_s, end_s = reference.start_s + offset_s, reference.end_s + offset_s
                row = (
                    u.id, u.speaker, u.recording, u.language, u.reference, u.part_of or u.id, offset_s, u.duration_s,
                    system.source, system.align, i, len(u.words), reference.text, start_s, end_s,
                    word.start_s,
                    word.end_s,
                    None if word.start_s is None else word.start_s - start_s,
                    None if word.end_s is None else word.end_s - end_s,
                    word.confidence,
                    word.hypothesis,
                    word.inserted,
                )  # fmt: skip
                for name, value in zip(SCHEMA.names, row, strict=True):
                    columns[name].append(value)
    return pa.table(columns, schema=SCHEMA)


@dataclass(frozen=True, slots=True)
class _Found:
    """What a system found where a reference word stands."""

    start_s: float | None = None
    end_s: float | None = None
    confidence: float | None = None
    hypothesis: str | None = None
    inserted: tuple[dict[str, object], ...] = ()


def _moved(words: Sequence[Word | GivenWord], offset_s: float) -> list[Word | GivenWord]:
    def moved(time_s: float | None) -> float | None:
        return None if time_s is None else time_s + offset_s

    return [replace(word, start_s=moved(word.start_s), end_s=moved(word.end_s)) for word in words]  # type: ignore[arg-type]


def _word_by_word(n_words: int) -> Pairing:
    units = tuple(Unit((i,), (i,), same=True) for i in range(n_words))
    return Pairing(units, deleted=(), inserted=(), ignored=(), n_reference=n_words, n_hypothesis=n_words)


def _found(pairing: Pairing, words: Sequence[Word | GivenWord]) -> list[_Found]:
    """One entry a reference word. The confidence of a unit is the mean of its hypothesis words'.

    A unit has no times where one of its hypothesis words has none; otherwise it is as long as all of them together.
    """
    if len(words) != pairing.n_hypothesis:
        raise ValueError(f"{len(words)} words, and a pairing of {pairing.n_hypothesis}")
    found = [_Found() for _ in range(pairing.n_reference)]
    for unit in pairing.units:
        said = [words[i] for i in unit.hypothesis]
        known = [word.confidence for word in said if word.confidence is not None]
        starts = [word.start_s for word in said if word.start_s is not None]
        ends = [word.end_s for word in said if word.end_s is not None]
        timed = len(starts) == len(ends) == len(said)
        for i in unit.reference:
            found[i] = _Found(
                start_s=min(starts) if timed and i == unit.reference[0] else None,
                end_s=max(ends) if timed and i == unit.reference[-1] else None,
                confidence=sum(known) / len(known) if known else None,
                hypothesis=" ".join(word.text for word in said),
            )
    last_of_unit = [unit.hypothesis[-1] for unit in pairing.units]
    for i in pairing.inserted:
        n_before, word = bisect_left(last_of_unit, i), words[i]
        row = pairing.units[n_before - 1].reference[-1] if n_before else 0
        entry: dict[str, object] = {"word": word.text, "start_s": word.start_s, "end_s": word.end_s}
        found[row] = replace(found[row], inserted=(*found[row].inserted, entry))
    return found


SAID_COLUMNS = ("utterance", "source", "align", "word_index", "hypothesis", "start_s", "end_s", "inserted")


def words_said(rows: Iterable[dict[str, Any]]) -> dict[tuple[str, System], list[GivenWord]]:
    """What each system said in each utterance: paired words, a unit as one, and inserted ones after what they follow.

    ``rows`` are those of a words table, with the columns :data:`SAID_COLUMNS`. Places count the reference words.
    """
    rows_of: dict[tuple[str, System], list[dict[str, Any]]] = {}
    for row in rows:
        rows_of.setdefault((row["utterance"], System(row["source"], row["align"])), []).append(row)
    return {key: _said(of_key) for key, of_key in rows_of.items()}


def _said(rows: Sequence[dict[str, Any]]) -> list[GivenWord]:
    said: list[GivenWord] = []
    opened: tuple[float, str] | None = None
    for row in rows:
        place = f"word {row['word_index'] + 1}"
        inserted = [GivenWord(w["word"], w["start_s"], w["end_s"], None, f"after {place}") for w in row["inserted"]]
        n_before = 0
        if not said and row["start_s"] is not None:  # the first row holds what was inserted before it as well
            n_before = sum(word.start_s is not None and word.start_s < row["start_s"] for word in inserted)
        said += inserted[:n_before]
        if row["start_s"] is not None:
            opened = row["start_s"], place
        if row["end_s"] is not None and opened:
            said.append(GivenWord(row["hypothesis"], opened[0], row["end_s"], None, opened[1]))
            opened = None
        elif row["hypothesis"] is not None and opened is None:
            said.append(GivenWord(row["hypothesis"], None, None, None, place))
        said += inserted[n_before:]
    return said


def read_words_table(path: Path) -> pa.Table:
    """Read a table and hold it to the schema.

    One written before recognised text was known lacks its two columns: in it every word with times is paired with
    itself. One written before there were windows lacks theirs: in it every utterance is a whole file.
    """
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise InputError(path, f"cannot be read as a words table ({error})", "run again") from error
    return in_schema(table, path)


def in_schema(table: pa.Table, path: Path) -> pa.Table:
    """A table that was read from ``path`` with the columns that are there today; see :func:`read_words_table`."""
    if {"word", "start_s"} <= set(table.column_names):
        table = _with_windows(_with_recognition(table))
    missing = [name for name in SCHEMA.names if name not in table.column_names]
    if missing:
        raise InputError(path, f"lacks the columns {', '.join(missing)}", "it was written by something else: run again")
    try:
        return table.select(SCHEMA.names).cast(SCHEMA)
    except (pa.ArrowException, ValueError) as error:
        raise InputError(path, f"a column is not of its type ({error})", "run again") from error


def _with_windows(table: pa.Table) -> pa.Table:
    if "audio" not in table.column_names and "utterance" in table.column_names:
        table = table.append_column("audio", table.column("utterance"))
    if "offset_s" not in table.column_names:
        table = table.append_column("offset_s", pa.array(np.zeros(len(table))))
    return table


def _with_recognition(table: pa.Table) -> pa.Table:
    if "hypothesis" not in table.column_names:
        known = pc.is_valid(table.column("start_s"))
        nothing = pa.nulls(len(table), pa.string())
        table = table.append_column("hypothesis", pc.if_else(known, table.column("word"), nothing))
    if "inserted" not in table.column_names:
        table = table.append_column("inserted", pa.array([[]] * len(table), pa.list_(INSERTED)))
    return table


def table_checksum(table: pa.Table) -> str:
    """SHA-256 of the table's values, whatever file they came from."""
    buffer = io.BytesIO()
    rebuilt = pa.Table.from_pylist(table.to_pylist(), SCHEMA)  # what lies under a null differs from table to table
    with pa.ipc.new_stream(buffer, SCHEMA) as writer:
        writer.write_table(rebuilt)
    return hashlib.sha256(buffer.getvalue()).hexdigest()
