"""The sentences of an answer, the same for terminal, Markdown, JUnit and page: pure functions of the record."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from align_eval.reporting.numbers import counted, figure_text
from align_eval.run_record import Answer, Figure, Run, Step
from align_eval.scoring.statistics import FEWEST_CLUSTERS

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
    """What a run says: what reading attention well is worth, and what its incompleteness costs."""
    return " ".join((_reading_sentence(answer), _worth_sentence(answer)))


def with_sentences(run: Run) -> dict[str, Any]:
    """The fields of a run, and ``sentences``: one per answer, in the order of ``answer``."""
    return {**{f.name: getattr(run, f.name) for f in fields(run)}, "sentences": [*map(sentence, run.answer or ())]}


def footnotes(answer: Answer) -> tuple[str, ...]:
    """What the numbers are, and what limits them."""
    known = any(step.difference is not None and _is_known(step.difference) for step in answer.steps)
    notes = [
        "Mean absolute error of word starts and ends. Differences are paired, and minus is nearer: attention from the "
        "line above it, each other line from attention" + (f"; 95 % intervals over {answer.clusters}." * known or ".")
    ]
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
    """The part of the gain that a constant shift makes up."""
    gain, shift_ms = answer.reading_ms.value, answer.shift_ms
    if shift_ms is None or gain <= 0:
        return ""
    if shift_ms <= 0.05:
        return ", none of it a constant shift"
    return ", all of it a constant shift" if shift_ms >= gain else f", of which {shift_ms:.1f} are a constant shift"


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
    """What else gains as much, where something does."""
    control = answer.step("control")
    if answer.verdict == "control" and control and control.difference:
        gain = f"{max(0.0, -control.difference.value):.1f} ms"
        return f", but its other heads do as much ({gain}): a matter of how attention is read, not of what it lacks"
    if answer.verdict == "shift" and answer.calibrated_worth_ms:
        left = figure_text(answer.calibrated_worth_ms, sign=True)
        return f", but a constant shift does as much: calibrated, {left} ms are left"
    return ""


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
    shift_ms = answer.shift_ms
    shift = f"; {shift_ms:.1f} of it a constant shift" if shift_ms is not None and shift_ms > 0.05 else ""
    return f"heads, log, path with silence{shift}"


def _is_known(figure: Figure) -> bool:
    return figure.ci_low is not None and figure.ci_high is not None


def _is_positive(figure: Figure) -> bool:
    return figure.ci_low is not None and figure.ci_low > 0
