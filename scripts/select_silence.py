"""Compare the silence options of `viterbi` (kind and level) by their error on a corpus for the selection of settings.

Usage: select_silence.py CORPUS [MODEL [SOURCE]]

Utterances are scored unchanged, and joined into pieces of up to 29 s with pauses of 0.4 to 1.2 s of room tone, because
read sentences contain few pauses. Prints the mean interior boundary error in ms over attention sources and over
gradient sources, or of SOURCE alone. Never run it on a corpus whose results you report.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from join_audio import room_tone

from align_eval.alignment.aligner import parse_aligner
from align_eval.alignment.energy import energy_at_columns
from align_eval.alignment.word_times import align_map
from align_eval.corpus.audio import Samples, read_audio
from align_eval.corpus.bundled import load_corpus
from align_eval.model.forward import Pass, shared_pass
from align_eval.model.load import load_model
from align_eval.model.text import force_words
from align_eval.pipeline import maps_of_passes
from align_eval.records import RelevanceMap, Utterance, Word
from align_eval.relevance.options import Tokens
from align_eval.relevance.source import parse_source
from align_eval.units import FRAME_S, MS_PER_S, SAMPLE_RATE, START_S

PREPARATIONS = ("zscore-median", "log")
SOURCES = {
    "attention": [f"attention:heads={heads},prep={prep}" for heads in ("alignment", "all") for prep in PREPARATIONS],
    "gradient": [f"gradient:at=encoder-output,prep={prep}" for prep in PREPARATIONS],
}
LEVELS = {"energy": (0.4, 0.6, 0.8, 1, 1.25, 1.5, 2), "zscore": (0, 1, 2), "constant": (0, 1, 2)}
MAX_JOINED_S = 29.0
EXCLUDED = ("LJ001-0018",)
"""Utterances without which the published levels were compared: this one had an ``<unk>`` at that time."""


@dataclass(frozen=True)
class Item:
    """Maps of a piece of audio with its reference words."""

    words: list[Word]
    maps: dict[str, RelevanceMap]
    energy: np.ndarray


def join_utterances(utterances: list[Utterance]) -> Iterator[tuple[Samples, list[Word]]]:
    rng = np.random.default_rng(0)
    segments: list[Samples] = []
    words: list[Word] = []
    for u in utterances:
        samples = read_audio(u.audio)
        offset_s = sum(map(len, segments)) / SAMPLE_RATE
        if segments and offset_s + len(samples) / SAMPLE_RATE + 1.2 > MAX_JOINED_S:
            yield np.concatenate(segments), words
            segments, words, offset_s = [], [], 0.0
        words += [Word(w.text, w.start_s + offset_s, w.end_s + offset_s) for w in u.words]
        segments += [samples, room_tone(samples, int(rng.uniform(0.4, 1.2) * SAMPLE_RATE))]
    if segments:
        yield np.concatenate(segments), words


def interior_error_ms(items: list[Item], source: str, align: str) -> float:
    errors: list[float] = []
    for item in items:
        times = align_map(item.maps[source], item.energy, parse_aligner(align)).words
        errors += [abs(s - w.start_s) for (s, _), w in zip(times[1:], item.words[1:], strict=True)]
        errors += [abs(e - w.end_s) for (_, e), w in zip(times[:-1], item.words[:-1], strict=True)]
    return MS_PER_S * float(np.mean(errors))


def _same_pass(shared: Pass, _: Tokens) -> Pass:
    return shared


def main(corpus_path: str, model_name: str = "tiny.en", source: str = "") -> None:
    groups = {source: [source]} if source else SOURCES
    model = load_model(model_name)
    utterances = [u for u in load_corpus(corpus_path, language="en").utterances if u.id not in EXCLUDED]
    sources = [parse_source(source) for group in groups.values() for source in group]
    sets: dict[str, list[Item]] = {"as they are": [], "joined": []}
    for name, pieces in (
        ("as they are", [(read_audio(u.audio), list(u.words)) for u in utterances]),
        ("joined", list(join_utterances(utterances))),
    ):
        for samples, words in pieces:
            shared = shared_pass(model, samples, force_words(model, [w.text for w in words], "en"))
            energy = energy_at_columns(samples, shared.n_frames, FRAME_S, START_S)
            maps = maps_of_passes(model, partial(_same_pass, shared))(sources)
            by_spec = {spec: maps[parse_source(spec)].relevance for group in groups.values() for spec in group}
            sets[name].append(Item(words, by_spec, energy))
    columns = [(name, group) for name in sets for group in groups]
    print(f"{'':34}" + "".join(f"{name + ', ' + group:>24}" for name, group in columns))
    for align in ["dtw", *(f"viterbi:silence={k},level={v:g}" for k, levels in LEVELS.items() for v in levels)]:
        cells = [np.mean([interior_error_ms(sets[n], source, align) for source in groups[g]]) for n, g in columns]
        print(f"{align:34}" + "".join(f"{cell:24.1f}" for cell in cells), flush=True)


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3, 4):
        sys.exit(__doc__)
    main(*sys.argv[1:])
