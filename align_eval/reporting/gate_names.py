"""Short names of systems in a comparison, for people; its JSON and JUnit files keep the specs."""

from __future__ import annotations

from dataclasses import replace

from align_eval.gate.verdicts import Comparison
from align_eval.records import SystemName
from align_eval.systems import short_names


def with_short_names(comparison: Comparison) -> Comparison:
    """The comparison with a short name for every system (:func:`~align_eval.systems.short_names`)."""
    texts = [figures.system for figures in comparison.figures]
    texts += [*comparison.new_systems, *comparison.renamed, *comparison.renamed.values()]
    short = {str(name): text for name, text in short_names(map(_parsed, texts)).items()}
    return replace(
        comparison,
        checks=tuple(replace(check, system=short[check.system]) for check in comparison.checks),
        figures=tuple(replace(figures, system=short[figures.system]) for figures in comparison.figures),
        renamed={short[old]: short[new] for old, new in comparison.renamed.items()},
        new_systems=tuple(short[system] for system in comparison.new_systems),
    )


def _parsed(system: str) -> SystemName:
    source, _, align = system.rpartition(" | ")
    return SystemName(source, align)
