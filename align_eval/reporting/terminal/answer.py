"""The answer of a run on the terminal: the question, one line per step, and the sentence. It fits 80 columns."""

from __future__ import annotations

import textwrap

from rich.console import Console
from rich.table import Table

from align_eval.records import SECOND_REFERENCE, SystemName
from align_eval.reporting.answer_sentences import footnotes, question, sentence, step_lines
from align_eval.reporting.numbers import figure_text, number_text
from align_eval.reporting.reference_order import by_trust, in_order
from align_eval.reporting.terminal.printing import add_columns, add_row, print_line, titled_table
from align_eval.run_record import Answer, Run
from align_eval.systems import short_names

LARGEST_WIDTH = 100


def print_details(run: Run, console: Console) -> None:
    """Print every step of every answer raw and calibrated, and the amounts among which was chosen."""
    for answer in in_order(run.answer, last=True):
        table = titled_table(f"{answer.reference} reference, steps of the answer, ms")
        add_columns(table, ("step", "error", "calibrated", "difference", "calibrated"), text=("step",))
        for step in answer.steps:
            figures = (step.error, step.calibrated)
            differences = (step.difference, step.calibrated_difference)
            cells = [figure_text(figure) if figure else "" for figure in figures]
            cells += [figure_text(figure, sign=True) if figure else "" for figure in differences]
            add_row(table, step.name, *cells)
        console.print(table)
        if any(step.amounts for step in answer.steps):
            console.print(_amounts(answer))


def _amounts(answer: Answer) -> Table:
    table = titled_table(f"{answer.reference} reference, amounts of the residual")
    names = ("step", "amount", "error", "calibrated", "moved", "chosen")
    add_columns(table, names, text=("step",))
    for step in answer.steps:
        for row in step.amounts:
            cells = (f"{row.amount:g}", f"{row.error_ms:.1f}", f"{row.calibrated_ms:.1f}", f"{row.moved:.0%}")
            add_row(table, step.name, *cells, str(row.chosen))
    return table


def print_answer(run: Run, console: Console) -> None:
    """Print every answer of a run, that of the most trusted kind of reference last; or why there is none."""
    if run.answer is None:
        for line in nearest_lines(run):
            print_line(console, line)
        if run.no_answer:
            print_line(console, f"what attention lacks is not measured: {run.no_answer}")
        return
    width = min(console.width, LARGEST_WIDTH)
    for answer in in_order(run.answer, last=True):
        print_line(console, "")
        for line in answer_lines(answer, run, width):
            print_line(console, line)


def answer_lines(answer: Answer, run: Run, width: int) -> list[str]:
    """Lines of an answer, none wider than a number of columns where its labels allow it."""
    steps = step_lines(answer)
    label_width, error_width, difference_width = (
        max(len(getattr(step, name)) for step in steps) for name in ("label", "error", "difference")
    )
    lines = textwrap.wrap(question(answer, run), width, subsequent_indent="  ")
    for step in steps:
        line = f"  {step.label:{label_width}}  {step.error:>{error_width}}  {step.difference:{difference_width}}"
        if step.note and len(line) + 2 + len(step.note) > width:
            lines += [line.rstrip(), *textwrap.wrap(step.note, width, initial_indent="    ", subsequent_indent="    ")]
        else:
            lines.append(f"{line}  {step.note}".rstrip())
    lines += textwrap.wrap(sentence(answer), width)
    for note in footnotes(answer):
        lines += textwrap.wrap(note, width, initial_indent="  ", subsequent_indent="  ")
    return lines


def nearest_lines(run: Run) -> list[str]:
    """The system of least error under each kind of reference."""
    names = short_names(SystemName(row.source, row.align) for row in run.rows)
    rows = [
        row
        for row in run.rows
        if (row.boundaries, row.calibration, row.metric) == ("interior", "none", "wbe_mean")
        and row.source != SECOND_REFERENCE
    ]
    lines = []
    for reference in sorted({row.reference for row in rows}, key=by_trust, reverse=True):
        best = min((row for row in rows if row.reference == reference), key=lambda row: row.value)
        error = number_text(best.value, best.ci_low, best.ci_high)
        lines.append(f"nearest to the {reference} reference: {names[SystemName(best.source, best.align)]}, {error} ms")
    return lines
