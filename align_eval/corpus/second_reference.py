"""A second reference of the same audio: how far two references lie apart is the floor of what can be told of a system.

It is another tier of the corpus's own TextGrids, or a folder of TextGrids with the same names. Its words are paired
with those of the first reference by their text, case and punctuation aside; what has no partner has no second times.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from itertools import islice
from pathlib import Path

from align_eval.corpus.folder import TEXTGRID_SUFFIX, Corpus
from align_eval.corpus.windows import cut_windows
from align_eval.errors import InputError
from align_eval.formats.textgrids import read_words
from align_eval.records import SECOND_REFERENCE, Failure, Pairing, Unit, Word

MaybeWords = tuple[Word | None, ...]


@dataclass(frozen=True, slots=True)
class SecondReference:
    """Second times of the words of every utterance, by its id and from its start, and what could not be read."""

    name: str
    words: Mapping[str, MaybeWords]
    failures: tuple[Failure, ...] = ()


def read_second_reference(corpus: Corpus, where: str, tier: str | None = None) -> SecondReference:
    """Read the second times of a corpus's words.

    Parameters
    ----------
    where
        A folder of TextGrids named as the corpus's, or the name of a tier in the corpus's own TextGrids.
    tier
        The word tier of the TextGrids in a folder, where it is not ``words``.

    Raises
    ------
    InputError
        Where no word of the corpus has a second time.
    """
    found: dict[str, MaybeWords] = {}
    failures: list[Failure] = []
    folder = Path(where)
    for u in corpus.utterances:
        try:
            if folder.is_dir():
                second = read_words(_grid(folder / u.id), tier)
            else:
                second = read_words(_grid(u.audio.path.with_suffix("")), where)
        except InputError as error:
            failures.append(Failure(f"{u.id} ({SECOND_REFERENCE})", f"{SECOND_REFERENCE}, {error}"))
            continue
        found[u.id] = paired(u.words, second)
    if not any(word for words in found.values() for word in words):
        listed = "; ".join(f.message for f in failures[:3]) or "no word is the same"
        raise InputError(f"{SECOND_REFERENCE} {where!r}", f"has none of the corpus's words: {listed}", "name another")
    name = folder.resolve().name if folder.is_dir() else where
    return SecondReference(name, found, tuple(failures))


def paired(words: Sequence[Word], second: Sequence[Word]) -> MaybeWords:
    """The word of ``second`` for each of ``words``, None where there is none; the text is that of ``words``."""
    texts, others = ([_plain(word.text) for word in of] for of in (words, second))
    partner: list[Word | None] = [None] * len(words)
    for i, j, n in SequenceMatcher(None, texts, others, autojunk=False).get_matching_blocks():
        partner[i : i + n] = second[j : j + n]
    return tuple(other and replace(other, text=word.text) for word, other in zip(words, partner, strict=True))


def of_windows(corpus: Corpus, second: Mapping[str, MaybeWords], longest_s: float) -> dict[str, MaybeWords]:
    """Second times by window (:func:`~align_eval.corpus.windows.cut_windows`), each from the start of its window."""
    found: dict[str, MaybeWords] = {}
    for u in corpus.utterances:
        words = iter(second.get(u.id, ()))
        for window in cut_windows(u, longest_s):
            offset_s = window.audio.start_s - u.audio.start_s
            found[window.id] = tuple(
                word and replace(word, start_s=word.start_s - offset_s, end_s=word.end_s - offset_s)
                for word in islice(words, len(window.words))
            )
    return found


def partners(second: MaybeWords) -> Pairing:
    """Which words the second times belong to: those that there are, in order, each to its own."""
    there = [i for i, word in enumerate(second) if word]
    return Pairing(
        units=tuple(Unit((i,), (j,), same=True) for j, i in enumerate(there)),
        deleted=tuple(i for i, word in enumerate(second) if not word),
        inserted=(),
        ignored=(),
        n_reference=len(second),
        n_hypothesis=len(there),
    )


def second_checksum(second: Mapping[str, MaybeWords]) -> str:
    """SHA-256 of the second times."""
    times = {id_: [word and (word.text, word.start_s, word.end_s) for word in words] for id_, words in second.items()}
    return hashlib.sha256(repr(sorted(times.items())).encode()).hexdigest()


def _grid(stem: Path) -> Path:
    """The TextGrid of that name, its suffix in any case."""
    beside = sorted(stem.parent.glob("*")) if stem.parent.is_dir() else []
    grids = [path for path in beside if path.stem == stem.name and path.suffix.lower() == TEXTGRID_SUFFIX]
    if len(grids) != 1:
        problem = f"{len(grids) or 'no'} TextGrids have this name"
        raise InputError(stem, problem, "give a folder that has one for each utterance, or a tier's name")
    return grids[0]


def _plain(text: str) -> str:
    kept = "".join(c for c in unicodedata.normalize("NFC", text.casefold()) if unicodedata.category(c)[0] in "LMN")
    return kept or text
