"""The gate's answer in sentences, the same on a terminal, in Markdown and in JUnit."""

from __future__ import annotations

from collections.abc import Sequence

from align_eval.gate.records import Check, Comparison, SignatureDifference, WordChange
from align_eval.gate.signatures import shown

N_INLINE = 3
"""So many of the worst words stand in a sentence."""

N_WORST = 10

N_SPEAKERS = 5
"""So many stand in a sentence; all of them are in compare.json."""

METRICS = {
    "wbe_mean": "mean absolute error",
    "start_shift": "median shift of starts",
    "end_shift": "median shift of ends",
    "lost_words": "words without times",
}


def headline(found: Comparison) -> str:
    """One line: the verdict and what it is a verdict on."""
    return f"{found.verdict}: {found.run} ({found.run_id}) against {found.baseline} ({found.baseline_id})"


def regressions(found: Comparison) -> list[str]:
    """A sentence a system and kind of reference: whose words regressed, by how much, and the worst of them."""
    by_system: dict[tuple[str, str], list[Check]] = {}
    for check in found.checks:
        if check.verdict == "regression":
            by_system.setdefault((check.system, check.reference), []).append(check)
    return [_regression(*system, checks) for system, checks in by_system.items()]


def sentence(check: Check) -> str:
    """Which system, whose words, what was found in which unit against what, and the worst words of a regression."""
    text = f"{check.verdict}: {check.system}, {check.reference} reference, {whose(check)}: {finding(check)}"
    return f"{text}; worst: {_worst(check)}" if check.verdict == "regression" else text


def _regression(system: str, reference: str, checks: Sequence[Check]) -> str:
    by_speaker: dict[str, list[Check]] = {}
    for check in checks:
        by_speaker.setdefault(whose(check), []).append(check)
    parts = [f"{name}: {', '.join(map(finding, own))}" for name, own in list(by_speaker.items())[:N_SPEAKERS]]
    if len(by_speaker) > N_SPEAKERS:
        parts.append(f"and {len(by_speaker) - N_SPEAKERS} more speakers")
    return f"regression: {system}, {reference} reference; {'; '.join(parts)}; worst: {_worst(checks[0])}"


def _worst(check: Check) -> str:
    """The first of a check's worst words; of lost ones, how long they are."""
    what = " of speech" if check.metric == "lost_words" else ""
    return ", ".join(f"{word_text(word)}{what}" for word in check.worst[:N_INLINE])


def whose(check: Check) -> str:
    """All words or a speaker's."""
    return "all words" if check.speaker is None else f"speaker {check.speaker}"


def finding(check: Check) -> str:
    """What was found, in figures."""
    if check.metric == "lost_words":
        longest = f", the longest {max(word.ms for word in check.worst):.0f} ms" if check.worst else ""
        more = " more than gained" if check.p is not None else ""
        return f"{check.value:.0f} of {check.n_words} words lost their times{more}{longest}"
    if check.metric != "wbe_mean":
        which = "starts" if check.metric == "start_shift" else "ends"
        side = "later" if check.value > 0 else "earlier"
        tested = "" if check.verdict == "regression" else ", but in so few words that scatter could do it"
        return f"{which} {abs(check.value):.1f} ms {side} in the median (limit {check.limit:g} ms){tested}"
    text = f"{check.value:+.1f} ms{interval(check)} of mean absolute error (margin {check.limit:g} ms)"
    if check.verdict == "undecided":
        text += f"; {could_show(check)}"
    return text


def interval(check: Check) -> str:
    """The 95 % interval of a loss, with a space before it, or nothing."""
    return "" if check.ci_low is None or check.ci_high is None else f" [{check.ci_low:.1f}, {check.ci_high:.1f}]"


def could_show(check: Check) -> str:
    """What these words could have shown."""
    if check.smallest is None:
        return f"{check.n_words} words can show no loss"
    return f"the smallest loss that {check.n_words} words could have shown is {check.smallest:.1f} ms"


def warning(found: Comparison) -> list[str]:
    """What stayed undecided: a line for what was overall, and one for all speakers together."""
    lines = [sentence(check) for check in found.checks if check.verdict == "undecided" and check.speaker is None]
    speakers = [check for check in found.checks if check.verdict == "undecided" and check.speaker is not None]
    if speakers:
        names = len({check.speaker for check in speakers})
        text = f"undecided: {len(speakers)} {'check' if len(speakers) == 1 else 'checks'} of {names} "
        text += "speaker" if names == 1 else "speakers"
        smallest = [check.smallest for check in speakers if check.smallest is not None]
        if smallest:
            text += f"; the smallest loss that a speaker's words could have shown is {min(smallest):.1f} ms"
            text += f" at the best, {max(smallest):.1f} ms at the worst"
        lines.append(text)
    return lines


def word_text(word: WordChange) -> str:
    """A word with its place and what became of it."""
    return f"{word.word!r} ({word.utterance}, {word.reference_start_s:.2f} s) {word.ms:+.0f} ms"


def worst_words(found: Comparison) -> list[tuple[Check, WordChange]]:
    """The ten words that lost most, over all systems, each with its check."""
    overall = (check for check in found.checks if check.speaker is None and check.metric == "wbe_mean")
    words = [(check, word) for check in overall for word in check.worst]
    return sorted(words, key=lambda pair: -round(pair[1].ms, 6))[:N_WORST]


def differences_text(differences: Sequence[SignatureDifference]) -> str:
    """What differs between the two signatures."""
    return ", ".join(f"{d.key} {shown(d.baseline)} -> {shown(d.run)}" for d in differences) or "nothing"
