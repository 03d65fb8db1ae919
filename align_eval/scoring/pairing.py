"""Pairing of reference words with recognised words by edit distance on normalised text.

Whisper's normaliser works on whole texts: it joins "twenty one" to "21", splits "can't" in two and removes "um". The
normalised text is therefore traced back to *groups*: the shortest runs of words whose normalised texts, concatenated,
are the normalised whole (the reversible word map). Then jiwer aligns the normalised words, and each group follows its
words. Pairing does not use times.

- A word that the normaliser removes ("um", "(laughs)") is replaced by its lower-case text. It has times, so its absence
  is a deletion.
- Compounds that differ only by a space ("every one", "everyone") are joined before pairing.
- A unit is *same* if all its normalised words are equal on both sides; otherwise it is a substitution.
- A unit of several words on both sides is divided if its words match one by one: the normaliser writes "two four" as
  "24", but both words have times.

References: Morris, Maier, Green 2004 for the counts, as in jiwer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import jiwer

from align_eval.records import Pairing, Unit
from align_eval.scoring.normaliser import comparable, compressed, whisper_normaliser

MAX_GROUP = 12
"""Maximum number of words in one number, bracket or compound."""


Span = tuple[int, int, int, int]
"""Paired words: start and stop in the reference, start and stop in the hypothesis."""


@dataclass(frozen=True, slots=True)
class Token:
    """A normalised word, from the words ``start`` to ``stop - 1`` of the text."""

    text: str
    start: int
    stop: int


def pair_words(reference: Sequence[str], hypothesis: Sequence[str], language: str | None = None) -> Pairing:
    """Pair the words of two texts.

    Parameters
    ----------
    reference, hypothesis : sequence of str
        Words as written, with punctuation and case.
    language : str, optional
        Whisper's code, which selects the normaliser; see
        :func:`~align_eval.scoring.normaliser.whisper_normaliser`.
    """

    def unit(span: Span) -> Unit:
        reference_words, hypothesis_words = range(span[0], span[1]), range(span[2], span[3])
        reference_text, hypothesis_text = (
            comparable(" ".join(words[i] for i in indices), language)
            for words, indices in ((reference, reference_words), (hypothesis, hypothesis_words))
        )
        return Unit(tuple(reference_words), tuple(hypothesis_words), reference_text == hypothesis_text)

    def divided(whole: Unit) -> list[Unit]:
        """Divide a unit by pairing its words normalised one by one, if this gives more equal words."""
        if len(whole.reference) == 1 or len(whole.hypothesis) == 1:
            return [whole]
        single_words = (
            tuple(Token(comparable(words[i], language), i, i + 1) for i in indices)
            for words, indices in ((reference, whole.reference), (hypothesis, whole.hypothesis))
        )
        parts = [unit(span) for span in _spans(*single_words)]
        n_same = sum(part.same for part in parts)
        all_same = n_same == len(whole.reference) == len(whole.hypothesis)
        return parts if all_same or (n_same and not whole.same) else [whole]

    tokens = _joined(word_map(reference, language), word_map(hypothesis, language))
    units = [part for span in _spans(*tokens) for part in divided(unit(span))]
    paired_reference = {i for unit in units for i in unit.reference}
    paired_hypothesis = {i for unit in units for i in unit.hypothesis}
    unpaired = [i for i in range(len(hypothesis)) if i not in paired_hypothesis]
    return Pairing(
        units=tuple(units),
        deleted=tuple(i for i in range(len(reference)) if i not in paired_reference),
        inserted=tuple(i for i in unpaired if _is_spoken(hypothesis[i])),
        ignored=tuple(i for i in unpaired if not _is_spoken(hypothesis[i])),
        n_reference=len(reference),
        n_hypothesis=len(hypothesis),
    )


def word_map(words: Sequence[str], language: str | None) -> tuple[Token, ...]:
    """Normalised words of a text, each with its run of words.

    The concatenated texts of the tokens are the normalised text, plus words that the normaliser removes. Several tokens
    can come from one word, and one token from several words.
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
    """Shortest runs of words, ``(start, stop, normalised)``, that concatenate to the normalised whole.

    The search is depth first, shortest run first. If there is no division, the whole text is one group.
    """
    normalise = whisper_normaliser(language)
    cache: dict[str, tuple[str, ...]] = {}

    def normalised(start: int, stop: int) -> tuple[str, ...]:
        text = " ".join(words[start:stop])
        if text not in cache:
            cache[text] = tuple(normalise(text).split())
        return cache[text]

    dead: set[tuple[int, int]] = set()  # (word, token) from which no division is possible
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
    """Join the compounds of both texts that only spaces divide, in the stretches where the texts differ."""
    joins_reference: list[tuple[int, int]] = []
    joins_hypothesis: list[tuple[int, int]] = []
    for r_start, r_stop, h_start, h_stop in _differing(reference, hypothesis):
        runs_of_text: dict[str, list[tuple[int, int]]] = {}
        for h in range(h_start, h_stop):
            for n in range(1, min(MAX_GROUP, h_stop - h) + 1):
                if _whole(hypothesis, h, h + n):
                    runs_of_text.setdefault(_text(hypothesis, h, h + n), []).append((h, h + n))
        r, h_free = r_start, h_start
        while r < r_stop:
            step = 1
            for n in range(1, min(MAX_GROUP, r_stop - r) + 1):
                equal_runs = runs_of_text.get(_text(reference, r, r + n), ()) if _whole(reference, r, r + n) else ()
                free_runs = [(a, b) for a, b in equal_runs if a >= h_free and (n, b - a) != (1, 1)]
                if free_runs:
                    joins_reference.append((r, r + n))
                    joins_hypothesis.append(free_runs[0])
                    step, h_free = n, free_runs[0][1]
                    break
            r += step
    return _with_joins(reference, joins_reference), _with_joins(hypothesis, joins_hypothesis)


def _differing(reference: tuple[Token, ...], hypothesis: tuple[Token, ...]) -> list[tuple[int, int, int, int]]:
    """Stretches ``(start, stop, start, stop)`` between equal words that contain words of both texts."""
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
    """Jiwer's alignment: runs of equal, substituted, deleted and inserted words."""
    if not reference or not hypothesis:  # jiwer refuses an empty reference
        return []
    reference_text, hypothesis_text = (" ".join(token.text for token in tokens) for tokens in (reference, hypothesis))
    return list(jiwer.process_words(reference_text, hypothesis_text).alignments[0])


def _spans(reference: tuple[Token, ...], hypothesis: tuple[Token, ...]) -> list[Span]:
    """Paired words, in order: runs of tokens whose words begin and end together, then remaining tokens one by one."""
    links: list[tuple[int, int]] = []
    for chunk in _chunks(reference, hypothesis):
        if chunk.type in ("equal", "substitute"):
            reference_tokens = range(chunk.ref_start_idx, chunk.ref_end_idx)
            links += zip(reference_tokens, range(chunk.hyp_start_idx, chunk.hyp_end_idx), strict=True)
    spans: list[Span] = []
    run: list[tuple[int, int]] = []
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


def _whole(tokens: tuple[Token, ...], start: int, stop: int) -> bool:
    return _begins(tokens, start) and _ends(tokens, stop - 1)


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


def _is_spoken(word: str) -> bool:
    return any(character.isalnum() for character in word)
