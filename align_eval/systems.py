"""A system: one way to get word times, a relevance source and an aligner."""

from __future__ import annotations

from dataclasses import dataclass, field

from align_eval.alignment.aligner import Aligner, parse_aligner
from align_eval.records import SystemName
from align_eval.relevance.source import Source, parse_source


@dataclass(frozen=True, slots=True)
class System:
    """A relevance source and an aligner.

    Attributes
    ----------
    source : Source
    aligner : Aligner
    name : SystemName
        Their canonical specs: the name under which tables hold the system's words and scores.
    """

    source: Source
    aligner: Aligner
    name: SystemName = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", SystemName(self.source.text, self.aligner.text))


def parse_system(source: str, align: str) -> System:
    """Parse the specs of a source and an aligner.

    Raises
    ------
    InputError
        For an unknown name, key or value.
    """
    return System(parse_source(source), parse_aligner(align))
