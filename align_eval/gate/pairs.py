"""Pairing of two words tables, word by word and system by system."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from align_eval.errors import InputError, NotComparableError, did_you_mean, listed
from align_eval.scoring.boundaries import Bools, Floats, Ints
from align_eval.scoring.statistics import cluster_rows
from align_eval.units import MS_PER_S

WORD_KEY = ("utterance", "word_index")
MUST_AGREE = ("word", "reference", "speaker", "recording", "reference_start_s", "reference_end_s")
"""Columns that describe the word. The other columns are the output of a system."""


@dataclass(frozen=True, slots=True)
class PairedWords:
    """The words of one system under one kind of reference, in baseline and run.

    All sequences have one entry per word. Times are in seconds and NaN where unknown: for a lost word, and inside
    several words that were recognised as one, where only the first start and the last end are known.

    Parameters
    ----------
    speaker
        Name of the speaker; empty where there is none.
    clusters, cluster : str, int64[n_words]
        Name of the units that are resampled overall, and the number of each word's unit, from 0.
    in_baseline, in_run : bool[n_words]
        Words that were recognised and have times, alone or inside several words recognised as one.
    """

    system: str
    reference: str
    utterance: tuple[str, ...]
    word_index: Ints
    word: tuple[str, ...]
    speaker: npt.NDArray[np.str_]
    clusters: str
    cluster: Ints
    reference_start_s: Floats
    reference_end_s: Floats
    in_baseline: Bools
    in_run: Bools
    baseline_start_s: Floats
    baseline_end_s: Floats
    run_start_s: Floats
    run_end_s: Floats

    def losses_ms(self) -> tuple[Floats, Floats]:
        """Return the increase in absolute error of starts and of ends, each ``float64[n_words]`` in ms.

        NaN where the baseline or the run has no time.
        """

        def increase_ms(run_s: Floats, baseline_s: Floats, reference_s: Floats) -> Floats:
            return np.asarray((np.abs(run_s - reference_s) - np.abs(baseline_s - reference_s)) * MS_PER_S)

        return (
            increase_ms(self.run_start_s, self.baseline_start_s, self.reference_start_s),
            increase_ms(self.run_end_s, self.baseline_end_s, self.reference_end_s),
        )

    def shifts_ms(self) -> tuple[Floats, Floats]:
        """Return run minus baseline of starts and of ends, each ``float64[n_words]`` in ms.

        NaN where the baseline or the run has no time.
        """
        starts, ends = self.run_start_s - self.baseline_start_s, self.run_end_s - self.baseline_end_s
        return starts * MS_PER_S, ends * MS_PER_S


def system_labels(words: pa.Table) -> list[str]:
    """Return the systems of a words table in their order, as ``source | align``."""
    pairs = zip(words.column("source").to_pylist(), words.column("align").to_pylist(), strict=True)
    return list(dict.fromkeys(f"{source} | {align}" for source, align in pairs))


def parse_map(arguments: Iterable[str]) -> dict[str, str]:
    """Return the new name of each renamed system.

    Parameters
    ----------
    arguments
        Values of ``--map``, ``OLD -> NEW`` each.

    Raises
    ------
    InputError
        If a value has another form, or two values name the same system.
    """
    renamed: dict[str, str] = {}
    for text in arguments:
        old, arrow, new = (part.strip() for part in text.partition("->"))
        if not (old and arrow and new):
            raise InputError(
                "--map", f"{text!r} is not of the form 'OLD -> NEW'", "write 'source | align' on either side"
            )
        if old in renamed or new in renamed.values():
            raise InputError("--map", f"{text!r} names a system that another --map names", "map each system once")
        renamed[old] = new
    return renamed


def match_systems(
    baseline: Iterable[str], run: Iterable[str], renamed: Mapping[str, str], only: Iterable[str] = ()
) -> dict[str, str]:
    """Return the system of the run for each system of the baseline.

    Parameters
    ----------
    renamed
        New names, by the name in the baseline. Other systems keep their name.
    only
        Systems of the baseline to compare; all if empty.

    Raises
    ------
    InputError
        If ``renamed`` or ``only`` names an unknown system.
    NotComparableError
        If the run lacks a system of the baseline. A missing system must not pass.
    """
    baseline, run, only = list(baseline), list(run), list(only)
    for names, known_names, place in (
        (renamed.keys(), baseline, "--map, baseline"),
        (renamed.values(), run, "--map, run"),
        (only, baseline, "--system"),
    ):
        for name in names:
            if name not in known_names:
                raise InputError(
                    place,
                    f"there is no system {name!r}",
                    f"{did_you_mean(name, known_names)}choose one of: {listed(known_names, '; ')}",
                )
    matched = {name: renamed.get(name, name) for name in baseline if not only or name in only}
    missing = [name for name in matched.values() if name not in run]
    if missing:
        raise NotComparableError(
            "the run",
            f"lacks systems of the baseline: {listed(missing, '; ')}",
            f"run them, name their replacements (compare --map 'OLD -> NEW'), or compare fewer systems "
            f"(compare --system); the run has: {listed(run, '; ')}",
        )
    return matched


def paired_words(baseline: pa.Table, run: pa.Table, systems: Mapping[str, str]) -> Iterator[PairedWords]:
    """Pair two words tables. Yield one record per system and kind of reference.

    Parameters
    ----------
    systems
        System of the run for each system of the baseline.

    Raises
    ------
    InputError
        If a table has a word of a system twice.
    NotComparableError
        If words, reference times, kinds of reference or speakers differ.
    """
    old_tables, new_tables = _tables_by_system(baseline, "baseline"), _tables_by_system(run, "run")
    for old, new in systems.items():
        old_table, new_table = old_tables[old], new_tables[new]
        differing = _differing_columns(old_table, new_table)
        if differing:
            raise NotComparableError(
                "the run",
                f"is not about the same words as the baseline: words.parquet differs in {listed(differing)}",
                "run on the speech and text of the baseline, or accept a new baseline (compare --accept)",
            )
        for reference in sorted(set(old_table.column("reference").to_pylist())):
            mask = pc.equal(old_table.column("reference"), reference)
            yield _paired(old, reference, old_table.filter(mask), new_table.filter(mask))


def _tables_by_system(words: pa.Table, place: str) -> dict[str, pa.Table]:
    """The table of each system, sorted by utterance and word."""
    labels = pc.binary_join_element_wise(words.column("source"), words.column("align"), " | ")
    tables = {}
    for label in system_labels(words):
        table = words.filter(pc.equal(labels, label)).sort_by([(name, "ascending") for name in WORD_KEY])
        keys = list(zip(*(table.column(name).to_pylist() for name in WORD_KEY), strict=True))
        duplicate = next((key for key, following in pairwise(keys) if key == following), None)
        if duplicate:
            utterance, word = duplicate
            problem = f"has utterance {utterance}, word {word} of {label} twice"
            raise InputError(f"words.parquet of the {place}", problem, "run again")
        tables[label] = table
    return tables


def _differing_columns(baseline: pa.Table, run: pa.Table) -> list[str]:
    keys = [name for name in WORD_KEY if not baseline.column(name).equals(run.column(name))]
    if keys:
        return keys  # the rows are other words, so that their columns cannot be compared
    return [name for name in MUST_AGREE if not baseline.column(name).equals(run.column(name))]


def _paired(system: str, reference: str, baseline: pa.Table, run: pa.Table) -> PairedWords:
    clusters, cluster = cluster_rows(baseline)
    return PairedWords(
        system=system,
        reference=reference,
        utterance=tuple(baseline.column("utterance").to_pylist()),
        word_index=np.asarray(baseline.column("word_index").to_numpy(), dtype=np.int64),
        word=tuple(baseline.column("word").to_pylist()),
        speaker=np.array([speaker or "" for speaker in baseline.column("speaker").to_pylist()], dtype=np.str_),
        clusters=clusters,
        cluster=cluster,
        reference_start_s=_floats(baseline, "reference_start_s"),
        reference_end_s=_floats(baseline, "reference_end_s"),
        in_baseline=_found(baseline),
        in_run=_found(run),
        baseline_start_s=_floats(baseline, "start_s"),
        baseline_end_s=_floats(baseline, "end_s"),
        run_start_s=_floats(run, "start_s"),
        run_end_s=_floats(run, "end_s"),
    )


def _found(words: pa.Table) -> Bools:
    """Words that were recognised and belong to a unit that has a start.

    Several words recognised as one form a unit: its first word has the start, its last word the end. A unit lasts from
    its start to the next end.
    """
    recognised = pc.is_valid(words.column("hypothesis")).to_numpy(zero_copy_only=False)
    has_start, has_end = (np.isfinite(_floats(words, name)) for name in ("start_s", "end_s"))
    in_unit = np.cumsum(has_start) > np.cumsum(has_end) - has_end
    return np.asarray(recognised & in_unit, dtype=np.bool_)


def _floats(words: pa.Table, column: str) -> Floats:
    return np.asarray(words.column(column).to_numpy(zero_copy_only=False), dtype=np.float64)
