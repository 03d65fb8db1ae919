"""Verdicts of the gate in sentences, the same on the terminal, in Markdown, in JUnit XML and on the page."""

from __future__ import annotations

from collections.abc import Sequence

from align_eval.errors import brief, listed, shorten
from align_eval.gate.signatures import shown
from align_eval.gate.verdicts import Check, Comparison, SignatureDifference, WordChange
from align_eval.reporting.numbers import counted, interval_text

N_INLINE = 3
"""Number of worst words in a sentence."""

N_WORST = 10
"""Number of words in the list of the worst."""

N_SPEAKERS = 5
"""Number of speakers in a sentence. compare.json has all of them."""

METRICS = {
    "wbe_mean": "mean absolute error",
    "start_shift": "median shift of starts",
    "end_shift": "median shift of ends",
    "lost_words": "words without times",
}


def headline(comparison: Comparison) -> str:
    """Return the verdict with the names of run and baseline."""
    run = f"{comparison.run} ({comparison.run_id})"
    return f"{comparison.verdict}: {run} against {comparison.baseline} ({comparison.baseline_id})"


def regressions(comparison: Comparison) -> list[str]:
    """Return one sentence per system and kind of reference that regressed, with speakers, figures and worst words."""
    regressed = [check for check in comparison.checks if check.verdict == "regression"]
    systems = dict.fromkeys((check.system, check.reference) for check in regressed)
    return [
        _regression([check for check in regressed if (check.system, check.reference) == system]) for system in systems
    ]


def sentence(check: Check) -> str:
    """Return one verdict with its system, speaker and figures; a regression also with its worst words."""
    text = f"{check.verdict}: {check.system}, {check.reference} reference, {_speaker(check)}: {_measured(check)}"
    return f"{text}; worst: {_worst(check)}" if check.verdict == "regression" else text


def warning(comparison: Comparison) -> list[str]:
    """Return the undecided verdicts: one line per check on all words, and one line for all speakers together."""
    undecided = [check for check in comparison.checks if check.verdict == "undecided"]
    lines = [sentence(check) for check in undecided if check.speaker is None]
    speaker_checks = [check for check in undecided if check.speaker is not None]
    if speaker_checks:
        checks, speakers = len(speaker_checks), len({check.speaker for check in speaker_checks})
        text = f"undecided: {counted(checks, 'check')} of {counted(speakers, 'speaker')}"
        smallest = [check.smallest for check in speaker_checks if check.smallest is not None]
        if smallest:
            text += f"; the smallest loss that a speaker's words could have shown is {min(smallest):.1f} ms"
            text += f" at the best, {max(smallest):.1f} ms at the worst"
        lines.append(text)
    return lines


def worst_words(comparison: Comparison) -> list[tuple[Check, WordChange]]:
    """Return the ten words whose error grew most, over all systems, each with its check."""
    overall = (check for check in comparison.checks if check.speaker is None and check.metric == "wbe_mean")
    words = [(check, word) for check in overall for word in check.worst]
    return sorted(words, key=lambda pair: -round(pair[1].ms, 6))[:N_WORST]


def word_text(word: WordChange) -> str:
    """Return a word with its utterance, time and change in ms."""
    return f"{shorten(word.word)!r} ({brief(word.utterance)}, {word.reference_start_s:.2f} s) {word.ms:+.0f} ms"


def differences_text(differences: Sequence[SignatureDifference]) -> str:
    """Return the signature keys that differ, each with both values."""
    return listed(f"{d.key} {shown(d.baseline)} -> {shown(d.run)}" for d in differences) or "nothing"


def _regression(checks: Sequence[Check]) -> str:
    by_speaker: dict[str, list[str]] = {}
    for check in checks:
        by_speaker.setdefault(_speaker(check), []).append(_measured(check))
    parts = [f"{speaker}: {', '.join(texts)}" for speaker, texts in list(by_speaker.items())[:N_SPEAKERS]]
    if len(by_speaker) > N_SPEAKERS:
        parts.append(f"and {len(by_speaker) - N_SPEAKERS} more speakers")
    first = checks[0]
    return f"regression: {first.system}, {first.reference} reference; {'; '.join(parts)}; worst: {_worst(first)}"


def _speaker(check: Check) -> str:
    return "all words" if check.speaker is None else f"speaker {check.speaker}"


def _measured(check: Check) -> str:
    """Value and limit of a check."""
    if check.metric == "wbe_mean":
        return _loss(check)
    return _lost(check) if check.metric == "lost_words" else _shift(check)


def _loss(check: Check) -> str:
    interval = interval_text(check.ci_low, check.ci_high)
    text = f"{check.value:+.1f} ms{interval} of mean absolute error (margin {check.limit:g} ms)"
    if check.verdict != "undecided":
        return text
    if check.smallest is None:
        return f"{text}; {check.n_words} words can show no loss"
    return f"{text}; the smallest loss that {check.n_words} words could have shown is {check.smallest:.1f} ms"


def _shift(check: Check) -> str:
    boundaries = "starts" if check.metric == "start_shift" else "ends"
    direction = "later" if check.value > 0 else "earlier"
    text = f"{boundaries} {abs(check.value):.1f} ms {direction} in the median (limit {check.limit:g} ms)"
    return text if check.verdict == "regression" else f"{text}, but so few words could show it by chance"


def _lost(check: Check) -> str:
    longest = f", the longest {max(word.ms for word in check.worst):.0f} ms" if check.worst else ""
    more = " more than gained" if check.p is not None else ""
    return f"{check.value:.0f} of {check.n_words} words lost their times{more}{longest}"


def _worst(check: Check) -> str:
    """The first worst words of a check. For a lost word, the ms are its length."""
    unit = " of speech" if check.metric == "lost_words" else ""
    return ", ".join(f"{word_text(word)}{unit}" for word in check.worst[:N_INLINE])
