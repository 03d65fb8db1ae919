"""Measure how silence in the audio moves word times, by source and path.

    silence.py share CORPUS [CORPUS ...]   errors by the share of quiet frames
    silence.py shift CORPUS [CORPUS ...]   do all boundaries move by as much as silence is put in front?
    silence.py gain CORPUS [CORPUS ...]    interior errors of two paths on the audio as it is, paired

`share` adds silence in front, behind and between words, a third each, until the given share of frames is quiet, at most
to 29 s. Every cell has the mean absolute error of interior boundaries in ms, the part that the path adds (the error
minus that on the same map restricted to the columns of the original clip), and the change in percentage points of the
share of errors over 200 ms. `model` is the error on the restricted map minus that on the map of the clip as it is: the
model's own change. Of l2-english, `--half first` is the half of the speakers that settings were chosen on, `second` the
one to report.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np
from join_audio import room_tone

from align_eval.alignment.aligner import Aligner, parse_aligner
from align_eval.alignment.energy import energy_at_columns
from align_eval.alignment.word_times import align_map
from align_eval.corpus.audio import Samples, read_audio
from align_eval.corpus.bundled import load_corpus
from align_eval.model.load import load_model, weights_checksum
from align_eval.pipeline import Speech, maps_of_passes, passes_of
from align_eval.records import RelevanceMap, Utterance
from align_eval.relevance.source import Source, parse_source
from align_eval.reporting.numbers import number_text
from align_eval.scoring.boundaries import medians_of_others
from align_eval.scoring.inference import student_interval
from align_eval.scoring.metrics import Difference, mean_by
from align_eval.scoring.statistics import draw_weights, number_clusters
from align_eval.systems import BEST_OF_WEIGHTS, find_preset
from align_eval.units import FRAME_S, MS_PER_S, SAMPLE_RATE, START_S

FRAME_SAMPLES = round(FRAME_S * SAMPLE_RATE)
FADE_SAMPLES = SAMPLE_RATE // 100
LONGEST_S = 29.0
LARGE_MS = 200.0
SOURCES = ("attention:heads=all", "gradient:at=encoder-output", "attention:heads=alignment")
BEFORE = "viterbi:silence=energy,boundary=frame,states=token"
ALIGNS = ("dtw", BEFORE, "viterbi:boundary=frame,states=token", "viterbi")
FILLS = ("digital", "-60", "-40", "room")
PARTS = 3
ONE_FRAME_MS = MS_PER_S * FRAME_S + 0.1
EXACT_MS = 0.11


@dataclass(frozen=True)
class Padded:
    """A clip with added silence.

    Attributes
    ----------
    samples : float32[n_samples]
    reference_s : float64[n_words, 2]
        Start and end of each word in these samples.
    added : list of (column, n_columns)
        Columns of silence that were put before a column of the original clip.
    """

    samples: Samples
    reference_s: np.ndarray
    added: list[tuple[int, int]]

    def original(self, n_columns: int) -> np.ndarray:
        """Mask of the columns of the original clip."""
        mask = np.ones(n_columns, dtype=bool)
        shift = 0
        for column, n in self.added:
            mask[column + shift : column + shift + n] = False
            shift += n
        return mask


def silent(fill: str, samples: Samples, n_samples: int, rng: np.random.Generator) -> Samples:
    """Silence of a kind: digital, white noise at a level in dB of full scale, or the clip's own room tone."""
    if fill == "digital":
        return np.zeros(n_samples, dtype=np.float32)
    if fill == "room":
        return room_tone(samples, n_samples)
    return (10 ** (float(fill) / 20) * rng.standard_normal(n_samples)).astype(np.float32)


def pad(samples: Samples, reference_s: np.ndarray, added: list[tuple[int, int]], fill: str, seed: int) -> Padded:
    """Put silence before columns of a clip. Column 0 is its start, the number of its columns its end.

    Inside, the cut is at the edge of a column, so that columns of the clip stay columns of the clip. Joins are faded
    over 10 ms.
    """
    rng = np.random.default_rng(seed)
    cuts = [0 if column == 0 else min(FRAME_SAMPLES * column - FRAME_SAMPLES // 2, len(samples)) for column, _ in added]
    pieces: list[Samples] = []
    times = reference_s.copy()
    edges = [0, *cuts, len(samples)]
    for i, (start, end) in enumerate(pairwise(edges)):
        piece = samples[start:end].copy()
        if len(piece) >= 2 * FADE_SAMPLES:
            if i > 0:
                piece[:FADE_SAMPLES] *= np.linspace(0, 1, FADE_SAMPLES, dtype=np.float32)
            if i < len(cuts):
                piece[-FADE_SAMPLES:] *= np.linspace(1, 0, FADE_SAMPLES, dtype=np.float32)
        pieces.append(piece)
        if i < len(cuts):
            n_samples = added[i][1] * FRAME_SAMPLES
            pieces.append(silent(fill, samples, n_samples, rng))
            later = reference_s.mean(axis=1) >= cuts[i] / SAMPLE_RATE
            if cuts[i] > 0:  # a word that reaches over the cut ends or starts there
                at_s = cuts[i] / SAMPLE_RATE
                times[~later, 1] -= np.maximum(reference_s[~later, 1] - at_s, 0)
                times[later, 0] += np.maximum(at_s - reference_s[later, 0], 0)
            times[later] += n_samples / SAMPLE_RATE
    return Padded(np.concatenate(pieces), times, added)


def spread(samples: Samples, reference_s: np.ndarray, share: float) -> list[tuple[int, int]]:
    """Columns to add in front, between words and behind, so that this share of all columns lies outside words."""
    n_columns = len(samples) // FRAME_SAMPLES
    n_quiet = n_columns - int((reference_s[:, 1] - reference_s[:, 0]).sum() / FRAME_S)
    n_added = int((share * n_columns - n_quiet) / (1 - share))
    n_added = min(n_added, int(LONGEST_S / FRAME_S) - n_columns)
    each = n_added // PARTS
    if each <= 0:
        return []
    gaps = sorted({round(m / FRAME_S + 0.5) for m in (reference_s[1:, 0] + reference_s[:-1, 1]) / 2})
    inside = [(column, each // len(gaps)) for column in gaps if each >= len(gaps)]
    return [(0, each), *inside, (n_columns + 1, each)]


def errors_ms(times: np.ndarray, reference_s: np.ndarray) -> np.ndarray:
    """Signed errors of interior boundaries: starts except the first, then ends except the last."""
    error = MS_PER_S * (times - reference_s)
    return np.concatenate([error[1:, 0], error[:-1, 1]])


def aligned(relevance: RelevanceMap, samples: Samples, aligner: Aligner) -> np.ndarray:
    energy = energy_at_columns(samples, relevance.values.shape[1], relevance.frame_s, relevance.start_s)
    return np.array(align_map(relevance, energy, aligner, samples).words)


def restricted(relevance: RelevanceMap, mask: np.ndarray) -> RelevanceMap:
    return with_values(relevance, relevance.values[:, mask])


def with_values(relevance: RelevanceMap, values: np.ndarray) -> RelevanceMap:
    return RelevanceMap(values, FRAME_S, START_S, relevance.word_of_token, relevance.spec, letters=relevance.letters)


@dataclass(frozen=True)
class Study:
    """The clips, the model, the sources and the paths that are measured."""

    utterances: list[Utterance]
    model: object
    sources: list[Source]
    aligners: list[Aligner]

    def maps(self, utterance: Utterance, samples: Samples) -> dict[Source, RelevanceMap]:
        """Maps of the words of an utterance in these samples."""
        speech = Speech(samples, tuple(w.text for w in utterance.words), utterance.language)
        maps = maps_of_passes(self.model, passes_of(self.model, speech))(self.sources)
        return {source: of.relevance for source, of in maps.items()}

    def clips(self) -> Iterator[tuple[int, Utterance, Samples, np.ndarray]]:
        """Number, utterance, samples and reference times of every clip."""
        for i, utterance in enumerate(self.utterances):
            reference_s = np.array([(w.start_s, w.end_s) for w in utterance.words])
            yield i, utterance, read_audio(utterance.audio), reference_s


def share(study: Study, shares: Sequence[float], fills: Sequence[str]) -> None:
    found: dict[tuple[Source, Aligner, str], list[tuple[np.ndarray, np.ndarray, np.ndarray]]] = {}
    for i, utterance, samples, reference_s in study.clips():
        plain = study.maps(utterance, samples)
        as_it_is = {
            (source, aligner): errors_ms(aligned(of, samples, aligner), reference_s)
            for source, of in plain.items()
            for aligner in study.aligners
        }
        for (source, aligner), errors in as_it_is.items():
            found.setdefault((source, aligner, "as it is"), []).append((errors, errors, errors))
        for wanted in shares:
            added = spread(samples, reference_s, wanted)
            for fill in fills if added else ():
                padded = pad(samples, reference_s, added, fill, i)
                for source, relevance in study.maps(utterance, padded.samples).items():
                    inside = restricted(relevance, padded.original(relevance.values.shape[1]))
                    for aligner in study.aligners:
                        errors = errors_ms(aligned(relevance, padded.samples, aligner), padded.reference_s)
                        alone = errors_ms(aligned(inside, samples, aligner), reference_s)
                        cell = found.setdefault((source, aligner, f"{wanted:g} {fill}"), [])
                        cell.append((errors, alone, as_it_is[source, aligner]))
    columns = ["as it is", *(f"{wanted:g} {fill}" for wanted in shares for fill in fills)]
    print("error (path's part, change of errors over 200 ms in points; model)")
    print(f"{'':90}" + "".join(f"{column:>32}" for column in columns))
    for source in study.sources:
        for aligner in study.aligners:
            cells = ""
            for column in columns:
                values = found.get((source, aligner, column))
                if not values:
                    cells += f"{'-':>32}"
                    continue
                error, alone, plainly = (np.abs(np.concatenate(part)) for part in zip(*values, strict=True))
                larger = 100 * ((error > LARGE_MS).mean() - (alone > LARGE_MS).mean())
                part, model = error.mean() - alone.mean(), alone.mean() - plainly.mean()
                text = f"{error.mean():.1f} ({part:+.1f}, {larger:+.1f}; {model:+.1f})"
                cells += f"{text:>32}"
            print(f"{source.text + ' | ' + aligner.text:90}{cells}", flush=True)


def shift(study: Study, shifts_s: Sequence[float]) -> None:
    """Share of boundaries that move with the audio, in the padded map and in the map of the padded audio."""
    in_map: dict[tuple[Source, Aligner, float], list[np.ndarray]] = {}
    in_audio: dict[tuple[Source, Aligner, float], list[np.ndarray]] = {}
    for i, utterance, samples, reference_s in study.clips():
        plain = study.maps(utterance, samples)
        for seconds in shifts_s:
            n = round(seconds / FRAME_S)
            if len(samples) / SAMPLE_RATE + seconds > LONGEST_S:
                continue
            padded = pad(samples, reference_s, [(0, n)], "digital", i)
            moved = study.maps(utterance, padded.samples)
            for source in study.sources:
                values = plain[source].values
                quietest = values[:, [int(energy_at_columns(samples, values.shape[1], FRAME_S, START_S).argmin())]]
                wider = with_values(plain[source], np.concatenate([np.repeat(quietest, n, axis=1), values], axis=1))
                unfaded = np.concatenate([np.zeros(n * FRAME_SAMPLES, dtype=np.float32), samples])
                for aligner in study.aligners:
                    before = aligned(plain[source], samples, aligner)
                    for times, kept in (
                        (aligned(wider, unfaded, aligner), in_map),
                        (aligned(moved[source], padded.samples, aligner), in_audio),
                    ):
                        change = np.abs(times - before - seconds)
                        if kept is in_audio:  # interior boundaries
                            change = np.concatenate([change[1:, 0], change[:-1, 1]])
                        elif before[0, 0] == 0:  # the time before 0 is cut off
                            change[0, 0] = max(0.0, change[0, 0] - FRAME_S / 2)
                        kept.setdefault((source, aligner, seconds), []).append(MS_PER_S * change.ravel())
    print(f"{'':90}" + "".join(f"{f'{s:g} s, map: exact':>20}{f'{s:g} s, audio: frame':>20}" for s in shifts_s))
    for source in study.sources:
        for aligner in study.aligners:
            cells = ""
            for seconds in shifts_s:
                exact = np.concatenate(in_map[source, aligner, seconds]) <= EXACT_MS
                near = np.concatenate(in_audio[source, aligner, seconds]) <= ONE_FRAME_MS
                cells += f"{exact.mean():20.3f}{near.mean():20.3f}"
            print(f"{source.text + ' | ' + aligner.text:90}{cells}", flush=True)


def gain(study: Study) -> None:
    """Paired difference of the first path and the last, by speaker: raw, and without each path's own bias."""
    speakers = [(u.speaker, u.recording) for u in study.utterances]
    _, number_of = number_clusters(speakers)
    errors: dict[tuple[Source, Aligner], list[np.ndarray]] = {}
    cluster: list[np.ndarray] = []
    starts: list[np.ndarray] = []
    for i, utterance, samples, reference_s in study.clips():
        n = len(reference_s) - 1
        cluster.append(np.full(2 * n, number_of[speakers[i]]))
        starts.append(np.repeat([True, False], n))
        for source, relevance in study.maps(utterance, samples).items():
            for aligner in study.aligners:
                found = errors_ms(aligned(relevance, samples, aligner), reference_s)
                errors.setdefault((source, aligner), []).append(found)
    of, is_start = np.concatenate(cluster), np.concatenate(starts)
    _, of = np.unique(of, return_inverse=True)  # clusters without interior boundaries have no number
    n_clusters = int(of.max()) + 1
    drawn = draw_weights(n_clusters, 0)
    print(f"{len(of)} interior boundaries of {n_clusters} clusters")
    for source in study.sources:
        statistics = {}
        for aligner in study.aligners:
            raw = np.concatenate(errors[source, aligner])
            calibrated = raw.copy()
            for side in (is_start, ~is_start):
                calibrated[side] -= medians_of_others(raw[side], of[side], n_clusters)[of[side]]
            statistics[aligner] = [mean_by(of, np.abs(e), n_clusters) for e in (raw, calibrated)]
        first, last = study.aligners[0], study.aligners[-1]
        for i, name in enumerate(("raw", "calibrated")):
            values = [float(statistics[a][i].evaluate(np.ones((1, n_clusters)))[0]) for a in study.aligners]
            value, low, high = student_interval(Difference(statistics[first][i], statistics[last][i]), drawn)
            steps = " -> ".join(f"{v:.1f}" for v in values)
            print(f"{source.text:64}{name:11} {steps}: gain {number_text(value, low, high, signed=True)}", flush=True)


def half_of(utterances: Sequence[Utterance], half: str) -> list[Utterance]:
    """Every second utterance by id; in l2-english each is of another speaker."""
    ordered = sorted((u for u in utterances if len(u.words) > 1), key=lambda u: u.id)
    return {"all": ordered, "first": ordered[0::2], "second": ordered[1::2]}[half]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    numbers = partial(str.split, sep=",")
    for verb in ("share", "shift", "gain"):
        sub = verbs.add_parser(verb)
        sub.add_argument("corpus", nargs="+")
        sub.add_argument("--model", default="tiny.en")
        sub.add_argument("--device", default="cpu")
        sub.add_argument("--half", choices=("all", "first", "second"), default="all")
        sub.add_argument("--tier")
        sub.add_argument(
            "--source", action="append", help="default: the best, all heads, gradient, the model's own heads"
        )
        sub.add_argument("--align", action="append", help=f"default: {' '.join(ALIGNS)}; `gain` without the first")
        if verb == "share":
            sub.add_argument("--shares", type=numbers, default=["0.5", "0.75", "0.9"])
            sub.add_argument("--fills", type=numbers, default=list(FILLS))
        if verb == "shift":
            sub.add_argument("--seconds", type=numbers, default=["1", "10"])
    a = parser.parse_args()
    aligners = [parse_aligner(text) for text in a.align or (ALIGNS[1:] if a.verb == "gain" else ALIGNS)]
    model = load_model(a.model, device=a.device)
    best = find_preset(BEST_OF_WEIGHTS[weights_checksum(model)]).source.text
    sources = [parse_source(text) for text in a.source or [best, *SOURCES]]
    for path in a.corpus:
        corpus = load_corpus(path, language="en", tier=a.tier)
        study = Study(half_of(corpus.utterances, a.half), model, sources, aligners)
        print(f"\n{path}, {a.half} half, {a.model}: {len(study.utterances)} clips")
        if a.verb == "share":
            share(study, [float(s) for s in a.shares], a.fills)
        elif a.verb == "shift":
            shift(study, [float(s) for s in a.seconds])
        else:
            gain(study)


if __name__ == "__main__":
    main()
