"""Records of the search for heads, as ``heads.json`` holds them, and the reading of a set from that file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from align_eval.errors import InputError, did_you_mean, listed
from align_eval.formats.heads_export import Head, Shape, check_heads, parse_heads
from align_eval.formats.run.finding_json import finding_of, read_finding
from align_eval.run_record import Figure

SCHEMA_VERSION = 1

MAX_SIZE = 1000
"""Layers, and heads per layer, beyond those of any model; Whisper has at most 32 and 20."""

SUPERVISED = "greedy by error"
"""Set that all others are compared with: that of the search which uses reference times most."""

OWN_NORMS = "norms, each utterance its own"
"""Name of the method that chooses other heads for each utterance."""


@dataclass(frozen=True, slots=True)
class HeadRow:
    """One head alone.

    Attributes
    ----------
    head : str
        ``LAYER.HEAD``.
    error_ms : Figure
        Mean absolute error of interior boundaries.
    agreement : Figure
        Correlation with the saliency, rows of both standardised per token, mean over utterances.
    norms : float
        Mean over utterances of the norms of its map.
    error_rank : int
        Rank by error, from 1.
    among_best : float
        Share of halves of the speakers in which the head is among the tenth (at least three) of least error.
    """

    head: str
    error_ms: Figure
    agreement: Figure
    norms: float
    error_rank: int
    among_best: float

    def __post_init__(self) -> None:
        if self.error_ms.value < 0:
            raise ValueError(f"head {self.head} has an error of {self.error_ms.value} ms")


@dataclass(frozen=True, slots=True)
class SetRow:
    """One method to choose a set of heads.

    Attributes
    ----------
    name : str
    heads : tuple of str
        Set that it chooses on all clusters: the set to use and to export. Empty where each utterance has another.
    needs_reference : bool
        Whether it uses reference times.
    error_ms : Figure
        Mean absolute error of interior boundaries; with reference times, on clusters that took no part in the choice.
    own_error_ms : float or None
        Error of ``heads`` on the clusters that chose them: the claim of a search without cross-validation.
    beyond_supervised_ms : Figure or None
        Error minus that of the supervised search, paired.
    p_value : float or None
        p-value of that difference, from flipping the signs of whole clusters; None with fewer than five effective
        clusters.
    chosen : mapping
        Share of the halves that choose each head.
    """

    name: str
    heads: tuple[str, ...]
    needs_reference: bool
    error_ms: Figure
    own_error_ms: float | None
    beyond_supervised_ms: Figure | None
    p_value: float | None
    chosen: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class HeadStratum:
    """One kind of reference.

    Attributes
    ----------
    clusters : str
        Name of the resampling units.
    heads : tuple of HeadRow
        By rising error.
    sets : tuple of SetRow
    stability : mapping
        By ranking, Spearman's correlation between its order on one half of the speakers and on the other.
    predicts_error : mapping
        By ranking without reference times, Spearman's correlation with the ranking by error. 1 is the same order.
    """

    reference: str
    n_utterances: int
    n_boundaries: int
    clusters: str
    n_clusters: int
    n_effective_clusters: float
    heads: tuple[HeadRow, ...]
    sets: tuple[SetRow, ...]
    stability: Mapping[str, float]
    predicts_error: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class HeadSearch:
    """Search of a run: signature of the finding, signature of the run, strata, and the reasons for omissions."""

    schema: int
    finding: Mapping[str, Any]
    signature: Mapping[str, Any]
    n_layers: int
    n_heads_a_layer: int
    strata: tuple[HeadStratum, ...]
    left_out: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        shape = (self.n_layers, self.n_heads_a_layer)
        if not all(1 <= size <= MAX_SIZE for size in shape):
            raise ValueError(f"no model has {shape[0]} layers with {shape[1]} heads")
        for stratum in self.strata:
            for name in (row.head for row in stratum.heads):
                check_heads(parse_heads(name), shape)
            for names in (row.heads for row in stratum.sets if row.heads):
                check_heads(parse_heads("+".join(names)), shape)


def read_search(path: Path) -> HeadSearch:
    """Read the file of a search.

    Raises
    ------
    InputError
        If it cannot be read, or holds another finding or schema.
    """
    file = read_finding(path)
    if file.finding.finding != "heads":
        problem = f"is no search for heads, but a finding of {file.finding.finding!r}"
        raise InputError(path, problem, "give a file of `align-eval heads search`")
    return finding_of(file, HeadSearch, SCHEMA_VERSION)


def heads_of_search(
    search: HeadSearch, place: object, name: str, reference: str | None = None
) -> tuple[tuple[Head, ...], Shape]:
    """Choose a set of heads of a search.

    Parameters
    ----------
    place
        Name of its file, for messages.
    name
        Name of the set.
    reference
        Kind of reference; may be left out where the search has one.

    Returns
    -------
    heads : tuple of (layer, head)
    shape : tuple of int
        Numbers of layers and of heads per layer of the model.

    Raises
    ------
    InputError
        Where the search has no such set or reference.
    """
    strata = {stratum.reference: stratum for stratum in search.strata}
    if reference is None and len(strata) > 1:
        raise InputError(place, f"holds several references: {listed(strata)}", "choose one with --reference")
    chosen = reference or next(iter(strata), "")
    if chosen not in strata:
        raise InputError(
            place, f"holds no {chosen} reference", f"{did_you_mean(chosen, strata)}known: {listed(strata) or 'none'}"
        )
    sets = {row.name: row.heads for row in strata[chosen].sets if row.heads}
    if name not in sets:
        raise InputError(place, f"holds no set {name!r}", f"{did_you_mean(name, sets)}known: {listed(sets)}")
    return parse_heads("+".join(sets[name])), (search.n_layers, search.n_heads_a_layer)
