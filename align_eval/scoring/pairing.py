"""Pairing reference words with recognised words: edit distance on normalised text, mapped back onto the words.

Whisper's normaliser works on whole texts: it joins "twenty one" to "21", splits "can't" in two and takes "um" away.
What it does to a text is therefore first traced back to *groups*: the shortest runs of words whose normalised texts,
one after the other, are the normalised whole (the reversible word map). Normalised words are then paired by jiwer, and
groups follow their words.

Conventions. A word that the normaliser takes away entirely ("um", "(laughs)") stands for itself in lower case: it has
times, so that leaving it out is a deletion. Compounds that only a space divides ("every one", "everyone") are joined
before the pairing. A unit is *same* where all its normalised words are equal on both sides; what is paired otherwise is
a substitution. A unit of several words on both sides is divided where its words fit one by one: the normaliser writes
"two four" as "24", and still both words have times. No times are looked at.

References: Morris, Maier, Green 2004 for the counts, as jiwer has them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import jiwer

from align_eval.records import Pairing, Unit
from align_eval.scoring.normaliser import comparable, compressed, whisper_normaliser

MAX_GROUP = 12
"""So many words at most are looked at as one number, bracket or compound."""


Span = tuple[int, int, int, int]
"""Words that are paired: of the reference from the first number up to the second, of the hypothesis the other two."""


@dataclass(frozen=True, slots=True)
class Token:
    """A normalised word, and the words that it came from: those from ``start`` up to ``stop``."""

    text: str
    start: int
    stop: int


def pair_words(reference: Sequence[str], hypothesis: Sequence[str], language: str | None = None) -> Pairing:
    """Pair the words of two texts, none of which need be the same.

    Parameters
    ----------
    reference, hypothesis
        Words as written, with their punctuation and case.
    language
        Whisper's code; decides the normaliser (see :func:`~align_eval.scoring.normaliser.whisper_normaliser`).
    """

    def unit(span: Span) -> Unit:
        of_reference, of_hypothesis = range(span[0], span[1]), range(span[2], span[3])
        left, right = (
            comparable(" ".join(words[i] for i in indices), language)
            for words, indices in ((reference, of_reference), (hypothesis, of_hypothesis))
        )
        return Unit(tuple(of_reference), tuple(of_hypothesis), left == right)

    def divided(whole: Unit) -> list[Unit]:
        """The unit's words paired each normalised alone, where that finds all of them the same, or some of them."""
        if len(whole.reference) == 1 or len(whole.hypothesis) == 1:
            return [whole]
        alone = (
            tuple(Token(comparable(words[i], language), i, i + 1) for i in indices)
            for words, indices in ((reference, whole.reference), (hypothesis, whole.hypothesis))
        )
        parts = [unit(span) for span in _spans(*alone)]
        n_same = sum(part.same for part in parts)
        every = n_same == len(whole.reference) == len(whole.hypothesis)
        return parts if every or (n_same and not whole.same) else [whole]

    tokens = _joined(word_map(reference, language), word_map(hypothesis, language))
    units = [part for span in _spans(*tokens) for part in divided(unit(span))]
    paired_reference = {i for unit in units for i in unit.reference}
    paired_hypothesis = {i for unit in units for i in unit.hypothesis}
    alone = [i for i in range(len(hypothesis)) if i not in paired_hypothesis]
    return Pairing(
        units=tuple(units),
        deleted=tuple(i for i in range(len(reference)) if i not in paired_reference),
        inserted=tuple(i for i in alone if _is_spoken(hypothesis[i])),
        ignored=tuple(i for i in alone if not _is_spoken(hypothesis[i])),
        n_reference=len(reference),
        n_hypothesis=len(hypothesis),
    )


def word_map(words: Sequence[str], language: str | None) -> tuple[Token, ...]:
    """Normalised words of a text, each with the run of words that it came from.

    The texts of the tokens, one after the other, are the normalised text, but for words of which it keeps nothing.
    Several tokens may come from one word, and one from several.
    """
    whole = whisper_normaliser(language)(" ".join(words)).split()
    tokens: list[Token] = []
    for start, stop, texts in _groups(words, whole, language):
        if texts:
            tokens += [Token(text, start, stop) for text in texts]
        else:
            tokens += [Token(comparable(words[i], language), i, i + 1) for i in range(start, stop)]
    return tuple(tokens)


def _groups(words: Sequence[str], whole: Sequence[str], language: str | None) -> list[tuple[int, int, tuple[str, ...]]]:
    """Shortest runs of words, ``(start, stop, normalised)``, that together give the normalised whole.

    Depth first, the shortest run first; where no division is found, all the rest is one group.
    """
    normalise = whisper_normaliser(language)
    known: dict[str, tuple[str, ...]] = {}

    def normalised(start: int, stop: int) -> tuple[str, ...]:
        text = " ".join(words[start:stop])
        if text not in known:
            known[text] = tuple(normalise(text).split())
        return known[text]

    dead: set[tuple[int, int]] = set()  # word and token from which no division is possible
    path: list[tuple[int, int, int]] = []  # start of the group, its first token, its length
    start, token, length = 0, 0, 1
    while start < len(words) or token < len(whole):
        stop = start + length
        if length > MAX_GROUP or stop > len(words):
            dead.add((start, token))
            if not path:
                return [(0, len(words), tuple(whole))]
            start, token, length = path.pop()
            length += 1
            continue
        texts = normalised(start, stop)
        after = token + len(texts)
        if tuple(whole[token:after]) == texts and (stop, after) not in dead:
            path.append((start, token, length))
            start, token, length = stop, after, 1
        else:
            length += 1
    return [(start, start + length, normalised(start, start + length)) for start, _, length in path]


def _joined(reference: tuple[Token, ...], hypothesis: tuple[Token, ...]) -> tuple[tuple[Token, ...], tuple[Token, ...]]:
    """Both texts with compounds written as one where only spaces divide them, and only where they differ."""
    joins_reference: list[tuple[int, int]] = []
    joins_hypothesis: list[tuple[int, int]] = []
    for r_start, r_stop, h_start, h_stop in _differing(reference, hypothesis):
        at: dict[str, list[tuple[int, int]]] = {}
        for h in range(h_start, h_stop):
            for n in range(1, min(MAX_GROUP, h_stop - h) + 1):
                if _whole(hypothesis, h, h + n):
                    at.setdefault(_text(hypothesis, h, h + n), []).append((h, h + n))
        r, h_free = r_start, h_start
        while r < r_stop:
            step = 1
            for n in range(1, min(MAX_GROUP, r_stop - r) + 1):
                fitting = at.get(_text(reference, r, r + n), ()) if _whole(reference, r, r + n) else ()
                found = [(a, b) for a, b in fitting if a >= h_free and (n, b - a) != (1, 1)]
                if found:
                    joins_reference.append((r, r + n))
                    joins_hypothesis.append(found[0])
                    step, h_free = n, found[0][1]
                    break
            r += step
    return _with_joins(reference, joins_reference), _with_joins(hypothesis, joins_hypothesis)


def _differing(reference: tuple[Token, ...], hypothesis: tuple[Token, ...]) -> list[tuple[int, int, int, int]]:
    """Stretches between equal words that hold words of both texts."""
    stretches = []
    r, h = 0, 0
    chunks = [c for c in _chunks(reference, hypothesis) if c.type == "equal"]
    ends = [(c.ref_start_idx, c.hyp_start_idx, c.ref_end_idx, c.hyp_end_idx) for c in chunks]
    for r_next, h_next, r_after, h_after in [*ends, (len(reference), len(hypothesis), 0, 0)]:
        if r < r_next and h < h_next:
            stretches.append((r, r_next, h, h_next))
        r, h = r_after, h_after
    return stretches


def _chunks(reference: tuple[Token, ...], hypothesis: tuple[Token, ...]) -> list[jiwer.AlignmentChunk]:
    """The alignment that jiwer makes: runs of equal, substituted, deleted and inserted words."""
    if not reference or not hypothesis:  # jiwer refuses an empty reference
        return []
    left, right = (" ".join(token.text for token in tokens) for tokens in (reference, hypothesis))
    return list(jiwer.process_words(left, right).alignments[0])


def _spans(reference: tuple[Token, ...], hypothesis: tuple[Token, ...]) -> list[Span]:
    """Words that are paired, in order: runs of tokens that divide alike on both sides, then what is left one by one."""
    linked: list[tuple[int, int]] = []
    for chunk in _chunks(reference, hypothesis):
        if chunk.type in ("equal", "substitute"):
            of_reference = range(chunk.ref_start_idx, chunk.ref_end_idx)
            linked += zip(of_reference, range(chunk.hyp_start_idx, chunk.hyp_end_idx), strict=True)
    spans: list[Span] = []
    run: list[tuple[int, int]] = []
    for r, h in linked:
        if run and (r, h) != (run[-1][0] + 1, run[-1][1] + 1):
            run = []  # a word was left out or put in there
        if run or (_begins(reference, r) and _begins(hypothesis, h)):
            run.append((r, h))
        if run and _ends(reference, r) and _ends(hypothesis, h):
            first_r, first_h = run[0]
            spans.append((reference[first_r].start, reference[r].stop, hypothesis[first_h].start, hypothesis[h].stop))
            run = []
    taken_reference = {i for span in spans for i in range(span[0], span[1])}
    taken_hypothesis = {i for span in spans for i in range(span[2], span[3])}
    for r, h in linked:
        left, right = reference[r], hypothesis[h]
        if taken_reference.isdisjoint(range(left.start, left.stop)) and taken_hypothesis.isdisjoint(
            range(right.start, right.stop)
        ):
            spans.append((left.start, left.stop, right.start, right.stop))
            taken_reference.update(range(left.start, left.stop))
            taken_hypothesis.update(range(right.start, right.stop))
    return sorted(spans)


def _begins(tokens: tuple[Token, ...], i: int) -> bool:
    return i == 0 or tokens[i - 1].start != tokens[i].start


def _ends(tokens: tuple[Token, ...], i: int) -> bool:
    return i == len(tokens) - 1 or tokens[i + 1].start != tokens[i].start


def _whole(tokens: tuple[Token, ...], start: int, stop: int) -> bool:
    return _begins(tokens, start) and _ends(tokens, stop - 1)


def _text(tokens: tuple[Token, ...], start: int, stop: int) -> str:
    return compressed(token.text for token in tokens[start:stop])


def _with_joins(tokens: tuple[Token, ...], joins: list[tuple[int, int]]) -> tuple[Token, ...]:
    joined: list[Token] = []
    at = 0
    for start, stop in joins:
        joined += tokens[at:start]
        joined.append(Token(_text(tokens, start, stop), tokens[start].start, tokens[stop - 1].stop))
        at = stop
    return (*joined, *tokens[at:])


def _is_spoken(word: str) -> bool:
    return any(character.isalnum() for character in word)
