"""Text policy for all corpora and formats: labels, words of a text, languages without spaces.

A label of a reference or of another system is one of five kinds, in any case of letters:

- *silence*: empty, one of :data:`SILENCE_MARKS`, or a pause in parentheses, as ``(.)`` and ``(0.4)``.
- *noise*: one of :data:`NOISE_MARKS`, everything else in ``<...>``, ``[...]``, ``{...}``, ``((...))`` or ``+...+``, and
  events as ``&=laughs``: laughter, breath, codes, speech that nobody understood.
- *unknown*: one of :data:`UNKNOWN_MARKS`, a spoken word that is not written, or a label of more than :data:`MAX_WORD`
  characters, which is no word that anybody wrote. It is restored from the transcript
  (:func:`restore_unknown`). Otherwise the utterance cannot be aligned: a text without one of its spoken words would be
  forced onto the audio.
- *marks*: no letter and no digit, as ``...`` and ``$``.
- *word*: everything else. Words are forced through the decoder as they are written, with case, punctuation, digits and
  apostrophes.

Punctuation behind a label in brackets, as in ``[Music].``, does not change its kind. Only words are aligned and scored.
All other labels are dropped and counted. A :class:`LabelPolicy` changes the kind of single labels.

Every text is cleaned where it is read (:func:`clean_label`): its Unicode form is composed (NFC), as in most text that
models learn from, and invisible characters are removed, but for the joiners of Persian and Indic spelling.
Right-to-left scripts are stored, forced and written in reading order, which is the order of time.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from align_eval.errors import InputError

MAX_WORD = 1000
"""Longest word in characters. Real words have up to some 200 letters, in compounds and names of places; a text without
spaces, as of Chinese, is written as one label in stretches of a breath. The time of Whisper's normaliser grows with the
square of a word's length: it takes milliseconds at this length, and half a minute at 40,000."""

MAX_EQUAL_PAIRS = 2**24
"""Most pairs of equal words of an alignment and its transcript in which unknown words are looked for."""

SHOWN = 40
"""Characters of a word that is too long which are kept."""

LabelKind = Literal["word", "silence", "noise", "unknown", "marks"]

SILENCE_MARKS = frozenset(
    {
        *("sil", "sp", "<eps>", "<sil>", "<sp>", "<s>", "</s>", "<p>", "<p:>", "<pau>", "<pause>", "<silence>"),
        *("[sil]", "[pause]", "[silence]", "{sl}", "{sil}", "!sil", "#"),
    }
)
"""Marks of pauses in MFA, HTK, Kaldi, P2FA, WebMAUS and Buckeye."""

UNKNOWN_MARKS = frozenset(("<unk>", "<unknown>", "<oov>", "[unk]", "[unknown]", "{unk}", "<unintelligible>", "!unk"))
"""Marks of a spoken word that was not in the lexicon, or that nobody understood."""

NOISE_MARKS = frozenset(("spn", "nsn", "!nsn", "!spn", "xxx", "yyy", "www"))
"""Marks without brackets: noise in MFA and Kaldi, and speech that is not transcribed in CHAT."""

SPACELESS_LANGUAGES = frozenset(("zh", "ja", "th", "lo", "my", "yue"))
"""Languages whose text openai-whisper splits into characters, not words (``split_to_word_tokens``)."""

_IN_BRACKETS = re.compile(r"<[^<>]*>|\[[^\[\]]*\]|\{[^{}]*\}|\(\(.*\)\)|\++[^+]+\++|&=.*")
_LAST_PUNCTUATION = ".,!?;:…。，！？、"
_QUOTES_AND_DASHES = "\"'“”„‘’«»‹›¿¡-–—"
_PAUSE = re.compile(r"\(\s*(?:\.+|\d*\.?\d+\s*s?)\s*\)")
_JOINERS = ("\u200c", "\u200d")
_VISIBLE_FORMATS = frozenset(map(chr, [*range(0x600, 0x606), 0x6DD, 0x70F, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD]))
"""Signs over Arabic, Syriac and Kaithi numbers: Unicode counts them as format characters, but they are seen."""
_INVISIBLE = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]")
"""Fillers and selectors of variants, which Unicode does not count as format characters, and which are not seen."""
_APOSTROPHES = str.maketrans(dict.fromkeys("\u2019\u2018\u02bc\u02b9\uff07\u00b4`", "'"))
_ALPHABETS_END = 0x0590
"""First code point after the Latin, Greek, Cyrillic and Armenian letters, which form words in any language."""


@dataclass(frozen=True, slots=True)
class LabelPolicy:
    """Labels that a user counts as words, or as no words, whatever the rules of this module say; in lower case.

    They are compared without case, and without punctuation at their ends.
    """

    keep: frozenset[str] = frozenset()
    drop: frozenset[str] = frozenset()

    def keeps(self, label: str) -> bool:
        """Tell whether a cleaned label is one of those that are kept."""
        return _is_among(label, self.keep)

    def drops(self, label: str) -> bool:
        """Tell whether a cleaned label is one of those that are dropped."""
        return _is_among(label, self.drop)


DEFAULT_POLICY = LabelPolicy()


def label_policy(keep: Iterable[str] | None = None, drop: Iterable[str] | None = None) -> LabelPolicy:
    """Make a policy from labels as a user writes them.

    Raises
    ------
    InputError
        If a label is in both.
    """
    kept, dropped = (frozenset(clean_label(label).lower() for label in labels or ()) for labels in (keep, drop))
    for label in sorted(kept & dropped):
        raise InputError(f"label {label!r}", "is both kept and dropped", "leave it out of one")
    return LabelPolicy(kept, dropped)


def clean_label(label: str) -> str:
    """Remove surrounding white space and invisible characters from a label, and compose it (NFC)."""
    if label.isascii():
        return label.strip()
    seen = "".join(c for c in _INVISIBLE.sub("", label) if c in _JOINERS or not _is_invisible(c))
    return unicodedata.normalize("NFC", seen).strip()


def without_joiners(text: str) -> str:
    """Remove the joiners that :func:`clean_label` leaves: they decide how letters are drawn, not which they are."""
    return text.translate(dict.fromkeys(map(ord, _JOINERS)))


def is_spoken(text: str) -> bool:
    """Tell whether a text has a letter or a digit."""
    return any(unicodedata.category(c)[0] in "LN" for c in text)


def label_kind(label: str, policy: LabelPolicy = DEFAULT_POLICY) -> LabelKind:
    """Kind of a cleaned label, by the policy of this module.

    Examples
    --------
    >>> [label_kind(label) for label in ("", "sp", "spn", "<UNK>", "[laughter]", "(.)", "...", "space", "don't")]
    ['silence', 'silence', 'noise', 'unknown', 'noise', 'silence', 'marks', 'word', 'word']
    """
    if too_long(label):
        return "unknown"
    if policy.keeps(label) or policy.drops(label):
        return "word" if policy.keeps(label) else "noise"
    lowered = label.lower()
    before_punctuation = lowered.rstrip(_LAST_PUNCTUATION)
    if before_punctuation.endswith((">", "]", "}", ")", "+")):
        lowered = before_punctuation
    if not lowered or lowered in SILENCE_MARKS or _PAUSE.fullmatch(lowered):
        return "silence"
    if lowered in UNKNOWN_MARKS:
        return "unknown"
    if lowered in NOISE_MARKS or _IN_BRACKETS.fullmatch(lowered):
        return "noise"
    return "word" if is_spoken(lowered) else "marks"


def too_long(word: str) -> str:
    """Reason why a text is too long for a word, or an empty text.

    Examples
    --------
    >>> too_long("a" * 1001), too_long("a")
    ('has 1001 characters, more than the 1000 of a word', '')
    """
    return f"has {len(word)} characters, more than the {MAX_WORD} of a word" if len(word) > MAX_WORD else ""


def _unwritten(word: str) -> str:
    return too_long(word) or f"is {word}"


def shown(word: str) -> str:
    """The start of a word that is too long, for tables and messages; any other word as it is."""
    return f"{word[:SHOWN]}…" if too_long(word) else word


def _is_among(label: str, labels: frozenset[str]) -> bool:
    if not labels:
        return False
    bare = _without_punctuation(label.lower())
    return label.lower() in labels or (bare != "" and any(_without_punctuation(other) == bare for other in labels))


def _without_punctuation(label: str) -> str:
    """A label without punctuation at its ends. A mark at the start, as in ``!sil``, and brackets are part of it."""
    return label.rstrip(_LAST_PUNCTUATION + _QUOTES_AND_DASHES).lstrip(_QUOTES_AND_DASHES)


def _is_invisible(char: str) -> bool:
    return unicodedata.category(char) == "Cf" and char not in _VISIBLE_FORMATS


def match_key(word: str) -> str:
    """Key that is equal for all spellings of a word: its letters, digits and inner apostrophes, without case.

    Examples
    --------
    >>> match_key("“DON’T!”") == match_key("don't")
    True
    """
    folded = unicodedata.normalize("NFKC", clean_label(word.translate(_APOSTROPHES))).casefold()
    return "".join(c for c in folded if c == "'" or unicodedata.category(c)[0] in "LMN").strip("'")


def restore_unknown(
    words: Sequence[str], transcript: Sequence[str], place: object, labels: LabelPolicy = DEFAULT_POLICY
) -> list[str]:
    """Replace every unknown mark by the word at its position in the transcript.

    Parameters
    ----------
    words
        Cleaned labels, words and unknown marks.
    transcript
        Words of the transcript.
    place
        Place for error messages.
    labels
        Labels to keep or to drop.

    Raises
    ------
    InputError
        If the transcript does not determine a word: its neighbours differ, or it has more or fewer words there.
    """
    marks = [i for i, word in enumerate(words) if label_kind(word, labels) == "unknown"]
    if not marks:
        return list(words)
    spoken = [word for word in transcript if match_key(word)]
    is_mark = set(marks)
    keys = ["" if i in is_mark else match_key(word) for i, word in enumerate(words)]
    spoken_keys = [match_key(word) for word in spoken]
    in_both = Counter(keys)
    n_pairs = sum(in_both[key] * n for key, n in Counter(spoken_keys).items())
    if n_pairs > MAX_EQUAL_PAIRS:
        problem = f"is {words[marks[0]]}, and the text has too many equal words to find its place in the transcript"
        raise InputError(f"{place}, word {marks[0] + 1}", problem, "write the word in the alignment")
    restored = list(words)
    for tag, i0, i1, j0, j1 in difflib.SequenceMatcher(None, keys, spoken_keys, autojunk=False).get_opcodes():
        if tag == "replace" and i1 - i0 == j1 - j0 and not any(keys[i0:i1]):
            restored[i0:i1] = spoken[j0:j1]
    unrestored = next((i for i in marks if label_kind(restored[i], labels) == "unknown"), None)
    if unrestored is not None:
        lengths = f"{len(spoken)} words, the alignment {len(words)}"
        raise InputError(
            f"{place}, word {unrestored + 1}",
            f"{_unwritten(words[unrestored])}; the transcript ({lengths}) does not determine it",
            "write the word in the alignment, or correct the transcript",
        )
    return restored


def refuse_unknown(words: Iterable[str], place: object, labels: LabelPolicy = DEFAULT_POLICY) -> None:
    """Refuse words if one of them is an unknown mark.

    Raises
    ------
    InputError
        Names the first unknown word after ``place``.
    """
    for i, word in enumerate(words):
        if label_kind(word, labels) == "unknown":
            raise InputError(
                f"{place}, word {i + 1}",
                f"{_unwritten(word)}: a spoken word that is not written",
                "write the word, or put the transcript beside the audio as .txt or .lab",
            )


def lower_capitals(words: Sequence[str]) -> list[str]:
    """Lower the words if all of them are in capitals, since models learn from text in mixed case."""
    text = " ".join(word for word in words if label_kind(word) == "word")
    return [word.lower() for word in words] if text.upper() == text else list(words)


def composed(name: str) -> str:
    """The name of a file, recording or tier in NFC. Names are compared so, since macOS decomposes names of files."""
    return unicodedata.normalize("NFC", name)


def split_words(text: str, language: str | None) -> list[str]:
    """Clean a text (:func:`clean_label`) and split it at white space, and in languages without spaces into characters.

    Combining marks stay with their letter, and punctuation with the character before it, or after it if it opens a
    quotation or bracket. Runs of digits and of letters of alphabets stay together.

    Examples
    --------
    >>> split_words("we met", "en"), split_words("我用 GPT4。", "zh")
    (['we', 'met'], ['我', '用', 'GPT4。'])
    """
    parts = clean_label(text).split()
    if language not in SPACELESS_LANGUAGES:
        return parts
    words: list[str] = []
    for part in parts:
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
    """Group of a character by how it joins its neighbours in languages without spaces."""
    category = unicodedata.category(char)
    if char in "'\u2019":
        return "run"  # an apostrophe inside a word of an alphabet
    if category in ("Ps", "Pi"):
        return "opening"
    if category[0] == "M" or category == "Lm":
        return "mark"
    if category[0] in "PC":
        return "closing"
    return "run" if category[0] == "N" or ord(char) < _ALPHABETS_END else "letter"
