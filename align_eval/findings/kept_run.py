"""What a finished run kept, read for a finding: reference words, clusters and maps, and no model.

An utterance whose words all have reference times and whose maps are there is an :class:`Item`; the kinds of reference
are told apart, never pooled.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from align_eval.alignment import align_map
from align_eval.errors import InputError
from align_eval.formats.run.folder import read_run
from align_eval.formats.run.maps import FOLDER, SUFFIX, KeptMaps, read_maps
from align_eval.formats.run.words_table import read_words_table
from align_eval.records import RelevanceMap, Run
from align_eval.scoring.boundaries import Bools, Floats, Ints
from align_eval.scoring.statistics import cluster_rows
from align_eval.signature import package_version, signature_id
from align_eval.units import MS_PER_S

PACKAGES = ("align-eval", "numpy", "scipy", "statsmodels", "dtw-python", "numba")
"""That decide a finding made from kept maps."""


@dataclass(frozen=True, slots=True)
class Item:
    """One utterance of a run.

    Attributes
    ----------
    id, reference : str
        The utterance, and the kind of its reference times.
    cluster, corpus_cluster : int
        What is resampled, numbered from 0 within its kind of reference, and within the whole corpus.
    reference_s : float64[n_words, 2]
        Start and end of each word, from the start of the utterance, as the maps have it.
    path : Path
        Where its maps are: :attr:`maps` reads them when they are asked for, so that a run is never held whole.
    """

    id: str
    reference: str
    cluster: int
    corpus_cluster: int
    reference_s: Floats
    path: Path

    @property
    def maps(self) -> KeptMaps:
        """What was kept of it.

        Raises
        ------
        InputError
            Where the file cannot be read.
        """
        try:
            state = self.path.stat()
        except OSError as error:
            problem = f"cannot be read ({error.strerror}): the run kept no maps, or they were moved"
            raise InputError(self.path, problem, "run again with --keep heads") from error
        return _read(self.path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=2)
def _read(path: Path, *_state: int) -> KeptMaps:
    """Maps of one utterance, the last two held: findings go through a run item by item."""
    return read_maps(path)


@dataclass(frozen=True, slots=True)
class KeptRun:
    """A run with its items by kind of reference.

    ``clusters`` names what is resampled, by kind of reference, ``corpus_clusters`` in the whole corpus.
    """

    folder: Path
    run: Run
    items: Mapping[str, tuple[Item, ...]]
    clusters: Mapping[str, str]
    corpus_clusters: str


def read_kept(folder: Path, needed: Sequence[str] = ()) -> KeptRun:
    """Read a run folder and the maps in it.

    Parameters
    ----------
    needed
        Specs of sources without preparation whose stacks must be there.

    Raises
    ------
    InputError
        Where it is no run folder, or kept no maps, or lacks some: they are named with the command that makes them.
    """
    run = read_run(folder)
    table = read_words_table(folder / "words.parquet")
    failed = pa.array([failure.id for failure in run.failures], pa.string())
    table = table.filter(pc.invert(pc.is_in(table.column("utterance"), value_set=failed)))  # clusters without gaps
    items: dict[str, tuple[Item, ...]] = {}
    kinds: dict[str, str] = {}
    corpus_clusters, of_row = cluster_rows(table)
    of_corpus = dict(zip(table.column("utterance").to_pylist(), of_row.tolist(), strict=True))
    for reference in sorted(set(table.column("reference").to_pylist())):
        of_kind = table.filter(pc.equal(table.column("reference"), reference))
        kinds[reference], cluster = cluster_rows(of_kind)
        items[reference] = tuple(_items(folder, of_kind, cluster, reference, of_corpus))
    require_stacks(folder, [item for found in items.values() for item in found], needed)
    return KeptRun(folder, run, items, kinds, corpus_clusters)


def _items(
    folder: Path, table: pa.Table, cluster: Ints, reference: str, of_corpus: Mapping[str, int]
) -> Iterable[Item]:
    first: dict[str, int] = {}
    ids = table.column("utterance").to_pylist()
    for row, id_ in enumerate(ids):
        first.setdefault(id_, row)
    offset_s = table.column("offset_s").to_numpy(zero_copy_only=False)
    start_s, end_s = (
        table.column(f"reference_{edge}_s").to_numpy(zero_copy_only=False) - offset_s for edge in ("start", "end")
    )
    n_words = table.column("n_words").to_pylist()
    for id_, row in first.items():
        words = slice(row, row + n_words[row])  # of the first system: every system has the same
        times = np.stack([start_s[words], end_s[words]], axis=1)
        path = folder / FOLDER / f"{id_}{SUFFIX}"
        if not path.is_file():
            raise InputError(path, "is not there: the run kept no maps", "run again with --keep heads")
        yield Item(id_, reference, int(cluster[row]), of_corpus[id_], times, path)


def require_stacks(place: object, items: Iterable[Item], needed: Sequence[str]) -> None:
    """Refuse a run that kept no stack of a source.

    Raises
    ------
    InputError
        Naming every source that is missing.
    """
    for item in items:
        missing = [spec for spec in needed if spec not in item.maps.stacks]
        if missing:
            sources = " ".join(f"--source {shlex.quote(spec)}" for spec in missing)
            raise InputError(f"{place}, {item.id}", "lacks maps that this needs", f"run with --keep heads {sources}")


def has_stack(items: Iterable[Item], spec: str) -> bool:
    """Whether every item has the stack of a source."""
    return all(spec in item.maps.stacks for item in items)


def finding_signature(run: Run, name: str, seed: int, settings: Mapping[str, Any]) -> dict[str, Any]:
    """What decides a finding beside its run, with a short id over both."""
    deciding = {
        "finding": name,
        "run": run.signature["id"],
        "seed": seed,
        "packages": {package: package_version(package) for package in PACKAGES},
        **settings,
    }
    return {"id": signature_id(deciding), **deciding}


def heads_of(item: Item, spec: str) -> npt.NDArray[np.float32]:
    """All heads of attention, ``(layer, head, row, frame)``.

    Raises
    ------
    InputError
        Where their mean was kept and not they.
    """
    stack, names = item.maps.stacks[spec], item.maps.details[spec]["heads"]
    if len(stack) != len(names):
        raise InputError(f"{item.id}, {spec}", "the mean over heads was kept, not the heads", "run with --keep heads")
    n_layers = 1 + max(int(name.split(".")[0]) for name in names)
    return stack.reshape(n_layers, -1, *stack.shape[1:])


def decoded(item: Item, values: npt.NDArray[np.floating], unit: str, align: str) -> Floats:
    """Times of the words of an item by a path through a prepared map, ``(word, start and end)`` in seconds."""
    maps = item.maps
    try:
        relevance = RelevanceMap(
            np.asarray(values, dtype=np.float32), maps.frame_s, maps.start_s, maps.word_of_token[unit], "kept maps"
        )
        return np.array(align_map(relevance, maps.energy, align).words)
    except InputError as error:
        raise InputError(f"{item.id}, {unit}, {error.place}", error.problem, error.remedy) from error


def fits(item: Item, unit: str) -> bool:
    """Whether every token of an item can have a frame of its own, as the path with silence gives it."""
    words = item.maps.word_of_token[unit]
    return len(words) - 1 <= len(item.maps.energy)


def with_interior(items: Sequence[Item]) -> tuple[Item, ...]:
    """Items of two words or more, since one word has no interior boundary; clusters numbered anew without gaps."""
    several = [item for item in items if len(item.reference_s) > 1]
    number = {cluster: i for i, cluster in enumerate(sorted({item.cluster for item in several}))}
    return tuple(replace(item, cluster=number[item.cluster]) for item in several)


def boundary_clusters(items: Sequence[Item]) -> Ints:
    """The cluster of each interior boundary, in the order of items and of :func:`interior_errors_ms`."""
    return np.concatenate([np.full(2 * len(item.reference_s) - 2, item.cluster) for item in items])


def boundary_starts(items: Sequence[Item]) -> Bools:
    """Which interior boundaries are starts of words, in the same order."""
    n_inside = [len(item.reference_s) - 1 for item in items]
    return np.concatenate([np.repeat([True, False], n) for n in n_inside])


def interior_errors_ms(item: Item, times_s: Floats) -> Floats:
    """Signed errors of the interior boundaries: starts but the first, then ends but the last; in ms."""
    error = (times_s - item.reference_s) * MS_PER_S
    return np.concatenate([error[1:, 0], error[:-1, 1]])
