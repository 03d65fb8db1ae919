"""Which keys of two signatures must agree, and which are what is being compared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from align_eval.errors import NotComparableError
from align_eval.gate.verdicts import SignatureDifference

MUST_AGREE = ("corpus_checksum", "text", "transcripts_checksum")
"""Speech, reference words, speakers and kinds of reference are in the checksum of the corpus; ``text`` says whether
words were given, transcribed or recognised, and the transcripts have a checksum of their own. All else (model, heads,
packages, device, context, ...) may be what changed."""

NOT_COMPARED = ("id", "corpus", "protocols")
"""The id is a hash of the rest; the corpus's name is where it lies, its checksum says what it holds. Protocols decide
what other scores count of the words; the gate counts boundaries in its own way, the same on both sides."""

ABSENT = "absent"


def signature_differences(baseline: Mapping[str, Any], run: Mapping[str, Any]) -> tuple[SignatureDifference, ...]:
    """Keys in which two signatures differ; keys of nested tables joined by dots."""
    of_baseline, of_run = _flat(baseline), _flat(run)
    keys = [key for key in dict.fromkeys([*of_baseline, *of_run]) if key not in NOT_COMPARED]
    pairs = [(key, of_baseline.get(key, ABSENT), of_run.get(key, ABSENT)) for key in keys]
    return tuple(SignatureDifference(*pair) for pair in pairs if pair[1] != pair[2])


def check_comparable(differences: tuple[SignatureDifference, ...], baseline: str, run: str) -> None:
    """Refuse two runs whose signatures differ where they must not.

    Raises
    ------
    NotComparableError
        With every such key and both of its values.
    """
    found = [d for d in differences if d.key in MUST_AGREE]
    if found:
        listed = ", ".join(f"{d.key} ({shown(d.baseline)} in the baseline, {shown(d.run)} in the run)" for d in found)
        raise NotComparableError(
            run,
            f"is not comparable with {baseline}: they differ in {listed}",
            "run on what the baseline was made from, or accept a new baseline (--accept)",
        )


def shown(value: Any) -> str:
    """A value of a signature, cut to what a line holds."""
    text = str(value)
    return text if len(text) <= 60 else f"{text[:12]}..."


def _flat(signature: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in signature.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat
