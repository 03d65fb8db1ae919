"""A finished run whose relevance maps were saved with ``run --keep``, read without a model.

An :class:`Item` is an utterance that was aligned, whose words have reference times and whose maps were saved. Items are
grouped by the kind of their reference times (manual, automatic): findings never pool different kinds.
"""

from __future__ import annotations

import hashlib
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

from align_eval.alignment.aligner import parse_aligner
from align_eval.alignment.word_times import align_map
from align_eval.engine.fitting_maps import REMEDY, read_fitting_maps
from align_eval.errors import InputError
from align_eval.formats.checksum import check_file
from align_eval.formats.run.folder import read_run
from align_eval.formats.run.map_checksums import read_checksums
from align_eval.formats.run.maps import SavedMaps, maps_path, n_words_of
from align_eval.formats.run.words_table import read_words_table
from align_eval.records import RelevanceMap
from align_eval.run_record import Run
from align_eval.scoring.boundaries import Bools, Floats, Ints
from align_eval.scoring.statistics import cluster_rows
from align_eval.signature import package_version, signature_id
from align_eval.units import MS_PER_S

PACKAGES = ("align-eval", "numpy", "scipy", "dtw-python", "numba")
"""Packages whose versions can change a finding that is made from saved maps."""


@dataclass(frozen=True, slots=True)
class Item:
    """One utterance of a run.

    Attributes
    ----------
    id : str
        Id of the utterance.
    reference : str
        Kind of its reference times.
    cluster : int
        Resampling unit (speaker or recording), numbered from 0 within the items of one kind of reference.
    corpus_cluster : int
        Resampling unit, numbered from 0 within the whole corpus.
    reference_s : float64[n_words, 2]
        Start and end of each word in seconds from the start of the utterance, the same origin as the maps.
    path : Path
        File of its maps. :attr:`maps` reads it on access, so that memory never holds the maps of a whole run.
    checksum : str or None
        SHA-256 of that file; None to accept any.
    of_reference : bool
        Whether the rows of its maps are the words of the reference, and not recognised words or those of a transcript.
    """

    id: str
    reference: str
    cluster: int
    corpus_cluster: int
    reference_s: Floats
    path: Path
    checksum: str | None
    of_reference: bool = False

    @property
    def maps(self) -> SavedMaps:
        """The saved maps of this utterance.

        Raises
        ------
        InputError
            Where the file cannot be read, or holds no such maps.
        """
        try:
            state = self.path.stat()
        except OSError as error:
            problem = f"cannot be read ({error.strerror}): the run saved no maps, or they were moved"
            raise InputError(self.path, problem, "run again with --keep heads") from error
        maps = _read(self.path, self.checksum, state.st_mtime_ns, state.st_size)
        if self.of_reference:
            for unit in maps.word_of_token:
                self.check_words(maps, unit)
        return maps

    def check_words(self, maps: SavedMaps, unit: str) -> None:
        """Refuse maps of another number of words than the reference's.

        Raises
        ------
        InputError
            If the rows of a token unit are of more or fewer words.
        """
        n_words = n_words_of(maps, unit)
        if n_words != len(self.reference_s):
            problem = f"holds maps of {n_words} words in the unit {unit}, the run {len(self.reference_s)}"
            raise InputError(self.path, problem, REMEDY)


@lru_cache(maxsize=2)
def _read(path: Path, checksum: str | None, *_state: int) -> SavedMaps:
    """Maps of one utterance. The last two stay in memory, since findings go through a run item by item."""
    if checksum is not None:
        check_file(path, checksum)
    return read_fitting_maps(path)


@dataclass(frozen=True, slots=True)
class SavedRun:
    """A run and its items by kind of reference.

    Attributes
    ----------
    folder : Path
    run : Run
    items : mapping
        From a kind of reference to its items.
    clusters : mapping
        From a kind of reference to the name of its resampling units, such as ``speakers``.
    corpus_clusters : str
        Name of the resampling units of the whole corpus.
    """

    folder: Path
    run: Run
    items: Mapping[str, tuple[Item, ...]]
    clusters: Mapping[str, str]
    corpus_clusters: str


def read_saved_run(folder: Path, needed: Sequence[str] = (), *, edited: bool = False) -> SavedRun:
    """Read a run folder with saved maps.

    Utterances that any system failed are left out, so that all sources are measured on the same speech.

    Parameters
    ----------
    folder
        Folder that ``run --out`` wrote.
    needed
        Sources, as specs without preparation, whose maps must be present.
    edited
        Accept files that were changed since the run was written.

    Raises
    ------
    InputError
        Where the folder holds no run, no maps, or not the maps of a needed source. In the last case the message names
        the options of ``run`` that save them.
    """
    run = read_run(folder, edited=edited)
    table = read_words_table(folder / "words.parquet")
    failed = pa.array([failure.id for failure in run.failures], pa.string())
    table = table.filter(pc.invert(pc.is_in(table.column("utterance"), value_set=failed)))  # clusters without gaps
    checksums = read_checksums(folder) if run.files else None
    items: dict[str, tuple[Item, ...]] = {}
    clusters: dict[str, str] = {}
    corpus_clusters, cluster_of_row = cluster_rows(table)
    corpus_cluster = dict(zip(table.column("utterance").to_pylist(), cluster_of_row.tolist(), strict=True))
    for reference in sorted(set(table.column("reference").to_pylist())):
        rows = table.filter(pc.equal(table.column("reference"), reference))
        clusters[reference], cluster = cluster_rows(rows)
        of_kind = _items(folder, checksums, rows, cluster, reference, corpus_cluster)
        items[reference] = tuple(replace(item, of_reference=run.signature.get("text") == "words") for item in of_kind)
    require_stacks(folder, [item for same_kind in items.values() for item in same_kind], needed)
    return SavedRun(folder, run, items, clusters, corpus_clusters)


def _items(
    folder: Path,
    checksums: Mapping[str, str] | None,
    table: pa.Table,
    cluster: Ints,
    reference: str,
    corpus_cluster: Mapping[str, int],
) -> Iterable[Item]:
    first_row: dict[str, int] = {}
    for row, id_ in enumerate(table.column("utterance").to_pylist()):
        first_row.setdefault(id_, row)
    offset_s = table.column("offset_s").to_numpy(zero_copy_only=False)
    start_s, end_s = (
        table.column(f"reference_{edge}_s").to_numpy(zero_copy_only=False) - offset_s for edge in ("start", "end")
    )
    n_words = table.column("n_words").to_pylist()
    for id_, row in first_row.items():
        words = slice(row, row + n_words[row])  # rows of the first system; all systems share the reference
        times = np.stack([start_s[words], end_s[words]], axis=1)
        path = maps_path(folder, id_)
        if not path.is_file() or not (checksums is None or id_ in checksums):
            raise InputError(path, "is not there: the run saved no maps", "run again with --keep heads")
        checksum = None if checksums is None else checksums[id_]
        yield Item(id_, reference, int(cluster[row]), corpus_cluster[id_], times, path, checksum)


def require_stacks(place: object, items: Iterable[Item], needed: Sequence[str]) -> None:
    """Check that every item has the maps of every needed source.

    Raises
    ------
    InputError
        Where one is missing. The message names all missing sources of the first such item, and then those that it has,
        since a run with the missing ones alone would lack the others. Or where items have different numbers of maps.
    """
    n_maps: dict[str, int] = {}
    for item in items:
        missing = [spec for spec in needed if spec not in item.maps.stacks]
        if missing:
            sources = " ".join(f"--source {shlex.quote(spec)}" for spec in (*missing, *item.maps.stacks))
            raise InputError(f"{place}, {item.id}", "lacks maps that this needs", f"run with --keep heads {sources}")
        for spec in needed:
            n = len(item.maps.stacks[spec])
            if n_maps.setdefault(spec, n) != n:
                raise InputError(item.path, f"holds {n} maps of {spec}, others {n_maps[spec]}", REMEDY)


def has_stack(items: Iterable[Item], spec: str) -> bool:
    """True if every item has the maps of a source."""
    return all(spec in item.maps.stacks for item in items)


def finding_signature(run: Run, name: str, seed: int, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Signature of a finding: everything beside the run's own signature that decides its figures, and a short id."""
    deciding = {
        "finding": name,
        "run": run.signature["id"],
        "seed": seed,
        "packages": {package: package_version(package) for package in PACKAGES},
        **settings,
    }
    return {"id": signature_id(deciding), **deciding}


def rng_of(seed: int, utterance: str, purpose: str) -> np.random.Generator:
    """Random generator for one purpose in one utterance."""
    return np.random.default_rng(seed_of(seed, utterance, purpose))


def seed_of(seed: int, utterance: str, purpose: str) -> int:
    """Seed for one purpose in one utterance: 128 bits of a hash.

    It does not depend on other utterances or purposes, nor on their order.
    """
    digest = hashlib.sha256(f"{seed}\n{utterance}\n{purpose}".encode()).digest()
    return int.from_bytes(digest[:16], "big")


def heads_of(item: Item, spec: str) -> npt.NDArray[np.float32]:
    """Attention of every head.

    Parameters
    ----------
    spec
        Source of attention with all heads.

    Returns
    -------
    float32[n_layers, n_heads, n_rows, n_frames]

    Raises
    ------
    InputError
        Where the run saved the mean over heads instead.
    """
    stack, names = item.maps.stacks[spec], head_names(item, spec)
    n_layers = 1 + int(names[-1].split(".")[0])
    return stack.reshape(n_layers, -1, *stack.shape[1:])


def head_names(item: Item, spec: str) -> list[str]:
    """Names ``layer.head`` of the maps of a source of attention with all heads, in the order of layers and heads.

    Raises
    ------
    InputError
        Where the run saved the mean over heads instead.
    """
    names: list[str] = item.maps.details.get(spec, {}).get("heads", [])
    if len(item.maps.stacks[spec]) != len(names):
        raise InputError(
            f"{item.id}, {spec}", "the run saved the mean over heads, not the heads", "run with --keep heads"
        )
    last_layer, last_head = map(int, names[-1].split("."))
    if names != [f"{layer}.{head}" for layer in range(last_layer + 1) for head in range(last_head + 1)]:
        raise InputError(f"{item.path}, {spec}", "its heads are not all heads of all layers", REMEDY)
    return names


def mean_map(item: Item, spec: str) -> Floats:
    """Mean of a source's maps without the row of the end of the text, float64[n_tokens, n_frames]."""
    return np.asarray(item.maps.stacks[spec].mean(axis=0)[:-1], dtype=np.float64)


def decoded(item: Item, values: npt.NDArray[np.floating], unit: str, align: str) -> Floats:
    """Word times that an alignment reads off a prepared map.

    Parameters
    ----------
    values : float[n_rows, n_frames]
        Prepared map, the end of the text as its last row.
    unit
        Token unit of the rows.
    align
        Spec of the alignment.

    Returns
    -------
    float64[n_words, 2]
        Start and end in seconds.
    """
    maps = item.maps
    item.check_words(maps, unit)
    try:
        relevance = RelevanceMap(
            np.asarray(values, dtype=np.float32),
            maps.frame_s,
            maps.start_s,
            maps.word_of_token[unit],
            "kept maps",
            letters=maps.letters.get(unit),
        )
        return np.asarray(align_map(relevance, maps.energy, parse_aligner(align)).words, dtype=np.float64)
    except InputError as error:
        raise InputError(f"{item.id}, {unit}, {error.place}", error.problem, error.remedy) from error


def has_enough_frames(item: Item, unit: str) -> bool:
    """True if there are at least as many frames as tokens; the path with silence gives each token one or more."""
    words = item.maps.word_of_token[unit]
    return len(words) - 1 <= len(item.maps.energy)


def with_interior(items: Sequence[Item]) -> tuple[Item, ...]:
    """Items with interior boundaries, which need two words, with clusters renumbered without gaps."""
    several = [item for item in items if len(item.reference_s) > 1]
    number = {cluster: i for i, cluster in enumerate(sorted({item.cluster for item in several}))}
    return tuple(replace(item, cluster=number[item.cluster]) for item in several)


def boundary_clusters(items: Sequence[Item]) -> Ints:
    """Cluster of each interior boundary, in the order of items and of :func:`interior_errors_ms`."""
    return np.concatenate([np.full(2 * len(item.reference_s) - 2, item.cluster) for item in items])


def boundary_starts(items: Sequence[Item]) -> Bools:
    """Mask of the interior boundaries that are starts of words, in the order of :func:`boundary_clusters`."""
    n_inside = [len(item.reference_s) - 1 for item in items]
    return np.concatenate([np.repeat([True, False], n) for n in n_inside])


def interior_errors_ms(item: Item, times_s: Floats) -> Floats:
    """Signed errors of the interior boundaries in ms: starts except the first, then ends except the last."""
    error = (times_s - item.reference_s) * MS_PER_S
    return np.concatenate([error[1:, 0], error[:-1, 1]])
