"""Records of the agreement finding, as ``agree.json`` holds them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from align_eval.findings.agreement.correlation import Level, Method, Normalisation

SCHEMA_VERSION = 1

FAITHFUL = "faithful by construction"
"""Group name of the rows where the saliency map itself takes the place of attention."""


@dataclass(frozen=True, slots=True)
class AgreementRow:
    """Mean correlation of a group of heads with a saliency map over a corpus, with all conditions that decide it.

    Attributes
    ----------
    source, saliency : str
        Specs of the attention and of the saliency map.
    group : str
        Group of heads, as :func:`~align_eval.findings.agreement.correlation.head_groups` names them.
    level : str
        Extent of one correlation: ``utterance``, ``word`` or ``token``.
    value : float
        Mean of the defined correlations, each counting once. ``ci_low`` and ``ci_high`` are its 95 % interval.
    squared : float
        Square of ``value``: the share of variance (of ranks: with Spearman) that a line with the mean correlation
        explains. It is not the mean of squares and has no sign.
    n, n_undefined : int
        Numbers of correlations in the mean, and of those left out because they are not defined.
    clusters : str
        Name of the resampling units.
    n_clusters : int
        Clusters with a defined correlation.
    n_effective_clusters : float
        Their effective number, given unequal sizes.
    """

    source: str
    saliency: str
    group: str
    normalisation: Normalisation
    method: Method
    level: Level
    value: float
    squared: float
    ci_low: float | None
    ci_high: float | None
    n: int
    n_undefined: int
    clusters: str
    n_clusters: int
    n_effective_clusters: float


@dataclass(frozen=True, slots=True)
class MapFigure:
    """Mean over utterances of a property of maps, with its 95 % interval.

    ``measure`` is ``coverage`` (share of saliency inside the frames that hold 90 % of attention), ``entropy`` of
    ``source`` in nats, or ``noise ceiling`` (square root of the saliency's reliability).
    """

    measure: str
    source: str
    saliency: str
    value: float
    ci_low: float | None
    ci_high: float | None


@dataclass(frozen=True, slots=True)
class AgreementFinding:
    """Agreement in a run: signature of the finding, signature of the run, correlations and properties of maps."""

    schema: int
    finding: Mapping[str, Any]
    signature: Mapping[str, Any]
    n_utterances: int
    rows: tuple[AgreementRow, ...]
    figures: tuple[MapFigure, ...]
