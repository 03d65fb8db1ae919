"""What is written, and what of it is spoken: marks, words of a text, languages without spaces. One policy for all.

A label of a reference is one of four things, whatever its case:

- *silence*: empty, or one of :data:`SILENCE_MARKS`. It leaves no trace.
- *unknown*: one of :data:`UNKNOWN_MARKS`: a word was spoken, but which one is not written. It is restored from a
  transcript where there is one (:func:`restore_unknown`); otherwise its utterance cannot be used, because a text that
  lacks a spoken word would be forced onto its audio.
- *noise*: ``spn``, ``nsn``, and whatever else stands in ``<...>``, ``[...]`` or ``{...}``: laughter, breath, codes. It
  is no word, and is counted.
- *word*: everything else, as it is written: case, punctuation, digits and apostrophes are the text that the decoder is
  forced through. Only its Unicode form is made the composed one (NFC), as in most text that models learn from, and the
  invisible marks that switch the direction of writing are taken out. Right-to-left scripts are stored, forced and
  written in the order of reading, which is the order of time.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Literal

from align_eval.errors import InputError

LabelKind = Literal["word", "silence", "noise", "unknown"]

SILENCE_MARKS = frozenset(
    {
        *("sil", "sp", "<eps>", "<sil>", "<sp>", "<s>", "</s>", "<p>", "<p:>", "<pau>", "<pause>", "<silence>"),
        *("[sil]", "[pause]", "[silence]", "{sl}", "{sil}", "!sil", "#"),
    }
)
"""Pauses as MFA, HTK, Kaldi, P2FA, WebMAUS and Buckeye write them."""

UNKNOWN_MARKS = frozenset(("<unk>", "<unknown>", "<oov>", "[unk]", "[unknown]", "{unk}", "<unintelligible>", "!unk"))
"""A word that was spoken and that a lexicon lacked, or that nobody understood."""

NOISE_MARKS = frozenset(("spn", "nsn", "!nsn", "!spn"))
"""Noise without brackets; what stands in brackets is noise unless a table above has it."""

SPACELESS_LANGUAGES = frozenset(("zh", "ja", "th", "lo", "my", "yue"))
"""Languages whose text openai-whisper splits into characters instead of words (its ``split_to_word_tokens``)."""

_IN_BRACKETS = re.compile(r"<[^<>]*>|\[[^\[\]]*\]|\{[^{}]*\}")
_DIRECTION_MARKS = dict.fromkeys([0x061C, 0x200E, 0x200F, 0xFEFF, *range(0x202A, 0x202F), *range(0x2066, 0x206A)])
_APOSTROPHES = str.maketrans(dict.fromkeys("\u2019\u2018\u02bc\u02b9\uff07\u00b4`", "'"))
_LAST_SPACED_LETTER = 0x0590
"""Latin, Greek, Cyrillic and Armenian letters, which keep together in a text without spaces, end before that."""


def clean_label(label: str) -> str:
    """A label without white space around it and without marks of direction, composed (NFC)."""
    return unicodedata.normalize("NFC", label.translate(_DIRECTION_MARKS).strip())


def label_kind(label: str) -> LabelKind:
    """What a cleaned label says, by the policy of this module.

    Examples
    --------
    >>> [label_kind(label) for label in ("", "sp", "spn", "<UNK>", "[laughter]", "space", "don't")]
    ['silence', 'silence', 'noise', 'unknown', 'noise', 'word', 'word']
    """
    lowered = label.lower()
    if not lowered or lowered in SILENCE_MARKS:
        return "silence"
    if lowered in UNKNOWN_MARKS:
        return "unknown"
    if lowered in NOISE_MARKS or _IN_BRACKETS.fullmatch(lowered):
        return "noise"
    return "word"


def match_key(word: str) -> str:
    """What two writings of a word share: letters, digits and inner apostrophes, without case.

    Examples
    --------
    >>> match_key("“DON’T!”") == match_key("don't")
    True
    """
    folded = unicodedata.normalize("NFKC", word.translate(_APOSTROPHES)).casefold()
    return "".join(c for c in folded if c == "'" or unicodedata.category(c)[0] in "LMN").strip("'")


def restore_unknown(words: Sequence[str], transcript: Sequence[str], place: object) -> list[str]:
    """Words with every unknown mark replaced by the word that the transcript has at its place.

    Raises
    ------
    InputError
        Where the transcript does not say which word it is: another word of it does not fit, or it has more or fewer
        words there.
    """
    marks = [i for i, word in enumerate(words) if label_kind(word) == "unknown"]
    if not marks:
        return list(words)
    spoken = [word for word in transcript if match_key(word)]
    ours = ["" if i in set(marks) else match_key(word) for i, word in enumerate(words)]
    theirs = [match_key(word) for word in spoken]
    restored = list(words)
    for tag, i0, i1, j0, j1 in difflib.SequenceMatcher(None, ours, theirs, autojunk=False).get_opcodes():
        if tag == "replace" and i1 - i0 == j1 - j0 and not any(ours[i0:i1]):
            restored[i0:i1] = spoken[j0:j1]
    left = next((i for i in marks if label_kind(restored[i]) == "unknown"), None)
    if left is not None:
        raise InputError(
            f"{place}, word {left + 1}",
            f"is {words[left]}; the transcript ({len(spoken)} words, the alignment {len(words)}) does not say which",
            "write the word in the alignment, or correct the transcript",
        )
    return restored


def refuse_unknown(words: Iterable[str], place: object) -> None:
    """Refuse words among which one is unknown."""
    for i, word in enumerate(words):
        if label_kind(word) == "unknown":
            raise InputError(
                f"{place}, word {i + 1}",
                f"is {word}: a word was spoken there, but not which one",
                "write the word, or put the transcript beside the audio as .txt or .lab",
            )


def lower_capitals(words: Sequence[str]) -> list[str]:
    """Words in lower case, where all of them are in capitals only: models learned from mixed case."""
    text = " ".join(word for word in words if label_kind(word) == "word")
    return [word.lower() for word in words] if text.upper() == text else list(words)


def word_separator(language: str | None) -> str:
    """What stands before a word in a text of a language."""
    return "" if language in SPACELESS_LANGUAGES else " "


def split_words(text: str, language: str | None) -> list[str]:
    """Words of a text: what white space separates, and in a language without spaces every character.

    There, marks stay with the letter that they belong to, punctuation with what it follows or opens, and runs of
    letters of alphabets and of digits together.

    Examples
    --------
    >>> split_words("we met", "en"), split_words("我用 GPT4。", "zh")
    (['we', 'met'], ['我', '用', 'GPT4。'])
    """
    if language not in SPACELESS_LANGUAGES:
        return text.split()
    words: list[str] = []
    for part in text.split():
        previous, opening = "", ""
        for char in part:
            group = _group(char)
            if group == "opening":
                opening += char
            elif previous and not opening and (group in ("mark", "closing") or group == previous == "run"):
                words[-1] += char
            else:
                words.append(opening + char)
                opening = ""
            previous = group if group != "mark" else previous
        if opening:
            words.append(opening)
    return words


def _group(char: str) -> Literal["mark", "opening", "closing", "run", "letter"]:
    category = unicodedata.category(char)
    if char in "'\u2019":
        return "run"  # an apostrophe inside a word of an alphabet
    if category in ("Ps", "Pi"):
        return "opening"
    if category[0] == "M" or category == "Lm":
        return "mark"
    if category[0] in "PC":
        return "closing"
    return "run" if category[0] == "N" or ord(char) < _LAST_SPACED_LETTER else "letter"
