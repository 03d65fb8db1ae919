"""The record of a run: its signature, its score rows, and its failures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from align_eval.records import Failure, FlatRows


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """One number, with the conditions under which it holds.

    Attributes
    ----------
    source, align : str
        Name of the system.
    text : str
        The aligned text: ``words``, ``hypothesis`` or ``transcript``.
    reference : str
        Kind of the reference times.
    boundaries : str
        ``all`` or ``interior`` (without the first start and the last end of each utterance); for other protocols than
        ``wbe``, ``starts``, ``ends`` or ``both``.
    calibration : str
        ``none``, or ``reference``: one median shift per boundary type, estimated on other clusters.
    protocol, metric, unit : str
    value : float
    ci_low, ci_high : float or None
        95 % interval; None with fewer than five effective clusters, or if no resampling changes the value.
    n_words : int
    clusters : str
        The unit that is resampled: speakers or recordings.
    n_clusters : int
        Clusters with scored words.
    n_effective_clusters : float
        Their effective number, given how many words of each were scored.
    protocol_hash : str
        Hash of the rules of the protocol; numbers of different hashes are never compared.
    """

    source: str
    align: str
    text: str
    reference: str
    boundaries: str
    calibration: str
    protocol: str
    metric: str
    value: float
    ci_low: float | None
    ci_high: float | None
    unit: str
    n_words: int
    clusters: str
    n_clusters: int
    n_effective_clusters: float
    protocol_hash: str = ""


@dataclass(frozen=True, slots=True)
class RunSignature:
    """Settings that every signature has, with their types. A signature may have others.

    Attributes
    ----------
    id : str
    model, corpus : str
        Names, and ``model_checksum``, ``corpus_checksum`` of their contents.
    text : str
        The aligned text: ``words``, ``hypothesis`` or ``transcript``.
    seed : int
        Not negative.
    systems : tuple of (str, str)
        Source and aligner of each system, with their defaults.
    packages, protocols : mapping of str to str
        Versions of packages, and hashes of protocols, by name.
    window_s : float or None
        Length of the windows of long recordings, where they were cut.
    """

    id: str
    model: str
    model_checksum: str
    corpus: str
    corpus_checksum: str
    text: str
    seed: int
    systems: tuple[tuple[str, str], ...]
    packages: Mapping[str, str]
    protocols: Mapping[str, str]
    window_s: float | None = None

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise ValueError(f"seed {self.seed} is negative")
        if self.window_s is not None and self.window_s <= 0:
            raise ValueError(f"window_s {self.window_s} is not positive")


@dataclass(frozen=True, slots=True)
class Run:
    """A run: signature, scores, failures and flat rows.

    ``environment`` is informative and is never compared. ``files`` has the SHA-256 of the other files of its folder, by
    name; it is empty for a run that was not written, and for one that was read with ``edited``.
    """

    schema: int
    signature: dict[str, Any]
    rows: tuple[ScoreRow, ...]
    failures: tuple[Failure, ...] = ()
    environment: dict[str, Any] = field(default_factory=dict)
    flat_rows: tuple[FlatRows, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
