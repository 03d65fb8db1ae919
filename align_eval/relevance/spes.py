"""SPES: mean change of each token's prediction over random masks that hide a place.

Map: ``(1, row, frame)``, one row per text token and one for the end of the text, in nats before the rows are scaled to
sum to one. A mask hides random segments of the log-mel (``at=mel``) or random frames of the encoder output
(``at=encoder-output``). The change is the divergence KL(P || P_masked) of the token's distribution over the
vocabulary. The relevance of a place is the mean divergence over the masks that hid it. Sums are accumulated per
segment, not per mask, so memory grows with the number of segments.

Paper: Fucci et al. 2024 (SPES, arXiv 2411.01710). Papi et al. 2025 (arXiv 2509.18010) give segments per second, mask
probabilities and pooling.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor
from whisper.model import Whisper

from align_eval.errors import InputError
from align_eval.model.forward import Pass
from align_eval.relevance.options import SpesOptions
from align_eval.relevance.spes_masks import BLOCK, identical_scales, mask_blocks, random_masks, segment_counts
from align_eval.relevance.spes_passes import Masking, TokenDivergence, batch_size, masking_of
from align_eval.relevance.stack import Stack, mass_on_padding, stack_of_magnitudes

PAPER_P = {"mel": 0.5, "encoder-output": 0.7}
MAX_MASKS = 20_000
FIRST_MASKS = 2 * BLOCK

UNRELIABLE = 0.5
"""Tokens with a split-half reliability below this are listed in the details."""


@dataclass(slots=True)
class DivergenceSums:
    """Divergences summed over masks.

    Attributes
    ----------
    divergence : list of float64[n_tokens, n_segments]
        Sum over the masks that hid the segment, one tensor per scale.
    n_hidden : list of float64[n_segments]
        Number of masks that hid each segment, one tensor per scale.
    """

    divergence: list[Tensor]
    n_hidden: list[Tensor]

    @classmethod
    def empty(cls, partitions: tuple[Tensor, ...], n_tokens: int) -> DivergenceSums:
        """Sums over no masks."""
        device = partitions[0].device
        counts = segment_counts(partitions)
        return cls(
            [torch.zeros(n_tokens, n, dtype=torch.float64, device=device) for n in counts],
            [torch.zeros(n, dtype=torch.float64, device=device) for n in counts],
        )

    def add(self, scale: int, masks: Tensor, divergence: Tensor) -> None:
        """Add a batch of masks ``bool[batch, n_segments]`` with their divergences ``[batch, n_tokens]``."""
        self.divergence[scale] += divergence.double().T @ masks.double()
        self.n_hidden[scale] += masks.double().sum(dim=0)

    def map(self, partitions: tuple[Tensor, ...]) -> Tensor:
        """Mean divergence over the masks of all scales that hid a place: ``(token, *shape of a partition)``."""
        total = torch.stack([d[:, scale] for d, scale in zip(self.divergence, partitions, strict=True)]).sum(dim=0)
        count = torch.stack([n[scale] for n, scale in zip(self.n_hidden, partitions, strict=True)]).sum(dim=0)
        return (total / count).float()

    def plus(self, other: DivergenceSums) -> DivergenceSums:
        """The sums over the masks of both."""
        return DivergenceSums(
            [a + b for a, b in zip(self.divergence, other.divergence, strict=True)],
            [a + b for a, b in zip(self.n_hidden, other.n_hidden, strict=True)],
        )


Draw = Callable[[int, torch.Generator], tuple[DivergenceSums, DivergenceSums]]
"""From a number of masks and a generator to the sums of two independent halves of the masks."""


def spes(model: Whisper, shared: Pass, options: SpesOptions) -> Stack:
    """SPES map, rows scaled to sum to one, ``(1, row, frame)``.

    ``masks=auto`` doubles the number of masks until the split-half reliability of the pooled map reaches
    ``reliability``. The map is then computed from the same number of new masks, so that the reported reliability comes
    from masks that did not decide when to stop.

    Details: number of masks, mask probability, split-half reliability (overall, per token, and of the pilot), tokens
    below :data:`UNRELIABLE`, segments per scale, and the mass on padding.
    """
    partitions, draw = sampler(model, shared, options)
    pool = partial(pool_map, how=options.pool) if options.at == "mel" else (lambda values: values)
    generator = torch.Generator().manual_seed(options.seed)
    n_masks, pilot_reliability = (
        _sufficient_masks(draw, pool, partitions, options.reliability, generator)
        if options.masks == "auto"
        else (int(options.masks), None)
    )
    halves = draw(n_masks, generator)
    pooled_halves = [pool(half.map(partitions)) for half in halves]
    by_token, overall = reliability(*pooled_halves)
    both = halves[0].plus(halves[1])
    _check_hidden(both, partitions, f"source spes:at={options.at}", n_masks)
    pooled = pool(both.map(partitions))
    details = {
        "masks": n_masks,
        "p": mask_probability(options),
        "reliability": overall,
        "token_reliability": by_token,
        "unreliable_tokens": [i for i, r in enumerate(by_token) if r < UNRELIABLE],
        "pilot_reliability": pilot_reliability,
        "segments": segment_counts(partitions),
        "identical_scales": identical_scales(partitions) if options.at == "mel" else [],
        "mass_on_padding": mass_on_padding(pooled, shared.n_frames),
    }
    return stack_of_magnitudes({f"source spes:at={options.at}": pooled}, shared.n_frames, details)


def _check_hidden(sums: DivergenceSums, partitions: tuple[Tensor, ...], place: str, n_masks: int) -> None:
    """Refuse masks that left a part of the audio unknown, since they hid it at no scale."""
    count = torch.stack([n[scale] for n, scale in zip(sums.n_hidden, partitions, strict=True)]).sum(dim=0)
    n_unknown = int((count == 0).sum())
    if n_unknown:
        problem = f"{n_masks} masks left {n_unknown} of {count.numel()} places unhidden"
        raise InputError(place, problem, "use more masks, or a larger p")


def mask_probability(options: SpesOptions) -> float:
    """Probability that a mask hides a segment: the option ``p``, or the papers' value for the place."""
    return PAPER_P[options.at] if options.p == "paper" else float(options.p)


def sampler(model: Whisper, shared: Pass, options: SpesOptions) -> tuple[tuple[Tensor, ...], Draw]:
    """Prepare SPES on one utterance.

    Returns
    -------
    partitions : tuple of Tensor
        The segment number of each place, one partition per scale.
    draw : callable
        See :data:`Draw`.
    """
    masking = masking_of(model, shared, options)
    n_tokens = len(shared.text.tokens)
    batch = batch_size(model, n_tokens, masking.partitions[0].numel())
    divergence = TokenDivergence(model, shared, options)
    p = mask_probability(options)
    return masking.partitions, partial(_draw, masking, divergence, p, n_tokens=n_tokens, batch=batch)


def reliability(first: Tensor, second: Tensor) -> tuple[list[float], float]:
    """Split-half reliability 2r / (1 + r) of two maps, by the formula of Spearman and Brown.

    r is Pearson's correlation over frames within a row, because the scale of rows differs by orders of magnitude. A
    constant row has r = 0. A row that is constant in both halves, as of a token that no mask moved, does not count
    overall.

    Parameters
    ----------
    first, second : Tensor
        Maps ``(token, frame)`` from independent halves of the masks.

    Returns
    -------
    by_token : list of float
        Reliability of each row.
    overall : float
        Reliability from the mean r over rows; 0 without any.

    References: Spearman 1910; Brown 1910.
    """
    a, b = (half - half.mean(dim=1, keepdim=True) for half in (first.double(), second.double()))
    r = ((a * b).sum(dim=1) / (a.norm(dim=1) * b.norm(dim=1))).nan_to_num(0.0)
    mean = r[(a != 0).any(dim=1) | (b != 0).any(dim=1)].mean().nan_to_num(0.0)
    mean = mean.clamp_min(-1 + 1e-12)  # two frames correlate by 1 or -1, at which the formula is infinite
    return (2 * r / (1 + r)).clamp(-1, 1).tolist(), float(2 * mean / (1 + mean))


def pool_map(values: Tensor, how: str) -> Tensor:
    """Pool ``(token, mel bin, mel frame)`` to ``(token, frame)``; encoder frame j has mel frames 2j - 1, 2j, 2j + 1.

    ``max``: over bins and frames. ``mean``: over bins, then over frames, in which the outer frames, half inside, have
    half weight. ``max-mean``: the maximum over bins, then the same mean over frames.
    """
    if how == "max":
        return F.max_pool1d(values.amax(dim=1), kernel_size=3, stride=2, padding=1)
    over_bins = values.mean(dim=1) if how == "mean" else values.amax(dim=1)
    padded = F.pad(over_bins[:, None], (1, 1), mode="replicate")[:, 0]
    return (padded[:, 0:-2:2] + 2 * padded[:, 1:-1:2] + padded[:, 2::2]) / 4


def _draw(
    masking: Masking,
    divergence: Callable[[Tensor], Tensor],
    p: float,
    n_masks: int,
    generator: torch.Generator,
    *,
    n_tokens: int,
    batch: int,
) -> tuple[DivergenceSums, DivergenceSums]:
    """Sums over ``n_masks`` random masks in two halves."""
    partitions = masking.partitions
    halves = DivergenceSums.empty(partitions, n_tokens), DivergenceSums.empty(partitions, n_tokens)
    for half, scale, size in mask_blocks(n_masks, len(partitions)):
        partition = partitions[scale]
        n_segments = len(halves[0].n_hidden[scale])
        for masks in torch.split(random_masks(size, n_segments, p, generator, partition.device), batch):
            places = masks[:, partition]  # (batch, *shape of a partition)
            with torch.no_grad(), masking.attend(places):
                halves[half].add(scale, masks, divergence(masking.encode(places)))
    return halves


def _sufficient_masks(
    draw: Draw,
    pool: Callable[[Tensor], Tensor],
    partitions: tuple[Tensor, ...],
    target: float,
    generator: torch.Generator,
) -> tuple[int, float]:
    """Double the number of masks until the map reaches the target reliability; return both."""
    n_masks = FIRST_MASKS
    halves = draw(n_masks, generator)
    while True:
        by_token, reached = reliability(*(pool(half.map(partitions)) for half in halves))
        if reached >= target or n_masks >= MAX_MASKS or not any(by_token):  # constant rows: nothing to be gained
            return n_masks, reached
        more = draw(min(n_masks, MAX_MASKS - n_masks), generator)
        n_masks = min(2 * n_masks, MAX_MASKS)
        halves = halves[0].plus(more[0]), halves[1].plus(more[1])
