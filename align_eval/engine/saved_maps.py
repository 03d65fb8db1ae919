"""Maps of an utterance that a run saves: collected from the pipeline while it works."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from align_eval.alignment.energy import energy_at_columns
from align_eval.formats.run.maps import SavedMaps
from align_eval.pipeline import SourceMap
from align_eval.records import IntVector
from align_eval.relevance.source import Source, parse_source
from align_eval.units import FRAME_S, START_S

if TYPE_CHECKING:
    from align_eval.corpus.audio import Samples
    from align_eval.model.text import ForcedText
    from align_eval.options import Keep
    from align_eval.relevance.stack import Stack


def all_heads_of(sources: Sequence[Source]) -> tuple[Source, ...]:
    """Attention of every head in each token unit of the sources, where it is not among them.

    It is saved beside the maps of the sources, so that a finding can average any heads.
    """
    every = [parse_source("attention:heads=all").with_options(unit=source.tokens.unit) for source in sources]
    stacks = {source.stack for source in sources}
    return tuple(source for source in dict.fromkeys(every) if source.stack not in stacks)


class StackCollector:
    """Collects the stack of every source, whole (``heads``) or as its mean over maps (``maps``)."""

    def __init__(self, keep: Keep) -> None:
        self._keep = keep
        self._stacks: dict[str, npt.NDArray[np.float32]] = {}
        self._word_of_token: dict[str, IntVector] = {}
        self._letters: dict[str, IntVector] = {}

    def add(self, source: Source, stack: Stack, text: ForcedText) -> None:
        """Take the stack of a source; see :func:`~align_eval.pipeline.maps_of_passes`."""
        from align_eval.relevance.stack import text_rows

        values = text_rows(stack.values, stack.first_row, text)
        whole = values if self._keep == "heads" else values.mean(dim=0, keepdim=True)
        self._stacks[source.stack] = whole.detach().float().cpu().numpy()
        self._word_of_token[source.tokens.unit] = text.word_of_token  # the prompt does not change it
        if text.letters is not None:
            self._letters[source.tokens.unit] = text.letters

    def saved(self, samples: Samples, maps: Mapping[Source, SourceMap]) -> SavedMaps:
        """The record that is written to disk."""
        n_frames = next(iter(maps.values())).relevance.values.shape[1]
        energy = energy_at_columns(samples, n_frames, FRAME_S, START_S)
        details = {source.stack: dict(of.relevance.details) for source, of in maps.items() if of.relevance.details}
        return SavedMaps(self._stacks, self._word_of_token, energy, FRAME_S, START_S, details, self._letters)
