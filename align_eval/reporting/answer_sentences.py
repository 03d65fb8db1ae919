"""The sentences of an answer, the same for terminal, Markdown, JUnit and page: pure functions of the record."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from align_eval.reporting.numbers import counted, figure_text, signed
from align_eval.run_record import Answer, Figure, Run, Step
from align_eval.scoring.statistics import FEW_CLUSTERS, FEWEST_CLUSTERS

SPES = "spes"

LABELS = {
    "whisper": "Whisper's own word times",
    "attention": "the same attention, read well",
    "residual": "+ what the {saliency} shows and it lacks",
    "control": "+ its other heads (control)",
    "saliency": "{saliency} instead",
}
"""Label of each step, in the order of the answer."""

SPES_TIMES = 80
"""How many times longer a run with SPES at the encoder output takes than one with the gradient.

Two clips of the demo with tiny.en took 326 and 4 s of a processor, start-up excluded.
"""

AGAINST = {"manual": "", "automatic": "Against an automatic reference, "}
"""Beginning of a sentence by kind of reference."""


@dataclass(frozen=True, slots=True)
class StepLine:
    """One step as text.

    Attributes
    ----------
    label : str
    error : str
        As ``30.3 ms``.
    difference : str
        Paired difference with its interval, from the step above for attention and from attention for the others;
        negative where this step is nearer. Empty for Whisper's own.
    note : str
    """

    label: str
    error: str
    difference: str
    note: str


def question(answer: Answer, run: Run) -> str:
    """The question of an answer, and the conditions under which it was asked."""
    signature = run.signature
    texts = {"words": "text given", "hypothesis": "text recognised", "transcript": "text of the transcripts"}
    conditions = ", ".join(
        (
            counted(answer.n_words, "word"),
            counted(answer.n_clusters, answer.clusters.removesuffix("s"), answer.clusters),
            f"{answer.reference} reference",
            texts[signature["text"]],
            "interior boundaries",
        )
    )
    model, corpus = (Path(signature[name]).name for name in ("model", "corpus"))  # of a path, the last part
    return f"How far off are {model}'s word times on {corpus}? ({conditions})"


def step_lines(answer: Answer) -> tuple[StepLine, ...]:
    """One line per step."""
    return tuple(
        StepLine(
            label=label_of(step, answer),
            error=f"{step.error.value:.1f} ms",
            difference=figure_text(step.difference, sign=True) if step.difference else "",
            note=_note(step, answer),
        )
        for step in answer.steps
    )


def label_of(step: Step, answer: Answer) -> str:
    """Label of a step, as ``+ what the gradient shows and it lacks``."""
    return LABELS[step.role].format(saliency=source_name(answer))


def source_name(answer: Answer) -> str:
    """Name of the saliency in a sentence: ``gradient``, or ``SPES``."""
    name = answer.saliency.partition(":")[0]
    return "SPES" if name == SPES else name


def sentence(answer: Answer) -> str:
    """The answer in two sentences: the worth of reading attention well, and the cost of its incompleteness."""
    return " ".join((_reading_sentence(answer), _worth_sentence(answer)))


def with_sentences(run: Run) -> dict[str, Any]:
    """The fields of a run, and ``sentences``: one per answer, in the order of ``answer``."""
    return {**{f.name: getattr(run, f.name) for f in fields(run)}, "sentences": [*map(sentence, run.answer or ())]}


def footnotes(answer: Answer) -> tuple[str, ...]:
    """Meaning of the numbers, and limits of the answer."""
    known = any(step.difference is not None and _is_known(step.difference) for step in answer.steps)
    notes = [
        "Mean absolute error of word starts and ends. Differences are paired, and minus is nearer: attention from the "
        "line above it, each other line from attention" + (f"; 95 % intervals over {answer.clusters}." * known or ".")
    ]
    if known and answer.n_effective_clusters < FEW_CLUSTERS:
        notes.append(
            f"{answer.n_clusters} {answer.clusters}, effectively {answer.n_effective_clusters:.1f}: the intervals are "
            "within these recordings only."
        )
    notes += _notes_of_amounts(answer)
    if answer.heads_from == "agreement":
        notes.append(
            "Exploratory: no heads were chosen for these weights on other speech. Those that agree best with the "
            "gradient were taken, without reference times."
        )
    if answer.heads_from == "this corpus":
        notes.append("These heads were chosen by their error on this corpus, so that attention's error is flattered.")
    if answer.worth_ms and source_name(answer) != "SPES":
        notes.append(
            f"The {source_name(answer)} reaches the frames through the same cross-attention: a small value does not "
            "show that attention lacks little. SPES hides parts of the input instead: the same command with "
            f"--saliency spes:at=encoder-output, in about {SPES_TIMES} times the time."
        )
    if answer.floor_ms:
        notes.append(
            f"Two references differ by {figure_text(answer.floor_ms)} ms: errors near it reflect the references as "
            "much as the system. It is not subtracted, because absolute errors do not add up."
        )
    return tuple(notes)


def _notes_of_amounts(answer: Answer) -> list[str]:
    """Limits of the amounts: one at the end of the grid, and a control that moves too little to win."""
    residual, control = answer.step("residual"), answer.step("control")
    if not (residual and control and residual.amounts and control.amounts):
        return []
    notes = []
    last, n_halves = residual.amounts[-1], sum(row.chosen for row in residual.amounts)
    if last.chosen > n_halves / 4:
        notes.append(f"The largest amount was chosen in {last.chosen} of {n_halves} halves: more may be worth more.")
    moved = max(residual.amounts, key=lambda row: row.chosen).moved
    if max(row.moved for row in control.amounts) < moved:
        notes.append("The control moves fewer boundaries than the saliency at any amount, so that it could not win.")
    return notes


def _reading_sentence(answer: Answer) -> str:
    reading = answer.reading_ms
    if not _is_known(reading) or _is_positive(reading):
        verb = "costs" if reading.value > 0 else "saves"
        here = "" if _is_known(reading) else " on these recordings"
        said = f"how Whisper reads attention {verb} {_size(reading)} ms{here}{_shift(answer)}."
    else:
        said = f"reading attention otherwise is not shown to help: {figure_text(reading, sign=True)} ms."
    against = AGAINST.get(answer.reference, "Against a reference of unstated kind, ")
    return against + said if against else said[0].upper() + said[1:]


def _size(figure: Figure) -> str:
    return figure_text(figure) if _is_known(figure) else f"{abs(figure.value):.1f}"


def _shift(answer: Answer) -> str:
    """The end of a sentence on the gain: the part of it that a constant shift makes up."""
    part = _shifted_part(answer)
    if part in ("none", "all"):
        return f", {part} of it a constant shift"
    return f", of which {part} are a constant shift" if part else ""


def _shifted_part(answer: Answer) -> str:
    """The part of the gain that a constant shift makes up: ``none``, ``all`` or ms; empty where there is no gain."""
    gain, shift_ms = answer.reading_ms.value, answer.shift_ms
    if shift_ms is None or gain <= 0:
        return ""
    if shift_ms <= 0.05:
        return "none"
    return "all" if shift_ms >= gain else f"{shift_ms:.1f}"


def _worth_sentence(answer: Answer) -> str:
    if answer.verdict == "cannot be told":
        return (
            f"Whether attention lacks anything that matters cannot be told: too few {answer.clusters} to tell "
            f"({answer.n_clusters}, effectively {answer.n_effective_clusters:.1f}; {FEWEST_CLUSTERS} are needed)."
        )
    if answer.worth_ms is None:
        name = source_name(answer)
        return f"What attention lacks of the {name} is not measured: the {name} chose the heads, a circle."
    if answer.verdict == "not shown":
        return f"{_lacks(answer)} is {_not_shown(answer, answer.worth_ms)}{_at_most(answer)}."
    return f"{_lacks(answer)} is worth {figure_text(answer.worth_ms)} ms{_share(answer)}{_as_much(answer)}."


def _not_shown(answer: Answer, worth: Figure) -> str:
    if _is_known(worth):
        return f"not shown to be worth anything: {figure_text(worth, sign=True)} ms"
    return f"worth nothing here: on other {answer.clusters}, no amount of it lowers the error"


def _as_much(answer: Answer) -> str:
    """The gain of the control, or the calibrated gain, where either leaves the verdict open; else nothing."""
    control, beyond = answer.step("control"), answer.beyond_control_ms
    if answer.verdict == "control" and control and control.difference and beyond:
        gain = signed(-control.difference.value, 1)
        if beyond.value <= 0 or _is_positive(_negated(control.difference)):
            return f", but its other heads give {gain} ms: a matter of how attention is read, not of what it lacks"
        more = figure_text(beyond, sign=True)
        return f", but not shown to be more than its other heads give ({gain} ms): the difference is {more} ms"
    if answer.verdict == "shift" and answer.calibrated_worth_ms:
        left = figure_text(answer.calibrated_worth_ms, sign=True)
        return f", but nothing beyond a constant shift is shown: calibrated, it is worth {left} ms"
    return ""


def _negated(figure: Figure) -> Figure:
    low, high = (None if end is None else -end for end in (figure.ci_high, figure.ci_low))
    return Figure(-figure.value, low, high)


def _lacks(answer: Answer) -> str:
    if source_name(answer) == "SPES":
        return "To restore attention's incompleteness, as SPES sees it,"
    return f"What the {source_name(answer)} shows and attention lacks"


def _share(answer: Answer) -> str:
    attention = answer.step("attention")
    if attention is None or answer.worth_ms is None or not attention.error.value:
        return ""
    return f", {answer.worth_ms.value / attention.error.value:.0%} of attention's error"


def _at_most(answer: Answer) -> str:
    return "" if answer.at_most_ms is None else f" (at most {max(0.0, answer.at_most_ms):.1f} ms, at any amount of it)"


def _note(step: Step, answer: Answer) -> str:
    if step.role != "attention":
        return ""
    part = _shifted_part(answer)
    return f"heads, log, path with silence{f'; {part} of it a constant shift' if part else ''}"


def _is_known(figure: Figure) -> bool:
    return figure.ci_low is not None and figure.ci_high is not None


def _is_positive(figure: Figure) -> bool:
    return figure.ci_low is not None and figure.ci_low > 0
