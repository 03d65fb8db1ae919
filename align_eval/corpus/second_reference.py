"""Second references: other times for the words of a corpus.

The disagreement of two references is the floor of the error that can be measured. A second reference is another tier of
the corpus's TextGrids, or a folder of TextGrids with the same names. Its words are paired with those of the first
reference by their text, without case and punctuation, and by their times where several pairings have equally few edits.
Words without a partner have no second times.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from align_eval.corpus.failing import failure_of
from align_eval.corpus.file_search import beside, by_identity, list_files
from align_eval.corpus.folder import TEXTGRID_SUFFIX, Corpus
from align_eval.corpus.windows import cut_windows
from align_eval.edit_alignment import edit_links, word_times
from align_eval.errors import InputError
from align_eval.formats.textgrids import read_words
from align_eval.records import SECOND_REFERENCE, Failure, Pairing, Unit, Word, listed_failures
from align_eval.text import match_key

TIER_REMEDY = "name another with --second-reference, by its number if names are equal"

MaybeWords = tuple[Word | None, ...]
"""One entry per word of an utterance: the word with its second times, or None."""


@dataclass(frozen=True, slots=True)
class SecondReference:
    """Second times of the words of a corpus.

    Attributes
    ----------
    name : str
        Name of the folder or tier.
    words : mapping
        Second times by utterance id, in seconds from the start of the utterance.
    failures : tuple of Failure
        Utterances without a readable second reference.
    """

    name: str
    words: Mapping[str, MaybeWords]
    failures: tuple[Failure, ...] = ()


def read_second_reference(corpus: Corpus, where: str) -> SecondReference:
    """Read the second times of a corpus's words.

    Parameters
    ----------
    where
        A folder of TextGrids with the names of the corpus's and one word tier each, or the name or number of a tier in
        the corpus's TextGrids.

    Raises
    ------
    InputError
        If no word of the corpus has a second time.
    """
    second_words: dict[str, MaybeWords] = {}
    failures: list[Failure] = []
    folder = Path(where)
    grids = by_identity(list_files(folder), folder, TEXTGRID_SUFFIX)
    for u in corpus.utterances:
        try:
            if folder.is_dir():
                second = read_words(_the_grid(grids.get(u.id, []), folder / u.id))
            else:
                grid = _the_grid(beside(u.audio.path, TEXTGRID_SUFFIX), u.audio.path.with_suffix(""))
                second = read_words(grid, where)
        except InputError as error:
            message = f"{SECOND_REFERENCE}, {_with_own_remedy(error, in_folder=folder.is_dir())}"
            failures.append(Failure(f"{u.id} ({SECOND_REFERENCE})", message))
            continue
        except Exception as error:
            failures.append(failure_of(f"{u.id} ({SECOND_REFERENCE})", error))
            continue
        second_words[u.id] = paired(u.words, second)
    if not any(word for words in second_words.values() for word in words):
        messages = listed_failures(failures) or "no word is the same"
        raise InputError(
            f"{SECOND_REFERENCE} {where!r}",
            f"has none of the corpus's words: {messages}",
            "name another folder or tier",
        )
    name = folder.resolve().name if folder.is_dir() else where
    return SecondReference(name, second_words, tuple(failures))


def paired(words: Sequence[Word], second: Sequence[Word]) -> MaybeWords:
    """Pair words by text: for each of ``words`` its text with the times of its partner in ``second``, or None."""
    texts, others = ([_key(word.text) for word in side] for side in (words, second))
    partner: list[Word | None] = [None] * len(words)
    for i, j in edit_links(texts, others, word_times(words), word_times(second)):
        if texts[i] == others[j]:
            partner[i] = second[j]
    return tuple(other and replace(other, text=word.text) for word, other in zip(words, partner, strict=True))


def of_windows(corpus: Corpus, second: Mapping[str, MaybeWords], longest_s: float) -> dict[str, MaybeWords]:
    """Second times by the ids of windows (:func:`~align_eval.corpus.windows.cut_windows`), from the window's start."""
    second_words: dict[str, MaybeWords] = {}
    for u in corpus.utterances:
        words = iter(second.get(u.id, ()))
        for window in cut_windows(u, longest_s):
            offset_s = window.audio.start_s - u.audio.start_s
            second_words[window.id] = tuple(
                word and replace(word, start_s=word.start_s - offset_s, end_s=word.end_s - offset_s)
                for word in islice(words, len(window.words))
            )
    return second_words


def partners(second: MaybeWords) -> Pairing:
    """Pairing of the words with the second times that exist, one with one."""
    timed = [i for i, word in enumerate(second) if word]
    return Pairing(
        units=tuple(Unit((i,), (j,), same=True) for j, i in enumerate(timed)),
        deleted=tuple(i for i, word in enumerate(second) if not word),
        inserted=(),
        ignored=(),
        n_reference=len(second),
        n_hypothesis=len(timed),
    )


def second_checksum(second: Mapping[str, MaybeWords]) -> str:
    """SHA-256 of the second times."""
    times = {id_: [word and (word.text, word.start_s, word.end_s) for word in words] for id_, words in second.items()}
    return hashlib.sha256(repr(sorted(times.items())).encode()).hexdigest()


def _with_own_remedy(error: InputError, *, in_folder: bool) -> InputError:
    """The error without ``--tier``: a second reference takes one tier, and of a folder no other than its word tier."""
    if "--tier" not in error.remedy:
        return error
    remedy = "give TextGrids with one tier named words" if in_folder else TIER_REMEDY
    return InputError(error.place, error.problem, f"{remedy}; {error.remedy.rpartition('; ')[2]}")


def _the_grid(grids: Sequence[Path], place: Path) -> Path:
    """The only one of the TextGrids."""
    if len(grids) != 1:
        problem = f"{len(grids) or 'no'} TextGrids have this name"
        raise InputError(place, problem, "give a folder with one per utterance, or the name of a tier")
    return grids[0]


def _key(text: str) -> str:
    """Letters, marks and digits of a word without case; the word itself if it has none."""
    return match_key(text).replace("'", "") or text
