"""Score table on the terminal."""

import re
from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from align_eval.records import Failure, FlatRows
from align_eval.reporting.terminal.scores import flat_row_lines, print_run
from align_eval.run_record import Run, ScoreRow

SIGNATURE = {
    "id": "0123456789ab", "model": "tiny.en", "model_checksum": "a" * 64, "corpus": "demo", "corpus_checksum": "b" * 64,
    "text": "words", "context": "full", "device": "cpu", "dtype": "float32", "seed": 7,
    "packages": {"numpy": "2.4.6", "torch": "absent"},
}  # fmt: skip

ROW = ScoreRow(
    source="attention:heads=all", align="dtw", text="words", reference="manual", boundaries="all", calibration="none",
    protocol="wbe", metric="wbe_mean", value=61.26, ci_low=50.4, ci_high=73.6, unit="ms", n_words=83,
    clusters="speakers", n_clusters=40, n_effective_clusters=31.25,
)  # fmt: skip


def printed(*rows: ScoreRow, failures: tuple[Failure, ...] = (), **signature: object) -> str:
    file = StringIO()
    print_run(Run(2, SIGNATURE | signature, rows, failures), Console(file=file, width=200))
    return file.getvalue()


def system_lines(text: str) -> list[list[str]]:
    """Cells of each line of a system."""
    cells = [re.split(r"\s{2,}", line.strip()) for line in text.splitlines()]
    return [line for line in cells if len(line) > 2 and line[0] != "system"]


def cells(*rows: ScoreRow) -> list[str]:
    (line,) = system_lines(printed(*rows))
    return line


def test_values_are_in_their_columns_with_their_intervals():
    interior = replace(ROW, boundaries="interior", ci_low=None, ci_high=None)
    rows = (
        ROW,
        replace(interior, value=40.0, ci_low=30.0, ci_high=50.0),
        replace(interior, calibration="reference", value=20.0, ci_low=15.0, ci_high=25.0),
        replace(interior, metric="wbe_median", value=33.3, ci_low=1.0, ci_high=2.0),
        replace(interior, metric="start_bias", value=12.4),
        replace(interior, metric="end_bias", value=-7.6),
        replace(interior, metric="within_50ms", unit="share", value=0.75),
        replace(ROW, metric="iou", unit="share", value=0.625),
        replace(ROW, metric="coverage", unit="share", value=1.0),
    )
    assert cells(*rows) == [
        "attention", "61.3 [50, 74]", "40.0 [30, 50]", "20.0 [15, 25]", "33.3", "+12", "-8", "75%",
        "0.62", "100%",
    ]  # fmt: skip


def test_a_narrow_terminal_shows_whole_names_and_values():
    file = StringIO()
    print_run(Run(2, SIGNATURE, (ROW,)), Console(file=file, width=80))
    ((system, value, *_),) = system_lines(file.getvalue())
    assert (system, value) == ("attention", "61.3 [50, 74]")


def test_the_spec_behind_a_short_name_is_printed_below():
    assert "\nattention: attention:heads=all | dtw\n" in printed(ROW)
    theirs = printed(replace(ROW, source="whisperx", align="given"))
    assert "whisperx" in theirs
    assert "given" not in theirs


def test_a_missing_score_is_a_dash():
    assert cells(ROW)[1:] == ["61.3 [50, 74]", *["-"] * 8]


def test_there_is_one_line_per_system_and_one_table_per_kind_of_reference():
    text = printed(ROW, replace(ROW, source="gradient", value=5.0), replace(ROW, reference="automatic", n_words=108))
    titles = [line for line in text.splitlines() if " reference: " in line]
    assert [title.split(",")[0] for title in titles] == ["automatic reference: 108 words", "manual reference: 83 words"]
    assert [line[0] for line in system_lines(text)] == ["attention", "attention", "gradient"]


def counts(row: ScoreRow, **values: float) -> list[ScoreRow]:
    return [replace(row, metric=metric, value=value) for metric, value in values.items()]


def test_recognised_text_shows_its_errors_and_the_share_of_all():
    row = replace(ROW, text="hypothesis")
    errors = counts(row, substituted=2, deleted=7, inserted=6, recognition_error_rate=0.18072)
    within = replace(row, metric="within_50ms_of_all", unit="share", value=0.41)
    text = printed(row, within, *errors)
    assert "\nrecognition: 2 substituted, 7 deleted, 6 inserted: 18.1% of the reference\n" in text
    assert system_lines(text)[0][-1] == "41%"
    assert "recognition" not in printed(ROW, replace(within, text="words"))


def test_systems_that_recognised_different_words_have_separate_lines_and_a_column_of_common_words():
    row = replace(ROW, text="hypothesis")
    common = replace(row, metric="wbe_mean_common", value=12.25)
    one = [row, common, *counts(row, substituted=1, deleted=0, inserted=0, recognition_error_rate=0.1)]
    other = [replace(r, source="gradient", value=0.0) for r in one]
    text = printed(*one, *other)
    assert "recognition, attention:heads=all | dtw: 1 substituted, 0 deleted, 0 inserted: 10.0%" in text
    assert "recognition, gradient | dtw: 0 substituted, 0 deleted, 0 inserted: 0.0%" in text
    assert [line[-1] for line in system_lines(text)] == ["12.2", "0.0"]


@pytest.mark.parametrize(
    ("n_clusters", "n_effective", "label"),
    [
        (40, 31.25, "40 speakers, 31.2 effective, 95 % intervals"),
        (12, 10.0, "12 speakers, 10.0 effective, 95 % intervals"),
        (12, 9.9, "12 speakers, 9.9 effective: 95 % intervals within these recordings only"),
        (7, 5.0, "7 speakers, 5.0 effective: 95 % intervals within these recordings only"),
        (7, 4.9, "too few speakers to tell (7, effectively 4.9)"),
        (7, 1.9, "too few speakers to tell (7, effectively 1.9)"),
        (1, 1.0, "too few speakers to tell (1, effectively 1.0)"),
    ],
)
def test_the_title_has_the_effective_number_of_clusters_and_the_scope_of_intervals(n_clusters, n_effective, label):
    text = printed(replace(ROW, n_clusters=n_clusters, n_effective_clusters=n_effective))
    title = next(line for line in text.splitlines() if " reference: " in line)
    assert title.rstrip() == f"manual reference: 83 words, {label}"


def test_a_system_of_too_few_speakers_beside_others_is_named():
    few = replace(ROW, source="gradient", ci_low=None, ci_high=None, n_clusters=2, n_effective_clusters=1.9)
    text = printed(few, ROW)
    assert "manual reference: 83 words, 40 speakers, 31.2 effective, 95 % intervals" in text  # those of most speakers
    assert "gradient | dtw: too few speakers to tell (2, effectively 1.9)" in text.splitlines()
    assert "too few" not in printed(ROW)
    assert printed(few).count("too few") == 1  # the title alone


def test_a_value_without_an_interval_is_printed_alone():
    assert cells(replace(ROW, n_clusters=1, ci_low=None, ci_high=None))[1] == "61.3"


def test_each_failure_is_printed_and_all_are_counted():
    text = printed(ROW, failures=(Failure("a", "a.wav: is empty; copy it"), Failure("b", "b.wav: is cut; copy it")))
    assert "failed: a.wav: is empty; copy it\nfailed: b.wav: is cut; copy it\n2 failed and are not scored.\n" in text


def test_systems_that_failed_have_one_line_each_with_their_number_of_utterances():
    failures = (
        Failure("a", "a.wav: is empty; copy it"),
        Failure("b", "utterance b, gradient: it is nan; use f32", system="gradient"),
        Failure("c", "utterance c, gradient: it is inf; use float32", system="gradient"),
        Failure("c", "utterance c, spes | dtw: no path; use viterbi", system="spes | dtw"),
    )
    assert (
        "failed: a.wav: is empty; copy it\n1 failed and is not scored.\n"
        "failed: gradient in 2 utterances, whose words it lost; the first: utterance b, gradient: it is nan; use f32\n"
        "failed: spes | dtw in 1 utterance, whose words it lost: utterance c, spes | dtw: no path; use viterbi\n"
    ) in printed(ROW, failures=failures)


def test_sources_with_flat_rows_have_one_line_each():
    lines = flat_row_lines([FlatRows("attention", 0, 1234), FlatRows("gradient", 3, 1234), FlatRows("spes", 1, 20)])
    assert [line.partition(": ")[0] for line in lines] == [
        "3 of 1,234 rows of gradient were flat",
        "1 of 20 rows of spes were flat",
    ]


def test_the_error_on_common_words_is_shown_where_systems_timed_different_ones():
    common = replace(ROW, metric="wbe_mean_common", value=55.5, ci_low=None, ci_high=None)
    assert "WBE common" not in printed(ROW)
    assert "WBE common" in printed(ROW, common)
    assert cells(ROW, common)[-1] == "55.5"


def test_without_failures_there_is_no_line_about_them():
    assert "failed" not in printed(ROW)


def test_the_signature_is_printed_on_one_line():
    last = printed(ROW).splitlines()[-1]
    assert last == (
        "signature 0123456789ab: model tiny.en aaaaaaaaaaaa, corpus demo bbbbbbbbbbbb, text=words "
        "context=full device=cpu dtype=float32 seed=7, numpy-2.4.6"
    )


@pytest.mark.parametrize("name", ["[red]", "take[bold]1[/bold]", "[/x]"])
def test_text_that_looks_like_markup_is_printed_unchanged(name):
    text = printed(ROW, failures=(Failure("a", f"{name}.wav: is empty; copy it"),), corpus=name, model=name)
    assert f"failed: {name}.wav: is empty" in text
    assert f"model {name} aaaaaaaaaaaa, corpus {name} bbbbbbbbbbbb" in text


@pytest.mark.parametrize("name", ["[red]x", "a[/x]", "c:100:"])
def test_a_system_that_looks_like_markup_is_printed_unchanged(name):
    assert name in printed(replace(ROW, source=name))
