"""Run folders with planted maps, for tests of findings. No model, no torch.

An utterance is a row of words without silence: word ``i`` fills the columns from ``edges[i]`` up to ``edges[i + 1]``,
the end of the text those from ``edges[-1]`` on, and the reference lies exactly there. An *exact* map holds most of each
row on the row's own columns, so that any path under any preparation reads the reference off it; moved by three columns
it reads +60 ms at every interior boundary. With a ``gap`` the last columns of each word are quiet and no longer its
own in the reference, though its row still holds them: a path without silence ends each word ``gap`` columns
late.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from align_eval.formats.run.folder import WORDS_NAME, place_run
from align_eval.formats.run.map_checksums import write_checksums
from align_eval.formats.run.maps import SavedMaps, maps_path, write_maps
from align_eval.formats.run.staging import staging
from align_eval.formats.run.words_file import write_words_table
from align_eval.formats.run.words_table import words_table
from align_eval.records import AudioSpan, Failure, SystemName, Utterance, Word
from align_eval.run_record import Answer, Figure, Run, Step

FRAME_S, START_S = 0.02, -0.01
N_LAYERS, N_HEADS = 2, 2
HEADS = [f"{layer}.{head}" for layer in range(N_LAYERS) for head in range(N_HEADS)]

CHOSEN = "0.1+1.0+1.1"
"""Heads that the answer of a planted run names."""

NO_ANSWER = "the run lacks a planted system"

DEFAULT, EVERY = "attention:heads=alignment", "attention:heads=all"
OUTPUT, MIDDLE, CONV = "gradient:at=encoder-output", "gradient:at=encoder.1/2", "gradient:at=conv"
RANDOM = "control-random-weights:of=(gradient:at=encoder-output),seed=0"
SPECS = (DEFAULT, EVERY, OUTPUT, MIDDLE, RANDOM)

SIGNATURE = {
    "id": "0123456789ab", "model": "planted.en", "model_checksum": "a" * 64, "corpus": "planted",
    "corpus_checksum": "b" * 64, "context": "full", "seed": 0, "text": "words", "systems": [], "packages": {},
    "protocols": {},
}  # fmt: skip

SYSTEMS = (SystemName("attention:heads=all", "dtw"), SystemName("gradient:at=encoder-output", "viterbi"))


@dataclass(frozen=True)
class Planted:
    """One utterance; ``late`` columns is how much later its reference lies than its words."""

    id: str
    speaker: str | None
    edges: tuple[int, ...] = (0, 10, 22, 33, 46)
    reference: str = "manual"
    recording: str | None = None
    gap: int = 0
    late: int = 0

    @property
    def n_words(self) -> int:
        return len(self.edges) - 1

    @property
    def n_frames(self) -> int:
        return self.edges[-1] + 10

    def words(self) -> tuple[Word, ...]:
        def seconds(column: int) -> float:
            return max(0.0, (column + self.late) * FRAME_S + START_S)

        return tuple(
            Word(f"w{i}", seconds(start), seconds(end - self.gap))
            for i, (start, end) in enumerate(zip(self.edges, self.edges[1:], strict=False))
        )

    def energy(self) -> np.ndarray:
        """Loudness of 1, and 60 dB less in the gaps."""
        energy = np.ones(self.n_frames)
        for end in self.edges[1:]:
            energy[end - self.gap : end] = 1e-3
        return energy


SPEAKERS = (
    Planted("a", "ann", (0, 10, 22, 33, 46)),
    Planted("b", "bob", (0, 13, 25, 36, 50)),
    Planted("c", "cy", (0, 11, 26, 38, 49)),
    Planted("d", "dee", (0, 14, 24, 39, 51)),
)

SIX_SPEAKERS = (*SPEAKERS, Planted("e", "eve", (0, 12, 23, 37, 48)), Planted("f", "flo", (0, 15, 27, 40, 52)))
"""Enough for intervals and p-values."""

Signal = Callable[[Planted, int], np.ndarray]
"""From an utterance and the number of tokens per word to ``(map, row, frame)``."""


def exact(u: Planted, n_tokens: int = 1, shift: int = 0, outside: float = 0.02) -> np.ndarray:
    """One exact map, ``(1, row, frame)``; moved by ``shift`` columns, and flatter the more lies ``outside``."""
    starts = [
        start + token * ((end - start) // n_tokens) + shift
        for start, end in zip(u.edges, u.edges[1:], strict=False)
        for token in range(n_tokens)
    ]
    starts[0] = 0  # the first row fills the columns that the shift leaves empty
    ends = [*starts[1:], u.edges[-1] + shift, u.n_frames]
    rows = np.full((len(starts) + 1, u.n_frames), outside)
    for row, (start, end) in enumerate(zip([*starts, u.edges[-1] + shift], ends, strict=True)):
        rows[row, start:end] = 1.0
        rows[row, (start + end) // 2] = 1.05  # sharpening needs a single greatest value per row
    for word, end in enumerate(u.edges[1:]):
        rows[(word + 1) * n_tokens - 1, end + shift - u.gap : end + shift] *= 0.9
    return (rows / rows.sum(axis=1, keepdims=True)).astype(np.float32)[None]


def moved(shift: int, outside: float = 0.02) -> Signal:
    return lambda u, n_tokens: exact(u, n_tokens, shift, outside)


def noise(u: Planted, n_tokens: int) -> np.ndarray:
    """A map without information about the words, ``(1, row, frame)``."""
    rng = np.random.default_rng(u.edges)
    return rng.dirichlet(np.full(u.n_frames, 2.0), size=u.n_words * n_tokens + 1).astype(np.float32)[None]


def all_heads(of: Signal) -> Signal:
    """The same map in every head."""
    return lambda u, n_tokens: np.repeat(of(u, n_tokens), len(HEADS), axis=0)


EXACT: Mapping[str, Signal] = {
    DEFAULT: moved(0),
    EVERY: all_heads(moved(0)),
    OUTPUT: moved(0),
    MIDDLE: moved(0),
    RANDOM: noise,
}
"""Exact attention and exact gradients."""

LATE = {**EXACT, DEFAULT: moved(3), EVERY: all_heads(moved(3))}
"""Attention three columns late, gradients exact."""


def maps_of(
    u: Planted,
    signals: Mapping[str, Signal] = EXACT,
    tokens: Mapping[str, int] | None = None,
    details: Mapping[str, Mapping[str, object]] | None = None,
) -> SavedMaps:
    """Maps of every signal in every unit; ``tokens`` is the number of tokens per word in each unit."""
    stacks, words = {}, {}
    evidence: dict[str, Mapping[str, object]] = {}
    for unit, n_tokens in (tokens or {"subword": 1}).items():
        words[unit] = np.append(np.repeat(np.arange(u.n_words), n_tokens), -1).astype(np.int32)
        for spec, signal in signals.items():
            name = spec if unit == "subword" else f"{spec},unit={unit}"
            stacks[name] = signal(u, n_tokens)
            evidence[name] = {"heads": HEADS} if spec == EVERY else {}
    return SavedMaps(stacks, words, u.energy(), FRAME_S, START_S, evidence | dict(details or {}))


def planted_answer(heads: str) -> Answer:
    """An answer that names heads; its figures are of no use."""
    error = Figure(60.0, None, None)
    return Answer(
        "manual", OUTPUT, heads, "other speech", "cannot be told", 16, 24, "speakers", 4, 4.0,
        (Step("whisper", "whisper", error, None),), Figure(0.0, None, None), None, None, None, None, None, None,
    )  # fmt: skip


def write_planted(
    folder: Path,
    utterances: Sequence[Planted] = SPEAKERS,
    signals: Mapping[str, Signal] = EXACT,
    tokens: Mapping[str, int] | None = None,
    details: Mapping[str, Mapping[str, object]] | None = None,
    failed: Sequence[str] = (),
    heads: str | None = CHOSEN,
    settings: Mapping[str, object] | None = None,
) -> Path:
    """Write the folder of a run with saved maps; failed utterances are in its table and have no maps.

    Its answer names ``heads``, or there is none. ``settings`` are added to its signature.
    """
    records = [
        Utterance(
            u.id, AudioSpan(Path(f"{u.id}.wav")), u.words(), " ".join(w.text for w in u.words()), "en", u.speaker,
            u.recording or u.id, u.n_frames * FRAME_S + 1, u.reference,
        )
        for u in utterances
    ]  # fmt: skip
    results = {r.id: dict.fromkeys(SYSTEMS, r.words) for r in records if r.id not in failed}
    failures = tuple(Failure(id_, f"{id_}.wav: the file is empty; remove it") for id_ in failed)
    with staging(folder) as new:
        write_words_table(new / WORDS_NAME, words_table(records, SYSTEMS, results))
        maps = {u.id: maps_of(u, signals, tokens, details) for u in utterances if u.id not in failed}
        write_checksums(new, {id_: write_maps(maps_path(new, id_), saved) for id_, saved in maps.items()})
        answer = None if heads is None else (planted_answer(heads),)
        signature = {**SIGNATURE, **(settings or {})}
        place_run(folder, new, Run(2, signature, (), failures, answer=answer, no_answer=None if answer else NO_ANSWER))
    return folder
