"""Two words tables, paired word by word and system by system."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from align_eval.errors import InputError, NotComparableError
from align_eval.scoring.boundaries import Bools, Floats, Ints
from align_eval.scoring.statistics import cluster_rows
from align_eval.units import MS_PER_S

WORD_KEY = ("utterance", "word_index")
MUST_AGREE = ("word", "reference", "speaker", "recording", "reference_start_s", "reference_end_s")
"""Columns that say what a row is about; the others are what a system made of it."""


@dataclass(frozen=True, slots=True)
class PairedWords:
    """The words of one system under one kind of reference, an entry a word, in baseline and run.

    Times are in seconds, NaN where missing: where a word was lost, and inside a unit of several words that were
    recognised as one, of which only the first start and the last end are known. ``cluster`` numbers what is resampled
    overall from 0; ``speaker`` is empty where nobody is named. ``in_baseline`` and ``in_run`` mark the words that were
    found at all.
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
        """What was added to the absolute error of each start and of each end; NaN where either is missing."""

        def added(run_s: Floats, baseline_s: Floats, reference_s: Floats) -> Floats:
            return np.asarray((np.abs(run_s - reference_s) - np.abs(baseline_s - reference_s)) * MS_PER_S)

        return (
            added(self.run_start_s, self.baseline_start_s, self.reference_start_s),
            added(self.run_end_s, self.baseline_end_s, self.reference_end_s),
        )

    def shifts_ms(self) -> tuple[Floats, Floats]:
        """How much later each start and each end is in the run; NaN where either is missing."""
        starts, ends = self.run_start_s - self.baseline_start_s, self.run_end_s - self.baseline_end_s
        return starts * MS_PER_S, ends * MS_PER_S


def system_labels(words: pa.Table) -> list[str]:
    """The systems of a words table in their order, as ``source | align``."""
    pairs = zip(words.column("source").to_pylist(), words.column("align").to_pylist(), strict=True)
    return list(dict.fromkeys(f"{source} | {align}" for source, align in pairs))


def parse_map(given: Iterable[str]) -> dict[str, str]:
    """Systems under another name, ``OLD -> NEW`` each.

    Raises
    ------
    InputError
        Where one is not of that form, or a system is named twice.
    """
    renamed: dict[str, str] = {}
    for text in given:
        old, arrow, new = (part.strip() for part in text.partition("->"))
        if not (old and arrow and new):
            raise InputError(
                "--map", f"{text!r} is not of the form 'OLD -> NEW'", "write 'source | align' on either side"
            )
        if old in renamed or new in renamed.values():
            raise InputError("--map", f"{text!r} names a system that another --map names", "map each once")
        renamed[old] = new
    return renamed


def match_systems(
    baseline: Iterable[str], run: Iterable[str], renamed: Mapping[str, str], only: Iterable[str] = ()
) -> dict[str, str]:
    """From each system of the baseline to the one of the run that it is compared with: that of the same name, or the
    one that ``renamed`` gives it. ``only`` keeps these of the baseline.

    Raises
    ------
    InputError
        Where ``renamed`` or ``only`` names a system that is not there.
    NotComparableError
        Where the run lacks a system of the baseline: nothing may pass by not being there.
    """
    baseline, run, only = list(baseline), list(run), list(only)
    for given, known, place in (
        (renamed.keys(), baseline, "--map, baseline"),
        (renamed.values(), run, "--map, run"),
        (only, baseline, "--system"),
    ):
        for name in given:
            if name not in known:
                raise InputError(place, f"there is no system {name!r}", f"known: {'; '.join(known)}")
    matched = {name: renamed.get(name, name) for name in baseline if not only or name in only}
    missing = [name for name in matched.values() if name not in run]
    if missing:
        raise NotComparableError(
            "the run",
            f"lacks systems of the baseline: {'; '.join(missing)}",
            f"run them, name what takes their place (--map 'OLD -> NEW'), or compare some only (--system); "
            f"the run has: {'; '.join(run)}",
        )
    return matched


def paired_words(baseline: pa.Table, run: pa.Table, systems: Mapping[str, str]) -> Iterator[PairedWords]:
    """Pair two words tables; yields one record a kind of reference and system.

    Raises
    ------
    InputError
        Where a table holds a word of a system twice.
    NotComparableError
        Where the words, their references or their speakers are not the same.
    """
    old_tables, new_tables = _by_system(baseline, "baseline"), _by_system(run, "run")
    for old, new in systems.items():
        of_baseline, of_run = old_tables[old], new_tables[new]
        differing = _differing(of_baseline, of_run)
        if differing:
            raise NotComparableError(
                "the run",
                f"is not about the same words as the baseline: words.parquet differs in {', '.join(differing)}",
                "run on what the baseline was made from, or accept a new baseline (--accept)",
            )
        for reference in sorted(set(of_baseline.column("reference").to_pylist())):
            mask = pc.equal(of_baseline.column("reference"), reference)
            yield _paired(old, reference, of_baseline.filter(mask), of_run.filter(mask))


def _by_system(words: pa.Table, place: str) -> dict[str, pa.Table]:
    """The table of each system, words in order."""
    labels = pc.binary_join_element_wise(words.column("source"), words.column("align"), " | ")
    tables = {}
    for label in system_labels(words):
        table = words.filter(pc.equal(labels, label)).sort_by([(name, "ascending") for name in WORD_KEY])
        keys = list(zip(*(table.column(name).to_pylist() for name in WORD_KEY), strict=True))
        twice = next((key for key, following in pairwise(keys) if key == following), None)
        if twice:
            problem = f"utterance {twice[0]}, word {twice[1]} of {label} stands there twice"
            raise InputError(f"words.parquet of the {place}", problem, "run again")
        tables[label] = table
    return tables


def _differing(baseline: pa.Table, run: pa.Table) -> list[str]:
    keys = [name for name in WORD_KEY if not baseline.column(name).equals(run.column(name))]
    if keys:
        return keys  # other words: what stands beside them cannot be compared
    return [name for name in MUST_AGREE if not baseline.column(name).equals(run.column(name))]


def _paired(system: str, reference: str, baseline: pa.Table, run: pa.Table) -> PairedWords:
    def numbers(table: pa.Table, name: str) -> Floats:
        return np.asarray(table.column(name).to_numpy(zero_copy_only=False), dtype=np.float64)

    def found(table: pa.Table) -> Bools:
        """Words that something was recognised for, in a unit that has a start: one stays open up to its end."""
        said = pc.is_valid(table.column("hypothesis")).to_numpy(zero_copy_only=False)
        opens, closes = (np.isfinite(numbers(table, name)) for name in ("start_s", "end_s"))
        return np.asarray(said & (np.cumsum(opens) > np.cumsum(closes) - closes), dtype=np.bool_)

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
        reference_start_s=numbers(baseline, "reference_start_s"),
        reference_end_s=numbers(baseline, "reference_end_s"),
        in_baseline=found(baseline),
        in_run=found(run),
        baseline_start_s=numbers(baseline, "start_s"),
        baseline_end_s=numbers(baseline, "end_s"),
        run_start_s=numbers(run, "start_s"),
        run_end_s=numbers(run, "end_s"),
    )
