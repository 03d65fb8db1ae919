"""Pairs of equal and substituted words of two texts: of the pairings with the fewest edits, the closest in time.

jiwer finds one pairing with the fewest edits. Often there are others: one "no" of the hypothesis can be either of two
in the reference. If both texts have times, the pairing here is, of those with jiwer's numbers of substitutions,
deletions and insertions, the one whose words are closest in time. Times never change those numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import jiwer
import numpy as np
import numpy.typing as npt

from align_eval.records import HypothesisWord, Word

Link = tuple[int, int]
"""A word of the reference and its word of the hypothesis, equal or substituted, by their positions."""

Times = npt.NDArray[np.float64]
"""``float64[n_words, 2]``: start and end of each word in seconds; NaN where a word has no times."""

Texts = Sequence[str]
Edges = Sequence[tuple[bool, bool]]

MAX_BLOCK = 2_000
"""Longest stretch of words, in either text, of which all pairings are compared. Longer texts are cut into stretches at
pairs of jiwer's, so that only pairings through these are compared."""

MAX_CELLS = 200_000
"""Most positions on pairings with the fewest edits of a stretch. Texts with more have hardly a word in common, and keep
jiwer's pairing."""


def word_times(words: Sequence[Word | HypothesisWord]) -> Times:
    """Start and end of each word in seconds; NaN where there is none."""
    times = [(word.start_s, word.end_s) for word in words]
    return np.array(times, dtype=np.float64).reshape(len(times), 2)


def edit_links(
    reference: Texts,
    hypothesis: Texts,
    reference_times: Times | None = None,
    hypothesis_times: Times | None = None,
    *,
    edges: tuple[Edges, Edges] | None = None,
) -> list[Link]:
    """Pair the words of two texts with the fewest substitutions, deletions and insertions.

    Parameters
    ----------
    reference, hypothesis : sequence of str
        Words without white space.
    reference_times, hypothesis_times : float64[n_words, 2], optional
        Start and end of each word in seconds. Words without times (NaN) count as if evenly spaced between others.
    edges : pair of sequences of (bool, bool), optional
        Whether each word begins and ends a word of the text as written, where one such word is several words here.
        Before time, pairs decide whose words begin and end together.

    Returns
    -------
    list of (int, int)
        Pairs of positions in order; words in no pair are deleted or inserted.
    """
    if not reference or not hypothesis:  # jiwer refuses an empty reference
        return []
    links = _jiwer_links(reference, hypothesis)
    if reference_times is None or hypothesis_times is None or len(links) == len(reference) == len(hypothesis):
        return links  # without deletions and insertions there is one pairing
    reference_s, hypothesis_s = _filled(reference_times), _filled(hypothesis_times)
    if reference_s is None or hypothesis_s is None:
        return links
    closest: list[Link] = []
    r_edges, h_edges = edges or ([(True, True)] * len(reference), [(True, True)] * len(hypothesis))
    for r0, r1, h0, h1, block in _blocks(links, len(reference), len(hypothesis)):
        moved = [(r - r0, h - h0) for r, h in block]
        r_words = _Words(reference[r0:r1], reference_s[r0:r1], r_edges[r0:r1])
        h_words = _Words(hypothesis[h0:h1], hypothesis_s[h0:h1], h_edges[h0:h1])
        closest += [(r + r0, h + h0) for r, h in _closest(r_words, h_words, moved)]
    return closest


@dataclass(frozen=True, slots=True)
class _Words:
    """Words of a block with their times and edges."""

    texts: Texts
    times: Times
    edges: Edges


def _jiwer_links(reference: Texts, hypothesis: Texts) -> list[Link]:
    links: list[Link] = []
    for chunk in jiwer.process_words(" ".join(reference), " ".join(hypothesis)).alignments[0]:
        if chunk.type in ("equal", "substitute"):
            words = range(chunk.ref_start_idx, chunk.ref_end_idx), range(chunk.hyp_start_idx, chunk.hyp_end_idx)
            links += zip(*words, strict=True)
    return links


def _filled(times: Times) -> Times | None:
    """Times with missing ones between those of their neighbours; None if all are missing."""
    known = ~np.isnan(times)
    if not known.any(axis=0).all():
        return None
    positions = np.arange(len(times))
    columns = [np.interp(positions, positions[known[:, i]], times[known[:, i], i]) for i in (0, 1)]
    return np.stack(columns, axis=1)


def _blocks(links: list[Link], n_reference: int, n_hypothesis: int) -> Iterator[tuple[int, int, int, int, list[Link]]]:
    """Cut both texts at links into blocks of at most :data:`MAX_BLOCK` words: bounds and links of each."""
    r0, h0, first = 0, 0, 0
    for i, (r, h) in enumerate([*links, (n_reference, n_hypothesis)]):
        following = links[i + 1] if i + 1 < len(links) else (n_reference, n_hypothesis)
        if i == len(links) or max(following[0] - r0, following[1] - h0) > MAX_BLOCK:
            yield r0, r, h0, h, links[first:i]
            r0, h0, first = r, h, i


def _closest(reference_words: _Words, hypothesis_words: _Words, links: list[Link]) -> list[Link]:
    """Find the nearest pairing among those with the edits and substitutions of ``links``."""
    reference, hypothesis = reference_words.texts, hypothesis_words.texts
    n, m = len(reference), len(hypothesis)
    if n == m == len(links) or not n or not m or not links:
        return links
    numbers = {text: i for i, text in enumerate(dict.fromkeys([*reference, *hypothesis]))}
    r_texts, h_texts = (np.array([numbers[text] for text in texts]) for texts in (reference, hypothesis))
    n_edits, before = _edits(r_texts, h_texts), _edits(r_texts[::-1], h_texts[::-1])[::-1, ::-1]
    on_path = n_edits + before == n_edits[-1, -1]
    if int(on_path.sum()) > max(MAX_CELLS, 4 * (n + m)):
        return links
    n_substituted = sum(reference[r] != hypothesis[h] for r, h in links)
    # best[cell][number of substitutions]: the least distance up to there, and the step that led there;
    # a distance is the number of edges that differ, and then seconds
    best: dict[Link, dict[int, tuple[int, float, Link]]] = {(0, 0): {0: (0, 0.0, (0, 0))}}
    for i, j in np.argwhere(on_path).tolist():
        steps = best.setdefault((i, j), {})
        for di, dj in ((1, 0), (0, 1), (1, 1)):
            earlier = best.get((i - di, j - dj))
            if not earlier or i < di or j < dj:
                continue
            n_edges, distance_s, is_substituted = 0, 0.0, False
            if di == dj:
                is_substituted = bool(r_texts[i - 1] != h_texts[j - 1])
                distance_s = float(np.abs(reference_words.times[i - 1] - hypothesis_words.times[j - 1]).sum())
                edges = zip(reference_words.edges[i - 1], hypothesis_words.edges[j - 1], strict=True)
                n_edges = sum(r_edge != h_edge for r_edge, h_edge in edges)
            if n_edits[i - di, j - dj] + (is_substituted or di != dj) != n_edits[i, j]:
                continue
            for n_before, (edges_before, before_s, _) in earlier.items():
                count, total = n_before + is_substituted, (edges_before + n_edges, before_s + distance_s)
                if count <= n_substituted and (count not in steps or total < steps[count][:2]):
                    steps[count] = *total, (di, dj)
    closest: list[Link] = []
    (i, j), count = (n, m), n_substituted
    while (i, j) != (0, 0):
        di, dj = best[i, j][count][2]
        i, j = i - di, j - dj
        if di == dj:
            closest.append((i, j))
            count -= reference[i] != hypothesis[j]
    return closest[::-1]


def _edits(reference: npt.NDArray[np.int64], hypothesis: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
    """Number of edits between every two beginnings of the texts, ``int32[n_reference + 1, n_hypothesis + 1]``."""
    columns = np.arange(len(hypothesis) + 1, dtype=np.int32)
    edits = np.empty((len(reference) + 1, len(hypothesis) + 1), dtype=np.int32)
    edits[0] = columns
    for i, word in enumerate(reference, 1):
        edits[i] = edits[i - 1] + 1
        edits[i, 1:] = np.minimum(edits[i, 1:], edits[i - 1, :-1] + (hypothesis != word))
        # insertions, which follow each other in a row
        edits[i] = np.minimum.accumulate(edits[i] - columns) + columns
    return edits
