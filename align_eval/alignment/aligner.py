"""An aligner, parsed: the path that is searched in a map, and its options."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

from align_eval.alignment.options import DtwOptions, ViterbiOptions
from align_eval.spec import format_spec, parse_spec

ALIGNER_OPTIONS: dict[str, type] = {"dtw": DtwOptions, "viterbi": ViterbiOptions}


@dataclass(frozen=True, slots=True)
class Aligner:
    """A path with its options.

    Attributes
    ----------
    name : str
        A key of :data:`ALIGNER_OPTIONS`.
    options : DtwOptions or ViterbiOptions
    text : str
        The canonical spec, without defaults.
    """

    name: str
    options: DtwOptions | ViterbiOptions
    text: str = field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", format_spec(self.name, self.options))

    def __str__(self) -> str:
        return self.text

    @property
    def full_text(self) -> str:
        """The canonical spec with its defaults."""
        return format_spec(self.name, self.options, full=True)


@lru_cache(maxsize=1024)
def parse_aligner(text: str) -> Aligner:
    """Parse the spec of an aligner, as ``viterbi:silence=constant``.

    Raises
    ------
    InputError
        For an unknown name, key or value.
    """
    return Aligner(*parse_spec(text, ALIGNER_OPTIONS, "align"))
