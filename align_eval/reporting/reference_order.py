"""Order of the kinds of reference in reports."""

from __future__ import annotations

from collections.abc import Iterable

from align_eval.run_record import Answer

TRUST = ("manual", "automatic")
"""Kinds of reference, the most trusted first."""


def by_trust(reference: str) -> tuple[int, str]:
    """A sort key for kinds of reference: manual times first."""
    return (TRUST.index(reference) if reference in TRUST else len(TRUST), reference)


def in_order(answers: Iterable[Answer] | None, *, last: bool = False) -> list[Answer]:
    """Answers of a run, that of the most trusted kind of reference first, or ``last``."""
    return sorted(answers or (), key=lambda answer: by_trust(answer.reference), reverse=last)
