"""Comparison of two signatures: keys that must agree, and keys that may differ."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from align_eval.errors import NotComparableError, listed, shorten
from align_eval.gate.verdicts import SignatureDifference

MUST_AGREE = ("corpus_checksum", "text", "transcripts_checksum")
"""Keys that must agree.

The corpus checksum covers audio, reference words, speakers and kinds of reference. ``text`` is the origin of the
aligned text: reference words, transcripts or recognition. Transcripts have a separate checksum. All other keys (model,
heads, packages, device, context, ...) may differ: they are the changes that a comparison tests.
"""

NOT_COMPARED = ("id", "corpus", "protocols")
"""Keys that are ignored.

``id`` is a hash of all other keys. ``corpus`` is a path or name; the checksum covers its content. ``protocols`` do not
affect the gate, which counts boundaries in the same way on both sides.
"""

ABSENT = "absent"
"""Value of a key that one signature lacks."""

MAX_LENGTH = 60
"""Number of characters up to which a value is shown in full."""


def signature_differences(baseline: Mapping[str, Any], run: Mapping[str, Any]) -> tuple[SignatureDifference, ...]:
    """Return the keys in which two signatures differ. Keys of nested tables are joined by dots."""
    old, new = _flat(baseline), _flat(run)
    keys = [key for key in dict.fromkeys([*old, *new]) if key not in NOT_COMPARED]
    pairs = [(key, old.get(key, ABSENT), new.get(key, ABSENT)) for key in keys]
    return tuple(SignatureDifference(*pair) for pair in pairs if pair[1] != pair[2])


def check_comparable(differences: tuple[SignatureDifference, ...], baseline: str, run: str) -> None:
    """Raise an error if a key of :data:`MUST_AGREE` differs.

    Parameters
    ----------
    baseline, run
        Folders, for the message.

    Raises
    ------
    NotComparableError
        If such a key differs; the message has each key with both values.
    """
    differing = [d for d in differences if d.key in MUST_AGREE]
    if differing:
        keys = listed(f"{d.key} ({shown(d.baseline)} in the baseline, {shown(d.run)} in the run)" for d in differing)
        raise NotComparableError(
            run,
            f"is not comparable with {baseline}: they differ in {keys}",
            "run on the speech and text of the baseline, or accept a new baseline (compare --accept)",
        )


def shown(value: Any) -> str:
    """Return a value of a signature as text, shortened where it is long."""
    text = str(value)
    return text if len(text) <= MAX_LENGTH else shorten(text, 12)


def _flat(signature: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in signature.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat
