"""One recording with its words and maps as a figure, without a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from align_eval.corpus.audio import Samples
from align_eval.formats.run.maps import SavedMaps
from align_eval.records import SystemName, Word
from align_eval.reporting.figures.save import save
from align_eval.reporting.figures.utterance import Panel, Tier, utterance_figure
from align_eval.reporting.map_images import map_images
from align_eval.reporting.run_view import family_of, stack_of
from align_eval.systems import short_names


def draw_explained(
    path: Path,
    title: str,
    samples: Samples,
    texts: Sequence[str],
    words: Mapping[SystemName, Sequence[Word]],
    maps: SavedMaps,
    reference: Sequence[Word] | None = None,
) -> None:
    """Draw one recording: words by every system, the spectrogram and the maps, and reference words above if any.

    Parameters
    ----------
    samples
        ``float32[n_samples]`` at 16 kHz.
    texts
        The words that the rows of the maps belong to.

    Raises
    ------
    InputError
        If matplotlib does not know the format of ``path``, or the file cannot be written.
    """
    tiers = [Tier("reference", "reference", reference)] if reference else []
    panels = []
    images = map_images(maps)
    names = short_names(words)
    for system, system_words in words.items():
        name = names[system]
        tiers.append(Tier(name, family_of(system.source), system_words))
        stack = stack_of(system.source)
        if stack in images:
            panels.append(Panel(name, family_of(system.source), images[stack], name))
    save(utterance_figure(title, texts, samples, tiers, panels), path)
