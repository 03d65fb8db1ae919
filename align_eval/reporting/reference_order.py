"""Order of the kinds of reference in reports."""

from __future__ import annotations

TRUST = ("manual", "automatic")
"""Kinds of reference, the most trusted first."""


def by_trust(reference: str) -> tuple[int, str]:
    """A sort key for kinds of reference: manual times first."""
    return (TRUST.index(reference) if reference in TRUST else len(TRUST), reference)
