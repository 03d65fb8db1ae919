"""The answer of a run: how far off word times are, and what of it attention's incompleteness costs, from its words.

*Attention* (A) is attention read as well as we know how. What attention lacks of a saliency is its residual R
(:mod:`align_eval.relevance.injection`). The *worth* of R is the error of A minus the error of A plus R, with the amount
of R chosen on other clusters, 0 among the candidates. The *control* has R of attention's other heads in place of the
saliency, with the same candidates: where it does as much, better reading is what helps.

Errors are those of interior boundaries that all steps timed, so that every difference is paired. Calibrated errors are
after removal of the median error of all other clusters, separately for starts and ends, which is fixed in the interval;
amounts are then chosen by calibrated error. One answer is given per kind of reference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from pyarrow.dataset import Dataset

from align_eval.records import SystemName
from align_eval.run_record import AmountRow, Answer, Figure, HeadsFrom, Step, Verdict
from align_eval.scoring.boundaries import Bools, Floats, Ints, WordTimes, calibrated, counted
from align_eval.scoring.inference import (
    LEVEL,
    NOT_NEGATIVE,
    UNBOUNDED,
    freedom_of,
    interval_of_draws,
    standard_error,
    student_quantile,
)
from align_eval.scoring.metrics import Difference, Ratio, Statistic, count_by, sum_by
from align_eval.scoring.protocols import PROTOCOLS
from align_eval.scoring.recognition import only
from align_eval.scoring.selection import ChosenOnHalves
from align_eval.scoring.statistics import (
    Drawn,
    are_enough,
    draw_weights,
    effective_clusters,
    encoded,
    evaluate_draws,
)
from align_eval.scoring.system_rows import Kind, read_columns, read_recognition
from align_eval.units import MS_PER_S

MOVED_MS = 10.0
"""Half an encoder frame: a boundary that differs by less was not moved."""

UNIT_ROWS = 2**20
"""More than the words of an utterance."""

WORD_ID = ("utterance", "word_index")


@dataclass(frozen=True, slots=True)
class AnswerSystems:
    """The systems of a run that an answer compares, by their part in it.

    Attributes
    ----------
    whisper, attention, saliency : SystemName
    residual, control : mapping of float to SystemName
        By amount, without 0, which is ``attention``.
    source : str
        Name of the saliency's source, as ``gradient``.
    heads : str
    heads_from : HeadsFrom
    circular : bool
        True if the saliency chose the heads.
    """

    whisper: SystemName
    attention: SystemName
    saliency: SystemName
    residual: Mapping[float, SystemName]
    control: Mapping[float, SystemName]
    source: str
    heads: str
    heads_from: HeadsFrom
    circular: bool

    @property
    def names(self) -> tuple[SystemName, ...]:
        """All of them; without the residual where it would be circular."""
        residual = () if self.circular else self.residual.values()
        return (self.whisper, self.attention, self.saliency, *residual, *self.control.values())


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over the boundaries of each cluster, for several systems; all are scored on the same boundaries.

    Attributes
    ----------
    raw, calibrated : mapping of SystemName to float64[n_clusters]
        Total absolute error in ms. Calibrated errors are NaN where a cluster has no other to be calibrated on.
    moved : mapping of SystemName to float
        Share of boundaries that lie at least :data:`MOVED_MS` from those of attention.
    counts : float64[n_clusters]
        Number of boundaries, at least one per cluster.
    n_words : int
        Words with a counted boundary.
    """

    raw: Mapping[SystemName, Floats]
    calibrated: Mapping[SystemName, Floats]
    moved: Mapping[SystemName, float]
    counts: Floats
    n_words: int


def totals_of(words: Dataset, kind: Kind, systems: AnswerSystems) -> Totals | None:
    """Errors of the systems of an answer under one kind of reference; None where no boundary is timed by all.

    The table is read twice, one system at a time, so that memory does not grow with the number of systems.
    """
    names = tuple(dict.fromkeys(systems.names))
    number_of: dict[str, int] = {}
    shared: Ints = np.empty(0, dtype=np.int64)
    for name in names:
        times, ids = _timed(words, kind, name, number_of)
        timed = ids[times.scored]
        shared = timed if name == names[0] else np.intersect1d(shared, timed, assume_unique=True)

    def times_of(name: SystemName) -> WordTimes:
        times, ids = _timed(words, kind, name, number_of)
        in_all = np.flatnonzero(np.isin(ids, shared))
        in_all = in_all[np.argsort(ids[in_all])]  # the same order for all systems
        return WordTimes(**{field: getattr(times, field)[in_all] for field in WordTimes.__slots__})

    return totals_of_times(names, times_of, systems.attention)


def totals_of_times(
    names: Sequence[SystemName], times_of: Callable[[SystemName], WordTimes], attention: SystemName
) -> Totals | None:
    """Errors of systems that timed the same units, of which ``attention`` is one; None without interior boundaries."""
    of_attention = times_of(attention)
    starts, ends = counted(of_attention, "interior")
    cluster = np.concatenate([of_attention.cluster[starts], of_attention.cluster[ends]])
    if not len(cluster):
        return None
    numbers, cluster = np.unique(cluster, return_inverse=True)  # clusters without a boundary are none
    n_clusters = len(numbers)
    attention_ms = _errors_ms(of_attention, starts, ends)
    raw, calibrated_totals, moved = {}, {}, {}
    for name in names:
        of = times_of(name)
        errors_ms = _errors_ms(of, starts, ends)
        raw[name] = sum_by(cluster, np.abs(errors_ms), n_clusters)
        moved[name] = float((np.abs(errors_ms - attention_ms) >= MOVED_MS).mean())
        shifted = calibrated(of, "interior")
        shifted_ms = np.full(len(cluster), np.nan) if shifted is None else _errors_ms(shifted, starts, ends)
        calibrated_totals[name] = sum_by(cluster, np.abs(shifted_ms), n_clusters)
    return Totals(raw, calibrated_totals, moved, count_by(cluster, n_clusters), int((starts | ends).sum()))


def answer_of(totals: Totals, kind: Kind, systems: AnswerSystems, seed: int, floor_ms: Figure | None = None) -> Answer:
    """The answer from the errors of its systems.

    Parameters
    ----------
    totals : Totals
    kind : Kind
    systems : AnswerSystems
    seed : int
        Seed of the bootstrap.
    floor_ms : Figure, optional
        Distance of a second reference from the one that scores.
    """
    counts = totals.counts
    drawn = draw_weights(len(counts), seed)
    enough = are_enough(counts)
    roles = {"whisper": systems.whisper, "attention": systems.attention, "saliency": systems.saliency}
    can_calibrate = all(np.isfinite(of).all() for of in totals.calibrated.values())

    def sampled(statistic: Statistic) -> Floats:
        return np.concatenate([statistic.evaluate(np.ones((1, len(counts)))), evaluate_draws(statistic, drawn)])

    raw = {role: sampled(Ratio(totals.raw[name], counts)) for role, name in roles.items()}
    even = {role: sampled(Ratio(totals.calibrated[name], counts)) for role, name in roles.items() if can_calibrate}
    amounts: dict[str, tuple[AmountRow, ...]] = {}
    for role, by_amount in (("residual", systems.residual), ("control", systems.control)):
        if enough and by_amount and not (role == "residual" and systems.circular):
            candidates = {0.0: systems.attention, **by_amount}
            raw[role] = sampled(_chosen(totals.raw, candidates, counts))
            if can_calibrate:
                even[role] = sampled(_chosen(totals.calibrated, candidates, counts))
            amounts[role] = _amount_rows(totals, candidates)

    def figure(samples: Floats, *, bounds: tuple[float, float] = UNBOUNDED) -> Figure:
        return Figure(*interval_of_draws(float(samples[0]), samples[1:], counts, bounds=bounds))

    def worth(of: Mapping[str, Floats], role: str, than: str) -> Figure | None:
        return figure(of[than] - of[role]) if role in of and than in of else None

    names = {
        "whisper": "whisper",
        "attention": "attention",
        "residual": f"attention+{systems.source}",
        "control": "attention+other heads",
        "saliency": systems.source,
    }
    before = {"attention": "whisper", "residual": "attention", "control": "attention", "saliency": "attention"}
    steps = tuple(
        Step(
            name=name,
            role=role,
            error=figure(raw[role], bounds=NOT_NEGATIVE),
            calibrated=figure(even[role], bounds=NOT_NEGATIVE) if role in even else None,
            difference=worth(raw, before[role], role) if role in before else None,
            calibrated_difference=worth(even, before[role], role) if role in before else None,
            amounts=amounts.get(role, ()),
        )
        for role, name in names.items()
        if role in raw
    )
    reading = figure(raw["whisper"] - raw["attention"])
    reading_even = worth(even, "attention", "whisper")
    gain, gain_even = worth(raw, "residual", "attention"), worth(even, "residual", "attention")
    beyond = worth(raw, "residual", "control")
    return Answer(
        reference=kind.reference,
        saliency=systems.saliency.source,
        heads=systems.heads,
        heads_from=systems.heads_from,
        verdict=verdict_of(gain, gain_even, beyond, enough=enough, circular=systems.circular),
        n_words=totals.n_words,
        n_boundaries=int(counts.sum()),
        clusters=kind.clusters,
        n_clusters=len(counts),
        n_effective_clusters=effective_clusters(counts),
        steps=steps,
        reading_ms=reading,
        shift_ms=reading.value - reading_even.value if reading_even else None,
        worth_ms=gain,
        calibrated_worth_ms=gain_even,
        beyond_control_ms=beyond,
        at_most_ms=_at_most_ms(totals, systems, drawn) if gain else None,
        floor_ms=floor_ms,
    )


def verdict_of(
    worth: Figure | None, calibrated_worth: Figure | None, beyond: Figure | None, *, enough: bool, circular: bool
) -> Verdict:
    """The ending of an answer, from the worth of the residual raw, calibrated, and beyond the control."""
    if not enough:
        return "cannot be told"
    if circular or worth is None:
        return "circular"
    if not _is_positive(worth):
        return "not shown"
    if beyond is not None and not _is_positive(beyond):
        return "control"
    return "shown" if _is_positive(calibrated_worth) else "shift"


def _is_positive(figure: Figure | None) -> bool:
    return figure is not None and figure.ci_low is not None and figure.ci_low > 0


def _chosen(
    totals: Mapping[SystemName, Floats], candidates: Mapping[float, SystemName], counts: Floats
) -> ChosenOnHalves:
    return ChosenOnHalves(np.stack([totals[name] for name in candidates.values()]), counts)


def _amount_rows(totals: Totals, candidates: Mapping[float, SystemName]) -> tuple[AmountRow, ...]:
    chosen = _chosen(totals.raw, candidates, totals.counts).chosen_candidates().ravel()
    n_boundaries = totals.counts.sum()
    return tuple(
        AmountRow(
            amount=amount,
            error_ms=float(totals.raw[name].sum() / n_boundaries),
            calibrated_ms=float(totals.calibrated[name].sum() / n_boundaries),
            moved=totals.moved[name],
            chosen=int((chosen == i).sum()),
        )
        for i, (amount, name) in enumerate(candidates.items())
    )


def _at_most_ms(totals: Totals, systems: AnswerSystems, drawn: Drawn) -> float | None:
    """Largest upper end of the worth of the residual at any fixed amount, at a joint confidence of 95 %."""
    reach = student_quantile(1 - LEVEL / (2 * len(systems.residual)), freedom_of(totals.counts))
    attention = Ratio(totals.raw[systems.attention], totals.counts)
    ends = []
    for name in systems.residual.values():
        worth = Difference(attention, Ratio(totals.raw[name], totals.counts))
        error = standard_error(worth, drawn, totals.counts)
        if error is not None:
            ends.append(float(worth.evaluate(np.ones((1, len(totals.counts))))[0]) + reach * error)
    return max(ends, default=None)


def _timed(words: Dataset, kind: Kind, name: SystemName, number_of: dict[str, int]) -> tuple[WordTimes, Ints]:
    """Times of a system's units, and a number of each unit that is the same for all systems.

    Units that the system did not recognise or time have no times. ``number_of`` numbers the utterances; new ones are
    added to it.
    """
    recognition = read_recognition(words, kind, name)
    table = read_columns(words, kind, name, WORD_ID)
    utterances, code = encoded(table, "utterance")
    numbers = np.array([number_of.setdefault(u, len(number_of)) for u in utterances.to_pylist()], dtype=np.int64)
    index = np.asarray(table.column("word_index").to_numpy(), dtype=np.int64)
    first, n_words = recognition.first_row, recognition.times.n_words
    ids = (numbers[code[first]] * UNIT_ROWS + index[first]) * UNIT_ROWS + n_words
    return only(recognition.times, recognition.is_same(PROTOCOLS["wbe"].normaliser)), ids


def _errors_ms(times: WordTimes, starts: Bools, ends: Bools) -> Floats:
    """Signed errors of the starts, then of the ends, ``float64[n_boundaries]``."""
    start_ms = (times.start_s - times.reference_start_s)[starts]
    end_ms = (times.end_s - times.reference_end_s)[ends]
    return np.concatenate([start_ms, end_ms]) * MS_PER_S
