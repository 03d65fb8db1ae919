"""The answer of a run, and the systems that it compares among all of the run (:mod:`align_eval.scoring.answer`)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pyarrow.dataset import Dataset

from align_eval.records import SECOND_REFERENCE, SystemName
from align_eval.relevance.options import AttentionOptions
from align_eval.relevance.source import ResidualOptions, Source, parse_source
from align_eval.run_record import Answer, Figure, HeadsFrom, ScoreRow
from align_eval.scoring.answer import AnswerSystems, answer_of, totals_of
from align_eval.scoring.system_rows import Kind, kinds_of, read_columns
from align_eval.systems import CHOSEN_ON, PRESETS, chosen_heads, is_made_of, is_own

HEADS_BY_AGREEMENT = "heads_by_agreement"
"""Setting in the signature of a run whose heads were chosen by agreement: the saliency, the number of utterances that
chose, and the heads."""


def answers(
    words: Dataset, rows: Sequence[ScoreRow], signature: Mapping[str, Any]
) -> tuple[tuple[Answer, ...] | None, str | None]:
    """The answers of a run, or None and the reason why there is none.

    Parameters
    ----------
    words : Dataset
        Words table.
    rows : sequence of ScoreRow
        For the distance of a second reference.
    signature : mapping
        Its seed, and how the heads were chosen.
    """
    found: list[Answer] = []
    reason = "the run has no words"
    for kind in kinds_of(words):
        systems, reason = answer_systems(
            kind.systems, signature.get(HEADS_BY_AGREEMENT), _ids(words, kind), signature["model_checksum"]
        )
        for of_saliency in systems:
            totals = totals_of(words, kind, of_saliency)
            if totals is None:
                reason = f"{kind.reference} reference: no word boundary was timed by every system"
                continue
            found.append(answer_of(totals, kind, of_saliency, signature["seed"], _floor_ms(rows, kind.reference)))
    return (tuple(found), None) if found else (None, reason)


def answer_systems(
    names: Sequence[SystemName], by_agreement: Sequence[Any] | None, ids: Sequence[str], model_checksum: str
) -> tuple[tuple[AnswerSystems, ...], str]:
    """The systems that an answer compares, for every saliency whose residual was added to attention.

    Attention is the source that a residual is added to. The answer needs openai's own way, attention and the saliency
    alone by the logarithm and the path of the residual, and the residual of the other heads.

    Parameters
    ----------
    names : sequence of SystemName
        All systems of a run.
    by_agreement : sequence or None
        See :data:`HEADS_BY_AGREEMENT`.
    ids : sequence of str
        Utterances, to tell whether the heads were chosen on them.
    model_checksum : str
        Checksum of the model of the run, to tell whether the heads were chosen for it.

    Returns
    -------
    systems : tuple of AnswerSystems
    reason : str
        The first thing that is missing, where there is no answer.
    """
    whisper = PRESETS["openai"].name
    if whisper not in names:
        return (), "the run lacks Whisper's own word times (--preset openai)"
    families: dict[tuple[Source, str], dict[Source, dict[float, SystemName]]] = {}
    for name in filter(is_own, names):
        options = parse_source(name.source).options
        if isinstance(options, ResidualOptions):
            saliency, attended = options.inner
            families.setdefault((attended, name.align), {}).setdefault(saliency, {})[options.amount] = name
    found, reason = [], "the run adds no saliency to attention (leave out --source, --align, --preset and --grid)"
    for (to, align), by_saliency in families.items():
        attention, heads, others = _by_log(to, align), _heads(to), _others(to)
        control = by_saliency.get(others, {})
        chooser = parse_source(by_agreement[0]).name if by_agreement and by_agreement[2] == heads else None
        for of, amounts in by_saliency.items():
            if of.name == "attention":
                continue
            missing = [name for name in (attention, _by_log(of, align)) if name not in names]
            if missing or control.keys() != amounts.keys():
                reason = f"the run lacks {missing[0] if missing else f'the control {others.stack} at the same amounts'}"
                continue
            found.append(
                AnswerSystems(
                    whisper=whisper,
                    attention=attention,
                    saliency=_by_log(of, align),
                    residual=dict(sorted(amounts.items())),
                    control=dict(sorted(control.items())),
                    source=of.name,
                    heads=heads,
                    heads_from="agreement" if chooser else _heads_from(heads, model_checksum, ids),
                    circular=chooser is not None and is_made_of(of, chooser),
                )
            )
    return tuple(found), reason


def _by_log(source: Source, align: str) -> SystemName:
    return SystemName(source.with_options(prep="log").text, align)


def _heads(source: Source) -> str:
    return source.options.heads if isinstance(source.options, AttentionOptions) else source.text


def _others(source: Source) -> Source:
    """The heads outside those of an attention source."""
    return source.with_options(heads="-".join(("all", *_heads(source).split("+"))))


def _heads_from(heads: str, model_checksum: str, ids: Sequence[str]) -> HeadsFrom:
    if tuple(heads.split("+")) != chosen_heads(model_checksum):
        return "named"
    n_known = sum(re.match(CHOSEN_ON, id_) is not None for id_ in ids)
    return "this corpus" if 2 * n_known > len(ids) else "other speech"


def _ids(words: Dataset, kind: Kind) -> list[str]:
    return list(dict.fromkeys(read_columns(words, kind, kind.systems[0], ["utterance"]).column(0).to_pylist()))


def _floor_ms(rows: Sequence[ScoreRow], reference: str) -> Figure | None:
    key = (SECOND_REFERENCE, reference, "interior", "none", "wbe_mean")
    for row in rows:
        if (row.source, row.reference, row.boundaries, row.calibration, row.metric) == key:
            return Figure(row.value, row.ci_low, row.ci_high)
    return None
