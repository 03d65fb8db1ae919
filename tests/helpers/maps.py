"""Maps, stacks and paths by the text of their spec, as tests write it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from align_eval.alignment.aligner import parse_aligner
from align_eval.alignment.viterbi import make_states, token_frames_of
from align_eval.alignment.word_times import align_map as align_parsed
from align_eval.pipeline import relevance_map
from align_eval.records import Alignment, RelevanceMap
from align_eval.relevance.source import parse_source

if TYPE_CHECKING:
    from whisper.model import Whisper

    from align_eval.model.forward import Pass
    from align_eval.relevance.stack import Stack


def canonical_source(spec: str, *, full: bool = False) -> str:
    """The canonical spec of a source; ``full`` writes its defaults out."""
    source = parse_source(spec)
    return source.full_text if full else source.text


def canonical_align(spec: str, *, full: bool = False) -> str:
    """The canonical spec of an aligner; ``full`` writes its defaults out."""
    aligner = parse_aligner(spec)
    return aligner.full_text if full else aligner.text


def stacks_of(model: Whisper, shared: Pass) -> Callable[[str], Stack]:
    """A function from the spec of a source to its stack on one pass."""
    from align_eval.relevance.stack import stacks_of as stacks_of_parsed

    stack_of = stacks_of_parsed(model, shared)
    return lambda spec: stack_of(parse_source(spec))


def relevance_maps(model: Whisper, shared: Pass, specs: Sequence[str]) -> dict[str, RelevanceMap]:
    """Prepared maps on one pass by the spec of their source."""
    from align_eval.relevance.stack import stacks_of as stacks_of_parsed

    stack_of = stacks_of_parsed(model, shared)
    sources = {spec: parse_source(spec) for spec in specs}
    return {spec: relevance_map(source, stack_of(source), shared.text) for spec, source in sources.items()}


def align_map(relevance: RelevanceMap, energy, align: str, samples=None) -> Alignment:
    """Word times by the path of the aligner with this spec."""
    return align_parsed(relevance, energy, parse_aligner(align), samples)


def viterbi_token_frames(values, word_of_token, energy, options, letters=None):
    """Columns of each row on the best path with silence, and the path's cost."""
    return token_frames_of(make_states(values, word_of_token, energy, options, letters), len(word_of_token))
