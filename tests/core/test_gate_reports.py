"""Comparison on the terminal, in Markdown, JUnit XML and benchmark JSON, also with hostile words."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from xml.etree import ElementTree as ET

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from align_eval.gate.compare import compare
from align_eval.gate.verdicts import Comparison
from align_eval.reporting.ci.benchmark import benchmark
from align_eval.reporting.ci.files import FILES, append_summary, write_comparison
from align_eval.reporting.ci.junit import junit
from align_eval.reporting.ci.markdown import escaped, summary
from align_eval.reporting.gate_sentences import N_SPEAKERS, regressions, sentence
from align_eval.reporting.terminal.gate import print_comparison
from tests.helpers.planted_words import LABEL, by_word, corpus, jittered, moved, side, without

TABLE = corpus(np.random.default_rng(0), n_speakers=8, fewest=10, most=30)
HOSTILE = '<script>alert(1)</script> | `rm` ]]> & "\x00\x1b[31m\ud7ff'

PASSED = compare(side(TABLE, "old"), side(TABLE, "new"))
SHIFTED = compare(side(TABLE, "old"), side(moved(TABLE, 60.0, 60.0), "new"))
LOST = compare(side(TABLE, "old"), side(without(TABLE, range(0, len(TABLE), 10)), "new"))
UNDECIDED = compare(side(TABLE, "old"), side(jittered(TABLE, np.random.default_rng(0), by_word, 25.0), "new"))


def renamed_words(table: pa.Table, word: str) -> pa.Table:
    i = table.schema.get_field_index("word")
    return table.set_column(i, table.schema.field(i), pa.array([word] * len(table)))


def printed(comparison: Comparison, width: int = 190) -> str:
    file = io.StringIO()
    print_comparison(comparison, Console(file=file, width=width))
    return file.getvalue()


def test_a_pass_has_no_warning():
    text = printed(PASSED)
    assert text.splitlines()[-1] == "pass: new (0123456789ab) against old (0123456789ab)"
    assert "signatures differ in: nothing" in text
    assert not {"warning", "regression:", "lost most"} & {word for word in text.split() if word}


def test_a_regression_has_system_milliseconds_and_words():
    (line,) = regressions(SHIFTED)
    assert line.startswith(f"regression: {LABEL}, manual reference; all words: ")
    assert "starts 60.0 ms later in the median (limit 20 ms), ends 60.0 ms later in the median (limit 20 ms); " in line
    assert "; worst: 'w" in line
    assert line.replace(LABEL, "attention") in printed(SHIFTED)  # the only system: its short name is enough
    (lost,) = regressions(LOST)
    assert f"{len(range(0, len(TABLE), 10))} of {len(TABLE)} words lost their times, the longest 300 ms; " in lost


def test_an_undecided_verdict_is_a_warning_with_the_smallest_loss():
    assert UNDECIDED.verdict == "undecided"
    overall = next(c for c in UNDECIDED.checks if c.speaker is None and c.metric == "wbe_mean")
    text = printed(UNDECIDED)
    expected = f"the smallest loss that {len(TABLE)} words could have shown is {overall.smallest:.1f} ms"
    assert overall.verdict == "undecided"
    assert "warning: undecided: attention, manual reference" in text
    assert expected in text


def test_the_sentence_of_a_loss_has_its_interval_and_margin():
    check = next(c for c in SHIFTED.checks if c.speaker is None and c.metric == "wbe_mean")
    text = sentence(replace(check, verdict="pass", value=12.34, ci_low=5.0, ci_high=19.68, limit=20.0))
    assert text.endswith("all words: +12.3 ms [5.0, 19.7] of mean absolute error (margin 20 ms)")


def test_a_long_list_of_speakers_is_shortened_and_counted():
    check = next(c for c in SHIFTED.checks if c.verdict == "regression" and c.speaker)
    many = replace(SHIFTED, checks=tuple(replace(check, speaker=f"s{i}") for i in range(N_SPEAKERS + 7)))
    (line,) = regressions(many)
    assert f"speaker s{N_SPEAKERS - 1}: " in line
    assert "; and 7 more speakers; worst: " in line


def test_the_ten_worst_words_are_listed():
    lines = printed(SHIFTED).splitlines()
    first = lines.index("words that lost most:")
    listed = lines[first + 1 : first + 11]
    assert all(line.startswith("  'w") and line.endswith(" ms, attention") for line in listed)
    worst = next(c for c in SHIFTED.checks if c.speaker is None and c.metric == "wbe_mean").worst
    assert [line.split("'")[1] for line in listed] == [word.word for word in worst]


@pytest.mark.parametrize("comparison", [PASSED, SHIFTED, LOST, UNDECIDED], ids=lambda f: f.verdict)
def test_all_rows_of_a_markdown_table_have_the_same_number_of_cells(comparison):
    text = summary(comparison)
    assert text.splitlines()[0].endswith(f" Word times: {comparison.verdict}")
    tables = [line for line in text.splitlines() if line.startswith("|")]
    widths = [line.replace("\\|", "").count("|") for line in tables]
    head = 0
    for i, line in enumerate(tables):
        head = widths[i] if i + 1 < len(tables) and tables[i + 1].startswith("|---") else head
        assert widths[i] == head, line
    assert ("### Regressions" in text) == (comparison.verdict == "regression")


@given(st.text(st.sampled_from("|`\\<\n\r") | st.characters()))
def test_escaped_text_has_no_markup_and_no_line_break(text):
    shown = escaped(text)
    assert not set("<\n\r") & set(shown)
    assert all(shown[i - 1] == "\\" for i, char in enumerate(shown) if char in "|`")


def cases(comparison: Comparison, *, strict: bool = False) -> dict[str, ET.Element]:
    root = ET.fromstring(junit(comparison, strict=strict).encode())
    return {case.get("name"): case for case in root.iter("testcase")}


def test_junit_has_one_case_per_system_and_metric_and_fails_regressions():
    cases_by_name = cases(SHIFTED)
    assert len(cases_by_name) == 4
    assert {case.get("classname") for case in cases_by_name.values()} == {LABEL}
    failed = {name for name, case in cases_by_name.items() if case.find("failure") is not None}
    assert {f"median shift of {which}, manual reference" for which in ("starts", "ends")} <= failed
    assert "words without times, manual reference" not in failed
    message = cases_by_name["median shift of starts, manual reference"].find("failure").get("message")
    assert "all words: starts 60.0 ms later in the median (limit 20 ms); worst: 'w" in message


def test_the_counts_of_junit_match_its_cases():
    for comparison, strict in ((PASSED, False), (SHIFTED, False), (UNDECIDED, False), (UNDECIDED, True)):
        root = ET.fromstring(junit(comparison, strict=strict).encode())
        assert int(root.get("tests")) == len(list(root.iter("testcase")))
        assert int(root.get("failures")) == len(list(root.iter("failure")))
        assert int(root.get("skipped")) == len(list(root.iter("skipped")))
        assert (int(root.get("failures")) > 0) == comparison.fails(strict=strict)


def test_an_undecided_case_is_skipped_with_its_reason_and_fails_if_strict():
    name = "mean absolute error, manual reference"
    assert "could have shown" in cases(UNDECIDED)[name].find("skipped").get("message")
    assert cases(UNDECIDED, strict=True)[name].find("failure").get("type") == "undecided"


def test_hostile_words_are_escaped():
    table = renamed_words(TABLE, HOSTILE)
    comparison = compare(side(table, "old"), side(moved(table, 60.0, 60.0), "<new>"))
    markdown = summary(comparison)
    assert "<script>" not in markdown
    assert "&lt;script&gt;alert(1)&lt;/script&gt; \\| \\`rm\\`" in markdown
    text = "".join(ET.fromstring(junit(comparison).encode()).itertext())
    assert "<script>alert(1)</script>" in text  # escaped in the document, itself when parsed
    assert "against old" in ET.fromstring(junit(comparison).encode()).find("testsuite").get("name")
    assert all(isinstance(entry["name"], str) for entry in json.loads(benchmark(comparison)))
    assert "\x1b" not in printed(comparison)


def test_the_benchmark_is_a_list_of_names_units_and_values():
    entries = json.loads(benchmark(SHIFTED))
    (figures,) = SHIFTED.figures
    assert [(e["name"], e["unit"], e["value"]) for e in entries] == [
        (f"{LABEL}, manual: mean absolute error", "ms", figures.run_ms),
        (f"{LABEL}, manual: words without times", "words", 0),
    ]
    assert entries[0]["range"] == f"± {(figures.run_ci_high - figures.run_ci_low) / 2:.1f}"
    assert json.loads(benchmark(LOST))[1]["value"] == len(range(0, len(TABLE), 10))


def test_a_run_without_times_has_no_error_in_the_benchmark():
    comparison = compare(side(TABLE), side(without(TABLE, range(len(TABLE)))))
    assert [e["unit"] for e in json.loads(benchmark(comparison))] == ["words"]
    assert "| ❌ |" in summary(comparison)


def test_all_files_are_written_and_compare_json_has_every_check(tmp_path):
    write_comparison(tmp_path / "deep" / "gate", SHIFTED, strict=False)
    assert {path.name for path in (tmp_path / "deep" / "gate").iterdir()} == set(FILES)
    record = json.loads((tmp_path / "deep" / "gate" / "compare.json").read_text())
    assert record["verdict"] == "regression"
    assert len(record["checks"]) == len(SHIFTED.checks)
    assert record["checks"][0]["worst"][0]["word"].startswith("w")


def test_a_summary_is_appended_to_an_existing_file(tmp_path):
    file = tmp_path / "summary.md"
    file.write_text("before\n")
    append_summary(file, PASSED)
    assert file.read_text() == "before\n" + summary(PASSED)
