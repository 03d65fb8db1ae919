"""Records of the search for heads, as ``heads.json`` holds them, and the reading of a set from that file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from align_eval.errors import InputError
from align_eval.findings.budget.records import Figure
from align_eval.formats.heads_export import Head, Shape, parse_heads

SCHEMA_VERSION = 1

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
        p-value of that difference, from flipping the signs of whole clusters.
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


def heads_of_search(
    data: Mapping[str, Any], place: object, name: str, reference: str | None = None
) -> tuple[tuple[Head, ...], Shape]:
    """Read a set of heads from the file of a search.

    Parameters
    ----------
    data
        Contents of the file.
    place
        Name of the file, for messages.
    name
        Name of the set.
    reference
        Kind of reference; may be left out where the file has one.

    Returns
    -------
    heads : tuple of (layer, head)
    shape : tuple of int
        Numbers of layers and of heads per layer of the model.

    Raises
    ------
    InputError
        Where the file holds another finding or schema, or no such set or reference.
    """
    if data["finding"].get("finding") != "heads" or data.get("schema") != SCHEMA_VERSION:
        raise InputError(place, "is no search for heads of this version", "give a file of `align-eval heads search`")
    strata = {stratum["reference"]: stratum for stratum in data["strata"]}
    if reference is None and len(strata) > 1:
        raise InputError(place, f"holds several references: {', '.join(strata)}", "choose one with --reference")
    chosen = reference or next(iter(strata))
    if chosen not in strata:
        raise InputError(place, f"holds no {chosen} reference", f"known: {', '.join(strata)}")
    sets = {row["name"]: row["heads"] for row in strata[chosen]["sets"] if row["heads"]}
    if name not in sets:
        raise InputError(place, f"holds no set {name!r}", f"known: {', '.join(sets)}")
    return parse_heads("+".join(sets[name])), (data["n_layers"], data["n_heads_a_layer"])
