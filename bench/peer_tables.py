"""Tables of bench/peers.py: one row per system, with errors, intervals, time and reservations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from align_eval.corpus.folder import Corpus
from align_eval.formats.run.words_table import words_table
from align_eval.records import Pairing, SystemName, Word
from align_eval.reporting.numbers import interval_text
from align_eval.run_record import ScoreRow
from align_eval.scoring.summary import score_table

NOTES = {
    "crisper-pauses": "CrisperWhisper's rule for pauses only; its own heads and rules were tuned on TIMIT and AMI, so "
    "that figures there are contaminated, and its weights are for non-commercial use: not used here",
    "zeyer": "published with character targets",
    "best": "chosen on ljspeech, whose row is therefore no result",
}
"""Reservations for a row, by the start of the preset's name."""


@dataclass(frozen=True, slots=True)
class Timed:
    """Result of one system on a corpus.

    Attributes
    ----------
    words, pairings
        Words of each utterance by id, and their pairing with the reference; our own systems have no pairings.
    seconds, audio_s
        Processor time, and duration of the audio.
    failed
        Error messages by utterance id.
    packages
        Versions by package.
    """

    words: dict[str, tuple[Word, ...]]
    pairings: dict[str, Pairing]
    seconds: float
    audio_s: float
    failed: dict[str, str]
    packages: dict[str, str]


def board(corpus: Corpus, timed: Mapping[str, Timed], presets: Mapping[str, SystemName]) -> list[dict[str, Any]]:
    """Return one row per system and kind of reference, sorted by the calibrated interior error."""
    systems = {name: presets.get(name, SystemName(name, "its own")) for name in timed}
    ids = set.intersection(*(set(result.words) for result in timed.values()))
    results = {id_: {systems[name]: result.words[id_] for name, result in timed.items()} for id_ in ids}
    pairings = {
        id_: {systems[name]: result.pairings[id_] for name, result in timed.items() if result.pairings} for id_ in ids
    }
    utterances = [u for u in corpus.utterances if u.id in ids]
    rows = score_table(words_table(utterances, list(systems.values()), results, pairings))
    lines = []
    for reference in sorted({row.reference for row in rows}):
        for name, system in systems.items():
            scores = [r for r in rows if (r.reference, r.source, r.align) == (reference, system.source, system.align)]
            lines.append({"reference": reference, "system": name, **_figures(scores), **_cost(timed[name])})
    return sorted(lines, key=lambda line: (line["reference"], line["calibrated"][0]))


def _figures(rows: Sequence[ScoreRow]) -> dict[str, Any]:
    def value(metric: str, boundaries: str = "interior", calibration: str = "none") -> list[float | None]:
        key = (metric, boundaries, calibration, "wbe")
        row = next((r for r in rows if (r.metric, r.boundaries, r.calibration, r.protocol) == key), None)
        return [float("nan"), None, None] if row is None else [row.value, row.ci_low, row.ci_high]

    return {
        "all": value("wbe_mean", "all"),
        "interior": value("wbe_mean"),
        "calibrated": value("wbe_mean", calibration="reference"),
        "within_50ms": value("within_50ms"),
        "start_bias": value("start_bias"),
        "end_bias": value("end_bias"),
        "coverage": value("coverage"),
        "n_words": rows[0].n_words,
        "n_effective_clusters": rows[0].n_effective_clusters,
    }


def _cost(timed: Timed) -> dict[str, float]:
    return {"seconds_per_audio_second": timed.seconds / timed.audio_s if timed.audio_s else float("nan")}


def note(name: str) -> str:
    """Return the reservation for a row, or an empty text."""
    return next((text for start, text in NOTES.items() if name.partition(" ")[0].startswith(start)), "")


def markdown(corpus: str, lines: Sequence[Mapping[str, Any]], signature: Mapping[str, Any]) -> str:
    """Return the tables of a corpus, one per kind of reference, with their signature."""
    text = ""
    for reference in dict.fromkeys(line["reference"] for line in lines):
        table = [line for line in lines if line["reference"] == reference]
        n_words, n_effective = table[0]["n_words"], table[0]["n_effective_clusters"]
        text += f"### {corpus}, {reference} reference: {n_words} words, {n_effective:.1f} effective clusters\n\n"
        text += "| system | WBE | interior | calibrated | ≤ 50 ms | start, end bias | coverage | CPU s per s |\n"
        text += "|---|---|---|---|---|---|---|---|\n"
        for line in table:
            value, low, high = line["calibrated"]
            calibrated = f"{value:.1f}{interval_text(low, high, 0)}"
            text += (
                f"| {line['system']} | {line['all'][0]:.1f} | {line['interior'][0]:.1f} | {calibrated} | "
                f"{line['within_50ms'][0]:.0%} | {line['start_bias'][0]:+.0f}, {line['end_bias'][0]:+.0f} | "
                f"{line['coverage'][0]:.1%} | {line['seconds_per_audio_second']:.2f} |\n"
            )
        text += "\n"
    packages = " ".join(f"{name}-{version}" for name, version in sorted(signature["packages"].items()))
    text += f"Signature `{signature['id']}`: model {signature['model']} {signature['model_checksum'][:12]}, corpus "
    return text + f"{corpus} {signature['corpus_checksum'][:12]}, {packages}.\n"


def remarks(timed: Mapping[str, Timed], left_out: Mapping[str, str]) -> str:
    """Return the reservations for the rows, the failed clips and the systems without a result, as a list."""
    lines = ["- every row: Whisper's own weights, MIT.", *(f"- {n}: {note(n)}." for n in timed if note(n))]
    for name, result in timed.items():
        if result.failed:
            reason = next(iter(result.failed.values()))
            lines.append(f"- {name} failed on {len(result.failed)} clips, which no row counts: {reason}")
    lines += [f"- left out: {name} ({reason})" for name, reason in left_out.items()]
    return "\n".join(lines) + "\n"
