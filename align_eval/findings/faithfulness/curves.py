"""Deletion and insertion curves of one utterance: the model runs on audio with frames masked in some order.

:mod:`align_eval.findings.faithfulness.masking` masks the audio and runs the model.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor
from whisper.model import Whisper

from align_eval.errors import InputError
from align_eval.findings.faithfulness.deletion import deletion_masks
from align_eval.findings.faithfulness.masking import (
    Decoded,
    Masks,
    against_reference,
    batch_size,
    encoded_batches,
    mean_log_prob,
    mean_log_probs,
    normalised,
    redecode,
)
from align_eval.findings.faithfulness.records import FILLS, RANDOM, Curve, Ends, Fill, Outputs, UtteranceCurves
from align_eval.model.forward import Pass
from align_eval.records import Utterance
from align_eval.scoring.boundaries import Ints


@dataclass(frozen=True, slots=True)
class Order:
    """Frames of an utterance, the most relevant first; ``draw`` numbers several random orders."""

    name: str
    draw: int
    frames: Ints


def log_prob_curves(
    model: Whisper, id_: str, shared: Pass, orders: Sequence[Order], step_percent: int
) -> UtteranceCurves:
    """Mean log-probability of the text's tokens as frames are masked along each order and along its reverse.

    Parameters
    ----------
    id_
        Id of the utterance.
    shared
        The clean pass.
    orders
        Orders of its frames.
    step_percent
        Distance of the levels of a curve.
    """
    clean = mean_log_prob(shared.log_prob[:-1])
    masks = _interior_masks(orders, step_percent)
    curves: list[Curve] = []
    for fill in FILLS:
        deleted = float(mean_log_probs(model, shared, _fully_deleted(shared), fill)[0])
        interior = mean_log_probs(model, shared, masks, fill).reshape(-1, 100 // step_percent - 1)
        for (order, _, reverse), values in zip(_deletions(orders), interior, strict=True):
            curves += _curves(order, fill, reverse, (clean, *values.tolist(), deleted), None)
    return UtteranceCurves(id_, shared.n_frames, len(shared.log_prob) - 1, tuple(curves))


def word_error_curves(
    model: Whisper, utterance: Utterance, shared: Pass, orders: Sequence[Order], step_percent: int
) -> UtteranceCurves:
    """Word errors of re-decoding as frames are masked along each order and along its reverse.

    Parameters are those of :func:`log_prob_curves`.

    Raises
    ------
    InputError
        Where the utterance has no word after normalisation.
    """
    language = utterance.language
    reference = normalised(utterance.text, language)
    if not reference.split():
        raise InputError("text", f"{utterance.text!r} has no word after normalisation", "leave it out of this finding")
    n_tokens = len(shared.text.tokens)

    def decode(encoded: Tensor) -> list[Decoded]:
        outputs = redecode(model, encoded, language, n_tokens)
        return [against_reference(reference, normalised(text, language), capped=capped) for text, capped in outputs]

    (clean,) = decode(shared.taps[-1])
    masks = _interior_masks(orders, step_percent)
    n_interior = 100 // step_percent - 1
    curves: list[Curve] = []
    deleted: dict[Fill, Decoded] = {}
    for fill in FILLS:
        (encoded,) = encoded_batches(model, shared, _fully_deleted(shared), fill, 1)
        (deleted[fill],) = decode(encoded)
        interior = [
            d for encoded in encoded_batches(model, shared, masks, fill, batch_size(model)) for d in decode(encoded)
        ]
        for i, (order, _, reverse) in enumerate(_deletions(orders)):
            decoded = [clean, *interior[i * n_interior : (i + 1) * n_interior], deleted[fill]]
            curves += _curves(order, fill, reverse, tuple(float(d.errors) for d in decoded), decoded)
    return UtteranceCurves(
        id=utterance.id,
        n_frames=shared.n_frames,
        n_units=len(reference.split()),
        curves=tuple(curves),
        ends=Ends(
            clean_text=clean.text,
            clean_errors=clean.errors,
            deleted_text={str(fill): d.text for fill, d in deleted.items()},
            deleted_errors={str(fill): d.errors for fill, d in deleted.items()},
        ),
    )


def _deletions(orders: Sequence[Order]) -> Iterator[tuple[Order, Ints, bool]]:
    """Every order with its frames, then reversed for insertion; a random order is not reversed, being as random."""
    for order in orders:
        yield order, order.frames, False
        if order.name != RANDOM:
            yield order, order.frames[::-1], True


def _interior_masks(orders: Sequence[Order], step_percent: int) -> Masks:
    """Masks of all curves without their ends, which all curves share, ``(curve and level, frame)``."""
    return np.concatenate([deletion_masks(frames, step_percent)[1:-1] for _, frames, _ in _deletions(orders)])


def _fully_deleted(shared: Pass) -> Masks:
    return np.ones((1, shared.n_frames), dtype=np.bool_)


def _curves(
    order: Order, fill: Fill, reverse: bool, values: tuple[float, ...], decoded: list[Decoded] | None
) -> Iterator[Curve]:
    """The deletion curve of an order, or of a reversed or random one its insertion curve, read from the end."""
    if not reverse:
        yield Curve(order.name, order.draw, fill, "deletion", values, _outputs(decoded))
    if reverse or order.name == RANDOM:
        backwards = decoded[::-1] if decoded else None
        yield Curve(order.name, order.draw, fill, "insertion", values[::-1], _outputs(backwards))


def _outputs(decoded: list[Decoded] | None) -> Outputs | None:
    if decoded is None:
        return None
    return Outputs(
        insertions=tuple(d.insertions for d in decoded),
        empty=tuple(not d.text for d in decoded),
        capped=tuple(d.capped for d in decoded),
    )
