"""Pairing of reference words with recognised words by edit distance on normalised text.

Whisper's normaliser works on whole texts: it joins "twenty one" to "21", splits "can't" in two and removes "um". The
normalised text is therefore traced back to *groups*: the shortest runs of words whose normalised texts, concatenated,
are the normalised whole (the reversible word map). Then jiwer aligns the normalised words, and each group follows its
words. Times decide only between pairings with equally few edits (:mod:`align_eval.edit_alignment`).

- A word without a letter or digit ("...", "$") is left out of the text: it is no part of a neighbour.
- A word that the normaliser removes ("um", "(laughs)") is compared by its letters, digits and inner apostrophes without
  case. It has times, so its absence is a deletion.
- Compounds that differ only by a space ("every one", "everyone") are joined before pairing.
- A unit is *same* if all its normalised words are equal on both sides; otherwise it is a substitution.
- A unit of several words on both sides is divided if its words match one by one: the normaliser writes "two four" as
  "24", but both words have times.

References: Morris, Maier, Green 2004 for the counts, as in jiwer.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from align_eval.edit_alignment import Link, Times, edit_links
from align_eval.records import Pairing, Unit
from align_eval.scoring.normaliser import comparable, compressed, normaliser
from align_eval.text import is_spoken

MAX_GROUP = 12
"""Maximum number of words in one number, bracket or compound."""

MAX_LONG_GROUP = 60
"""The same where a text has a longer one, as a spoken number of twenty digits or a long parenthesis."""

MAX_STEPS_BACK = 2 * MAX_GROUP
"""Most words by which the search for groups steps back. The groups before do not depend on words so far behind."""

MAX_RUN = 600
"""Maximum number of words in one group where nothing shorter fits, as where somebody counts aloud."""

MAX_PARTNERS = 50
"""Maximum number of partners to try for a compound, the nearest by their place in the stretch. Only loops have more."""


Group = tuple[int, int, tuple[str, ...]]
"""A run of words, from its first to the one after its last, and its normalised words."""

Span = tuple[int, int, int, int]
"""Paired words: start and stop in the reference, start and stop in the hypothesis."""


@dataclass(frozen=True, slots=True)
class Token:
    """A normalised word, from the words ``start`` to ``stop - 1`` of the text."""

    text: str
    start: int
    stop: int


def pair_words(
    reference: Sequence[str],
    hypothesis: Sequence[str],
    language: str | None = None,
    times: tuple[Times, Times] | None = None,
) -> Pairing:
    """Pair the words of two texts.

    Parameters
    ----------
    reference, hypothesis : sequence of str
        Words as written, with punctuation and case.
    language : str, optional
        Whisper's code, which selects the normaliser (:func:`~align_eval.scoring.normaliser.normaliser`).
    times : pair of float64[n_words, 2], optional
        Start and end of each word of the reference and of the hypothesis in seconds. Of pairings
        with equally few edits they decide for the closest.
    """
    spoken = tuple([i for i, word in enumerate(words) if is_spoken(word)] for words in (reference, hypothesis))
    spoken_words = [[words[i] for i in indices] for words, indices in zip((reference, hypothesis), spoken, strict=True)]
    sides = tuple(
        _Side(words, word_map(words, language), language, None if times is None else times[side][spoken[side]])
        for side, words in enumerate(spoken_words)
    )
    units = [
        Unit(
            tuple(range(spoken[0][unit.reference[0]], spoken[0][unit.reference[-1]] + 1)),
            tuple(spoken[1][i] for i in unit.hypothesis),
            unit.same,
        )
        for unit in _units_by_time(*sides)
    ]
    paired_reference = {i for unit in units for i in unit.reference}
    paired_hypothesis = {i for unit in units for i in unit.hypothesis}
    unpaired = [i for i in range(len(hypothesis)) if i not in paired_hypothesis]
    return Pairing(
        units=tuple(units),
        deleted=tuple(i for i in range(len(reference)) if i not in paired_reference),
        inserted=tuple(i for i in unpaired if is_spoken(hypothesis[i])),
        ignored=tuple(i for i in unpaired if not is_spoken(hypothesis[i])),
        n_reference=len(reference),
        n_hypothesis=len(hypothesis),
    )


def only_reference_words(pairing: Pairing, kept: Sequence[bool]) -> Pairing:
    """Restrict a pairing to some words of the reference, which get new positions.

    The hypothesis words of a unit with another word are ignored, and the kept words of that unit are deleted.
    """
    if all(kept):
        return pairing
    position = {i: n for n, i in enumerate(i for i, is_kept in enumerate(kept) if is_kept)}
    units: list[Unit] = []
    left: list[Unit] = []
    for unit in pairing.units:
        (units if all(i in position for i in unit.reference) else left).append(unit)
    deleted = [*pairing.deleted, *(i for unit in left for i in unit.reference)]
    return Pairing(
        units=tuple(Unit(tuple(position[i] for i in u.reference), u.hypothesis, u.same) for u in units),
        deleted=tuple(sorted(position[i] for i in deleted if i in position)),
        inserted=pairing.inserted,
        ignored=tuple(sorted([*pairing.ignored, *(i for unit in left for i in unit.hypothesis)])),
        n_reference=len(position),
        n_hypothesis=pairing.n_hypothesis,
    )


@dataclass(frozen=True, slots=True)
class _Side:
    """The spoken words of one text, their normalised words, and their times if known."""

    words: Sequence[str]
    tokens: tuple[Token, ...]
    language: str | None
    times: Times | None

    def comparable(self, indices: range) -> str:
        return comparable(" ".join(self.words[i] for i in indices), self.language)

    def times_of(self, tokens: tuple[Token, ...]) -> Times | None:
        """Start and end of each token: of its first word and of its last."""
        if self.times is None:
            return None
        first, last = ([token.start for token in tokens], [token.stop - 1 for token in tokens])
        return np.stack([self.times[first, 0], self.times[last, 1]], axis=1)


def _units_by_time(reference: _Side, hypothesis: _Side) -> list[Unit]:
    """Paired words; times are left out if they would lead to more errors."""
    units = _units(reference, hypothesis)
    if reference.times is None or not _n_errors(units, reference, hypothesis):
        return units
    untimed = replace(reference, times=None), replace(hypothesis, times=None)
    without = _units(*untimed)
    return units if _n_errors(units, *untimed) <= _n_errors(without, *untimed) else without


def _n_errors(units: list[Unit], reference: _Side, hypothesis: _Side) -> int:
    """Number of substituted units, and of words without a partner."""
    n_paired = sum(len(unit.reference) + len(unit.hypothesis) for unit in units)
    return sum(not unit.same for unit in units) + len(reference.words) + len(hypothesis.words) - n_paired


def _units(reference: _Side, hypothesis: _Side) -> list[Unit]:
    """Paired words in order, as positions among the spoken words."""

    def unit(span: Span) -> Unit:
        words = range(span[0], span[1]), range(span[2], span[3])
        same = reference.comparable(words[0]) == hypothesis.comparable(words[1])
        return Unit(tuple(words[0]), tuple(words[1]), same)

    def spans(tokens: tuple[tuple[Token, ...], tuple[Token, ...]]) -> list[Span]:
        return _spans(*tokens, _links(*tokens, reference, hypothesis))

    def divided(whole: Unit) -> list[Unit]:
        """Divide a unit by pairing its words normalised one by one, if this gives more equal words."""
        if len(whole.reference) == 1 or len(whole.hypothesis) == 1:
            return [whole]
        r_words, h_words = (
            tuple(Token(side.comparable(range(i, i + 1)), i, i + 1) for i in indices)
            for side, indices in ((reference, whole.reference), (hypothesis, whole.hypothesis))
        )
        parts = [unit(span) for span in spans((r_words, h_words))]
        n_same = sum(part.same for part in parts)
        all_same = n_same == len(whole.reference) == len(whole.hypothesis)
        return parts if all_same or (n_same and not whole.same) else [whole]

    r_tokens, h_tokens = reference.tokens, hypothesis.tokens
    times = reference.times_of(r_tokens), hypothesis.times_of(h_tokens)
    tokens = _joined(r_tokens, h_tokens, _links(r_tokens, h_tokens, reference, hypothesis), times)
    return [part for span in spans(tokens) for part in divided(unit(span))]


def _links(
    reference: tuple[Token, ...], hypothesis: tuple[Token, ...], reference_side: _Side, hypothesis_side: _Side
) -> list[Link]:
    times = reference_side.times_of(reference), hypothesis_side.times_of(hypothesis)
    edges = [[(_begins(tokens, i), _ends(tokens, i)) for i in range(len(tokens))] for tokens in (reference, hypothesis)]
    r_texts, h_texts = ([token.text for token in tokens] for tokens in (reference, hypothesis))
    return edit_links(r_texts, h_texts, *times, edges=(edges[0], edges[1]))


def word_map(words: Sequence[str], language: str | None) -> tuple[Token, ...]:
    """Normalised words of a text, each with its run of words.

    The concatenated texts of the tokens are the normalised text, plus words that the normaliser removes. Several tokens
    can come from one word, and one token from several words.
    """
    whole = normaliser(language)(" ".join(words)).split()
    tokens: list[Token] = []
    for start, stop, texts in _groups(words, whole, language):
        if texts:
            tokens += [Token(text, start, stop) for text in texts]
        else:
            tokens += [Token(comparable(words[i], language), i, i + 1) for i in range(start, stop)]
    return tuple(tokens)


def _groups(words: Sequence[str], whole: Sequence[str], language: str | None) -> list[Group]:
    """Shortest runs of words that concatenate to the normalised whole.

    The search is depth first, shortest run first, and steps back at most :data:`MAX_STEPS_BACK` words. Where it ends,
    longer runs are tried. If none fits, the rest of the text is one group.
    """
    normalise = normaliser(language)

    @cache
    def normalised_text(text: str) -> tuple[str, ...]:
        return tuple(normalise(text).split())

    def normalised(start: int, stop: int) -> tuple[str, ...]:
        return normalised_text(" ".join(words[start:stop]))

    groups: list[Group] = []
    start = token = 0
    while start < len(words) or token < len(whole):
        found, is_whole = _division(len(words), whole, (start, token), normalised, MAX_GROUP)
        if not is_whole:
            end = found[-1][1] if found else start
            groups += [group for group in found if group[1] <= end - MAX_STEPS_BACK]
            start, token = _end_of(groups)
            found, is_whole = _division(len(words), whole, (start, token), normalised, MAX_LONG_GROUP)
        groups += found
        if is_whole:
            break
        start, token = _end_of(groups)
        stops = range(start + MAX_LONG_GROUP + 1, min(start + MAX_RUN, len(words)) + 1)
        fitting = (stop for stop in stops if _is_next(whole, token, normalised(start, stop)))
        stop = next(fitting, None)
        rest = (start, len(words), tuple(whole[token:]))
        groups.append(rest if stop is None else (start, stop, normalised(start, stop)))
        start, token = _end_of(groups)
    return groups


def _end_of(groups: Sequence[Group]) -> tuple[int, int]:
    """Number of words, and of normalised words, in groups that follow each other from the start."""
    return (groups[-1][1] if groups else 0), sum(len(texts) for *_, texts in groups)


def _is_next(whole: Sequence[str], token: int, texts: tuple[str, ...]) -> bool:
    return tuple(whole[token : token + len(texts)]) == texts


def _division(
    n_words: int,
    whole: Sequence[str],
    begin: tuple[int, int],
    normalised: Callable[[int, int], tuple[str, ...]],
    longest: int,
) -> tuple[list[Group], bool]:
    """Groups of at most ``longest`` words from a word and a normalised word on.

    Returns
    -------
    groups : list of Group
        To the end, or as far as the search came.
    is_whole : bool
        Whether they reach the end.
    """
    dead: set[tuple[int, int]] = set()  # (word, token) from which no division is possible
    path: list[tuple[int, int, int]] = []  # start of the group, its first token, its length
    (start, token), length = begin, 1
    furthest, n_steps, last_steps = start, 0, path
    is_whole = True
    while start < n_words or token < len(whole):
        stop = start + length
        if length > longest or stop > n_words:
            dead.add((start, token))
            if not path or path[-1][0] < furthest - MAX_STEPS_BACK:
                path = path[: max(n_steps - len(last_steps), 0)] + last_steps
                is_whole = False
                break
            start, token, length = path.pop()
            length += 1
            continue
        texts = normalised(start, stop)
        after = token + len(texts)
        if _is_next(whole, token, texts) and (stop, after) not in dead:
            path.append((start, token, length))
            start, token, length = stop, after, 1
            if start > furthest:
                furthest, n_steps, last_steps = start, len(path), path[-MAX_STEPS_BACK - 1 :]
        else:
            length += 1
    return [(start, start + length, normalised(start, start + length)) for start, _, length in path], is_whole


def _joined(
    reference: tuple[Token, ...],
    hypothesis: tuple[Token, ...],
    links: list[Link],
    times: tuple[Times | None, Times | None],
) -> tuple[tuple[Token, ...], tuple[Token, ...]]:
    """Join the compounds of both texts that only spaces divide, in the stretches where the texts differ."""
    joins: list[Span] = []
    for r_start, r_stop, h_start, h_stop in _differing(reference, hypothesis, links):
        runs_of_text: dict[str, list[tuple[int, int]]] = {}
        for a, b in _whole_runs(hypothesis, h_start, h_stop):
            runs_of_text.setdefault(_text(hypothesis, a, b), []).append((a, b))
        scale = (h_stop - h_start) / (r_stop - r_start)
        candidates: list[Span] = []
        seen: set[tuple[int, int]] = set()  # of runs that start together, the shortest is joined
        for r0, r1 in _whole_runs(reference, r_start, r_stop):
            partners = runs_of_text.get(_text(reference, r0, r1), [])
            first = bisect_left(partners, (h_start + round((r0 - r_start) * scale),)) - MAX_PARTNERS // 2
            for h0, h1 in partners[max(first, 0) : max(first, 0) + MAX_PARTNERS]:
                if (r1 - r0, h1 - h0) != (1, 1) and (r0, h0) not in seen:
                    seen.add((r0, h0))
                    candidates.append((r0, r1, h0, h1))
        joins += _most_joins(candidates, times)
    return (
        _with_joins(reference, [(r0, r1) for r0, r1, _, _ in joins]),
        _with_joins(hypothesis, [(h0, h1) for _, _, h0, h1 in joins]),
    )


def _whole_runs(tokens: tuple[Token, ...], start: int, stop: int) -> list[tuple[int, int]]:
    """Runs of at most :data:`MAX_GROUP` tokens that begin and end with whole words."""
    return [
        (i, j)
        for i in range(start, stop)
        if _begins(tokens, i)
        for j in range(i + 1, min(i + MAX_GROUP, stop) + 1)
        if _ends(tokens, j - 1)
    ]


def _most_joins(candidates: list[Span], times: tuple[Times | None, Times | None]) -> list[Span]:
    """As many candidates as fit after each other in both texts: of those the closest in time, else the first.

    Candidates are in the order of their starts in the reference. The best chain up to each end in the hypothesis is in
    a tree of prefix maxima (Fenwick 1994).
    """

    def distance_s(span: Span) -> float:
        r_times, h_times = times
        if r_times is None or h_times is None:
            return 0.0
        r0, r1, h0, h1 = span
        ends = r_times[r0, 0] - h_times[h0, 0], r_times[r1 - 1, 1] - h_times[h1 - 1, 1]
        return float(np.nansum(np.abs(ends)))

    nothing = (0, 0.0, -1)  # number of joins, their distance negated, the last candidate
    size = max((h1 for *_, h1 in candidates), default=0) + 1
    tree = [nothing] * (size + 1)
    best: list[tuple[int, float, int]] = []
    before: list[int] = []
    by_end = sorted(range(len(candidates)), key=lambda i: candidates[i][1])
    n_ended = 0
    for i, span in enumerate(candidates):
        while n_ended < len(by_end) and candidates[by_end[n_ended]][1] <= span[0]:
            ended = by_end[n_ended]
            at = candidates[ended][3] + 1
            while at <= size:
                if best[ended][:2] > tree[at][:2]:
                    tree[at] = best[ended]
                at += at & -at
            n_ended += 1
        at, earlier = span[2] + 1, nothing
        while at > 0:
            if tree[at][:2] > earlier[:2]:
                earlier = tree[at]
            at -= at & -at
        before.append(earlier[2])
        best.append((earlier[0] + 1, earlier[1] - distance_s(span), i))
    chain: list[Span] = []
    last = max(best, key=lambda entry: entry[:2], default=nothing)[2]
    while last >= 0:
        chain.append(candidates[last])
        last = before[last]
    return chain[::-1]


def _differing(
    reference: tuple[Token, ...], hypothesis: tuple[Token, ...], links: list[Link]
) -> list[tuple[int, int, int, int]]:
    """Stretches ``(start, stop, start, stop)`` between equal words that contain words of both texts."""
    stretches = []
    r, h = 0, 0
    equal = [(r, h) for r, h in links if reference[r].text == hypothesis[h].text]
    for r_next, h_next in [*equal, (len(reference), len(hypothesis))]:
        if r < r_next and h < h_next:
            stretches.append((r, r_next, h, h_next))
        r, h = r_next + 1, h_next + 1
    return stretches


def _spans(reference: tuple[Token, ...], hypothesis: tuple[Token, ...], links: list[Link]) -> list[Span]:
    """Paired words, in order: runs of tokens whose words begin and end together, then remaining tokens one by one."""
    spans: list[Span] = []
    run: list[Link] = []
    for r, h in links:
        if run and (r, h) != (run[-1][0] + 1, run[-1][1] + 1):
            run = []  # interrupted by a deleted or inserted word
        if run or (_begins(reference, r) and _begins(hypothesis, h)):
            run.append((r, h))
        if run and _ends(reference, r) and _ends(hypothesis, h):
            first_r, first_h = run[0]
            spans.append((reference[first_r].start, reference[r].stop, hypothesis[first_h].start, hypothesis[h].stop))
            run = []
    paired_reference = {i for span in spans for i in range(span[0], span[1])}
    paired_hypothesis = {i for span in spans for i in range(span[2], span[3])}
    for r, h in links:
        reference_words = range(reference[r].start, reference[r].stop)
        hypothesis_words = range(hypothesis[h].start, hypothesis[h].stop)
        if paired_reference.isdisjoint(reference_words) and paired_hypothesis.isdisjoint(hypothesis_words):
            spans.append((reference_words.start, reference_words.stop, hypothesis_words.start, hypothesis_words.stop))
            paired_reference.update(reference_words)
            paired_hypothesis.update(hypothesis_words)
    return sorted(spans)


def _begins(tokens: tuple[Token, ...], i: int) -> bool:
    return i == 0 or tokens[i - 1].start != tokens[i].start


def _ends(tokens: tuple[Token, ...], i: int) -> bool:
    return i == len(tokens) - 1 or tokens[i + 1].start != tokens[i].start


def _text(tokens: tuple[Token, ...], start: int, stop: int) -> str:
    return compressed(token.text for token in tokens[start:stop])


def _with_joins(tokens: tuple[Token, ...], joins: list[tuple[int, int]]) -> tuple[Token, ...]:
    joined: list[Token] = []
    position = 0
    for start, stop in joins:
        joined += tokens[position:start]
        joined.append(Token(_text(tokens, start, stop), tokens[start].start, tokens[stop - 1].stop))
        position = stop
    return (*joined, *tokens[position:])
