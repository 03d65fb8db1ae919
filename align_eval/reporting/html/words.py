"""The words of a run as the page's table has them: columns of plain numbers, and which words are shown first.

Times are in tenths of a millisecond: finer than any frame, and no score is made of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from align_eval.findings.agreement.correlation import agreement
from align_eval.records import Failure
from align_eval.relevance import unit_of
from align_eval.reporting.media import maps_of
from align_eval.reporting.view import family_of, numbered, stack_of
from align_eval.scoring.boundaries import Floats
from align_eval.units import MS_PER_S

PER_S = 10_000
"""Of the page's integers."""


@dataclass(frozen=True, slots=True)
class WordColumns:
    """One entry a reference word, in the order of the words table; errors signed, in seconds, NaN where none.

    ``errors_s`` is by system, ``(start or end, word)``. ``heard`` is what the first system recognised, where that is
    another text anywhere.
    """

    utterance: tuple[str, ...]
    index: tuple[int, ...]
    n_words: tuple[int, ...]
    text: tuple[str, ...]
    start_s: Floats
    end_s: Floats
    errors_s: Mapping[str, Floats]
    heard: tuple[str | None, ...] | None
    of_utterance: Mapping[str, Mapping[str, Any]]

    def error_ms(self, system: str | None, *, interior: bool = False) -> Floats:
        """Mean absolute error of each word's boundaries, those that are known; NaN where none is."""
        if system is None:
            return np.full(len(self.text), np.nan)
        errors = np.abs(self.errors_s[system]) * MS_PER_S
        if interior:
            index, n_words = np.array(self.index), np.array(self.n_words)
            errors = np.where(np.stack([index == 0, index == n_words - 1]), np.nan, errors)
        return _mean_of_known(errors)

    def apart_ms(self, one: str | None, other: str | None) -> Floats:
        """How far two systems put the boundaries of each word from each other, in the mean."""
        if one is None or other is None:
            return np.full(len(self.text), np.nan)
        return _mean_of_known(np.abs(self.errors_s[one] - self.errors_s[other]) * MS_PER_S)


def word_columns(words: pa.Table) -> WordColumns:
    """The columns of a words table; every system has the words of its utterances."""
    pairs = list(zip(words.column("source").to_pylist(), words.column("align").to_pylist(), strict=True))
    ids, indices = words.column("utterance").to_pylist(), words.column("word_index").to_pylist()
    number: dict[tuple[str, int], int] = {}
    first: list[int] = []
    of_row = np.empty(len(pairs), dtype=np.int64)
    for row, key in enumerate(zip(ids, indices, strict=True)):
        if key not in number:
            number[key] = len(number)
            first.append(row)
        of_row[row] = number[key]
    errors = np.stack([_column(words, f"{edge}_error_s") for edge in ("start", "end")])
    errors_s: dict[str, Floats] = {}
    system_of_row, systems = numbered(pairs)
    for i, row_pair in enumerate(systems):
        mask = system_of_row == i
        of_system = np.full((2, len(number)), np.nan)
        of_system[:, of_row[mask]] = errors[:, mask]
        errors_s[" | ".join(row_pair)] = of_system
    table = words.take(first)
    text = tuple(table.column("word").to_pylist())
    heard = tuple(table.column("hypothesis").to_pylist())
    same = all(said is None or said == word for said, word in zip(heard, text, strict=True))
    names = ("utterance", "speaker", "recording", "reference", "language", "audio", "offset_s", "duration_s")
    return WordColumns(
        utterance=tuple(table.column("utterance").to_pylist()),
        index=tuple(table.column("word_index").to_pylist()),
        n_words=tuple(table.column("n_words").to_pylist()),
        text=text,
        start_s=_column(table, "reference_start_s"),
        end_s=_column(table, "reference_end_s"),
        errors_s=errors_s,
        heard=None if same else heard,
        of_utterance={row["utterance"]: row for row in table.select(names).to_pylist()},
    )


def most_telling(columns: WordColumns, attention: str | None, saliency: str | None) -> list[int]:
    """Numbers of the words, those to show first at the head: by turns the worst of either, and where they differ most.

    Words without any time come last.
    """
    by = (columns.error_ms(attention), columns.error_ms(saliency), columns.apart_ms(attention, saliency))
    ranked = [np.argsort(-np.nan_to_num(values, nan=-1.0), kind="stable").tolist() for values in by]
    return list(dict.fromkeys(word for turn in zip(*ranked, strict=True) for word in turn))


def word_agreement(
    folder: Path, columns: WordColumns, attention: str, saliency: str, failures: Sequence[Failure]
) -> Floats | None:
    """Agreement of the maps behind two systems, word by word (Pearson's, both standardised per token); NaN where a map
    is constant or was not kept. None where the two are no attention and saliency over the same tokens, or nowhere kept.
    """
    specs = [system.partition(" | ")[0] for system in (attention, saliency)]
    stacks = [stack_of(spec) for spec in specs]
    if [family_of(spec) for spec in specs] != ["attention", "saliency"] or None in stacks:
        return None
    one, other = (str(stack) for stack in stacks)
    if unit_of(one) != unit_of(other):
        return None
    failed = {failure.id for failure in failures}
    found: dict[str, Floats] = {}
    for id_ in columns.of_utterance:
        kept = maps_of(folder, id_) if id_ not in failed else None
        if kept is not None and one in kept.stacks and other in kept.stacks:
            a, s = (np.asarray(kept.stacks[spec].mean(axis=0)[:-1], dtype=np.float64) for spec in (one, other))
            found[id_] = agreement(a, s, kept.word_of_token[unit_of(one)][:-1], "rows", "pearson").words
    if not found:
        return None
    return np.array(
        [found[u][i] if u in found else np.nan for u, i in zip(columns.utterance, columns.index, strict=True)]
    )


def packed(columns: WordColumns, chosen: Sequence[int], systems: Sequence[str], rho: Floats | None) -> dict[str, Any]:
    """The chosen words for the page: integers and text, nulls where there is no time."""
    rows = np.array(chosen, dtype=np.int64)
    ids = list(dict.fromkeys(columns.utterance[i] for i in chosen))
    number = {id_: i for i, id_ in enumerate(ids)}
    found: dict[str, Any] = {
        "utterances": [
            {
                "id": id_,
                "speaker": row["speaker"],
                "reference": row["reference"],
                "audio": row["audio"],
                "offset": _integer(row["offset_s"]),
                "duration": _integer(row["duration_s"]),
            }
            for id_, row in ((id_, columns.of_utterance[id_]) for id_ in ids)
        ],
        "utterance": [number[columns.utterance[i]] for i in chosen],
        "index": [columns.index[i] for i in chosen],
        "text": [columns.text[i] for i in chosen],
        "start": _integers(columns.start_s[rows]),
        "end": _integers(columns.end_s[rows]),
        "errors": [[_integers(edge[rows]) for edge in columns.errors_s[system]] for system in systems],
    }
    if columns.heard is not None:
        found["heard"] = [columns.heard[i] for i in chosen]
    if rho is not None:
        found["rho"] = [None if np.isnan(value) else round(float(value), 3) for value in rho[rows]]
    return found


def _mean_of_known(values: Floats) -> Floats:
    """Mean down the first axis of what is not NaN."""
    n = np.isfinite(values).sum(axis=0)
    return np.asarray(np.divide(np.nansum(values, axis=0), n, out=np.full(values.shape[1], np.nan), where=n > 0))


def _column(table: pa.Table, name: str) -> Floats:
    return np.asarray(pc.cast(table.column(name), pa.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)


def _integer(value: float) -> int:
    return round(value * PER_S)


def _integers(values: Floats) -> list[int | None]:
    return [None if np.isnan(value) else _integer(float(value)) for value in values]
