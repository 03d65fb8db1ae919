"""Protocols: the worked example of docs/protocols.md, small cases that distinguish them, and custom files."""

import re
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from align_eval.errors import InputError
from align_eval.formats.run.words_table import words_table
from align_eval.records import SystemName, Utterance, Word
from align_eval.run_record import ScoreRow
from align_eval.scoring.pairing import pair_words
from align_eval.scoring.protocol_file import read_protocols
from align_eval.scoring.protocols import PROTOCOLS, Protocol
from align_eval.scoring.summary import score_table
from tests.helpers.utterances import utterance

DOCS = Path(__file__).resolve().parents[2] / "docs" / "protocols.md"
SYSTEM, OTHER = SystemName("attention", "dtw"), SystemName("gradient", "dtw")


def words(*entries: tuple[str, float, float]) -> tuple[Word, ...]:
    return tuple(Word(*entry) for entry in entries)


def scored(utterances, found, text="hypothesis", **options) -> tuple[ScoreRow, ...]:
    """``found`` maps utterance id and system to words, which are paired as in a run."""
    pairings = {
        u.id: {
            system: pair_words([w.text for w in u.words], [w.text for w in said], u.language)
            for system, said in found[u.id].items()
        }
        for u in utterances
        if u.id in found
    }
    systems = tuple(next(iter(found.values())))
    return score_table(words_table(utterances, systems, found, pairings), text=text, **options)


def value(rows, protocol: str, metric: str, system: SystemName = SYSTEM) -> float:
    (row,) = [
        r
        for r in rows
        if (r.protocol, r.metric, r.source, r.calibration) == (protocol, metric, system.source, "none")
        and r.boundaries != "interior"
    ]
    return row.value


EXAMPLE = (
    utterance(
        "a",
        words(("well", 0.2, 0.5), ("twenty", 0.5, 0.8), ("one", 0.8, 1.0), ("cats", 1.0, 1.4), ("sat", 1.6, 1.9)),
    ),
    utterance("b", words(("yes", 0.3, 0.7))),
)
RECOGNISED = {
    "a": {SYSTEM: words(("21", 0.56, 1.02), ("cats", 1.06, 1.18), ("sad", 1.66, 1.9))},
    "b": {SYSTEM: words(("Yes.", 0.3, 1.3), ("sir", 1.4, 1.6), ("now", 1.6, 1.8))},
}


def by_hand() -> list[tuple[str, str, str, float]]:
    """(protocol, metric, expression, value) of the table in the docs."""
    table = DOCS.read_text(encoding="utf-8").split("## By hand")[1].split("| by hand | value |")[1]
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if "|" in line]
    return [(p, m, e, float(v)) for p, m, e, v in lines if p in PROTOCOLS]


def test_every_protocol_stands_in_the_worked_example():
    assert {protocol for protocol, *_ in by_hand()} == set(PROTOCOLS)


@pytest.mark.parametrize(("protocol", "metric", "expression", "told"), by_hand())
def test_a_protocol_agrees_with_the_hand_computation_in_the_docs(protocol, metric, expression, told):
    assert re.fullmatch(r"[\d.+*/() ]+", expression)
    by_expression = eval(expression)  # digits and operators alone, of our own docs
    assert told == pytest.approx(by_expression, abs=5e-5)
    assert value(scored(EXAMPLE, RECOGNISED), protocol, metric) == pytest.approx(by_expression, abs=1e-9)


def test_the_example_is_what_the_docs_say_of_it():
    """The times of the table in the docs, against the times in this test."""
    rows = [
        line.strip("|").split("|")
        for line in DOCS.read_text(encoding="utf-8").splitlines()
        if "| a |" in line or "| b |" in line
    ]
    told = [[cell.strip() for cell in row] for row in rows]
    reference = {f"{r[0]} {r[1]}": (float(r[2]), float(r[3])) for r in told if r[1]}
    said = {f"{r[0]} {r[4]}": (float(r[5]), float(r[6])) for r in told if r[4]}
    assert reference == {
        "a well": (0.2, 0.5),
        "a twenty one": (0.5, 1.0),
        "a cats": (1.0, 1.4),
        "a sat": (1.6, 1.9),
        "b yes": (0.3, 0.7),
    }
    assert said == {
        "a 21": (0.56, 1.02),
        "a cats": (1.06, 1.18),
        "a sad": (1.66, 1.9),
        "b Yes.": (0.3, 1.3),
        "b sir now": (1.4, 1.8),
    }


def shifted(u: Utterance, start_s: float, end_s: float) -> tuple[Word, ...]:
    return tuple(replace(w, start_s=w.start_s + start_s, end_s=w.end_s + end_s) for w in u.words)


PLAIN = utterance("p", words(("we", 0.5, 0.8), ("see", 1.0, 1.4), ("cats", 1.6, 2.0)))


def test_a_system_that_ends_words_late_is_perfect_to_who_counts_starts():
    rows = scored([PLAIN], {"p": {SYSTEM: shifted(PLAIN, 0.0, 0.3)}}, "words")
    assert value(rows, "mfa2026", "within_10ms") == 1.0
    assert value(rows, "rousso2024", "within_100ms") == 0.0
    assert value(rows, "whisperx200", "recall_200ms") == 0.0
    assert value(rows, "wbe", "within_50ms") == 0.5  # every start and no end


def test_a_boundary_at_the_collar_counts_and_one_beyond_does_not():
    rows = scored([PLAIN], {"p": {SYSTEM: shifted(PLAIN, 0.2, 0.2)}}, "words")
    assert (value(rows, "whisperx200", "recall_200ms"), value(rows, "crisper", "f1_200ms")) == (1.0, 1.0)
    rows = scored([PLAIN], {"p": {SYSTEM: shifted(PLAIN, 0.2001, 0.2001)}}, "words")
    assert (value(rows, "whisperx200", "recall_200ms"), value(rows, "canary240", "recall_240ms")) == (0.0, 1.0)


def test_an_insertion_costs_precision_and_a_deletion_recall():
    said = shifted(PLAIN, 0.0, 0.0)
    more = scored([PLAIN], {"p": {SYSTEM: (*said, Word("too", 2.1, 2.3))}})
    less = scored([PLAIN], {"p": {SYSTEM: said[:2]}})
    assert (value(more, "canary240", "precision_240ms"), value(more, "canary240", "recall_240ms")) == (3 / 4, 1.0)
    assert (value(less, "canary240", "precision_240ms"), value(less, "canary240", "recall_240ms")) == (1.0, 2 / 3)


def test_nothing_recognised_is_nothing_hit_and_no_error_in_milliseconds():
    rows = scored([PLAIN], {"p": {SYSTEM: ()}})
    assert value(rows, "wbe", "coverage") == 0.0
    assert value(rows, "yeh50", "f1_50ms") == 0.0
    assert value(rows, "wbe", "deleted") == 3
    assert "wbe_mean" not in {row.metric for row in rows}
    assert "precision_200ms" not in {row.metric for row in rows}  # of no words


def test_systems_that_recognised_different_words_are_compared_on_those_of_both():
    other = words(("we", 0.6, 0.9), ("sea", 1.0, 1.4), ("cats", 1.6, 2.0))  # 100 ms off, substituted, exact
    rows = scored([PLAIN], {"p": {SYSTEM: shifted(PLAIN, 0.03, 0.03)[1:], OTHER: other}})
    assert value(rows, "wbe", "wbe_mean") == pytest.approx(30)  # see and cats
    assert value(rows, "wbe", "wbe_mean", OTHER) == pytest.approx(50)  # we and cats
    assert value(rows, "wbe", "wbe_mean_common") == pytest.approx(30)  # cats alone
    assert value(rows, "wbe", "wbe_mean_common", OTHER) == pytest.approx(0)
    assert {r.n_words for r in rows if r.metric.endswith("_common")} == {1}


def test_systems_that_recognised_the_same_words_have_no_rows_of_common_ones():
    rows = scored([PLAIN], {"p": {SYSTEM: shifted(PLAIN, 0.03, 0.03), OTHER: PLAIN.words}})
    assert not any(r.metric.endswith("_common") for r in rows)


def test_a_unit_is_common_only_with_all_its_words():
    """One system says "21" for "twenty one", the other recognises "one" alone: the unit is not common."""
    u = utterance("p", words(("twenty", 0.5, 0.8), ("one", 0.8, 1.0), ("cats", 1.0, 1.4)))
    one = words(("21", 0.5, 1.0), ("cats", 1.0, 1.4))
    other = words(("plenty", 0.5, 0.8), ("one", 0.8, 1.0), ("cats", 1.1, 1.5))
    rows = scored([u], {"p": {SYSTEM: one, OTHER: other}})
    assert {r.n_words for r in rows if r.metric.endswith("_common")} == {1}
    assert value(rows, "wbe", "wbe_mean_common", OTHER) == pytest.approx(100)


def test_words_are_common_by_utterance_and_place_whatever_rows_a_system_has():
    """One system has two utterances, the other the second alone, of as many words as the first."""
    first, second = utterance("a", PLAIN.words), utterance("b", PLAIN.words)
    one = {u.id: {SYSTEM: shifted(u, 0.03, 0.03)} for u in (first, second)}
    tables = [
        words_table([first, second], [SYSTEM], one),
        words_table([second], [OTHER], {"b": {OTHER: shifted(second, 0.05, 0.05)}}),
    ]
    rows = score_table(pa.concat_tables(tables))
    assert value(rows, "wbe", "wbe_mean_common", OTHER) == pytest.approx(50)
    assert {(r.source, r.n_words) for r in rows if r.metric == "wbe_mean_common"} == {("attention", 3), ("gradient", 3)}


def test_a_text_that_was_given_has_no_errors_of_recognition_to_count():
    rows = scored([PLAIN], {"p": {SYSTEM: PLAIN.words}}, "words")
    assert not {"substituted", "deleted", "inserted", "recognition_error_rate"} & {r.metric for r in rows}


def test_the_hash_sees_what_is_counted_and_neither_paper_nor_order():
    wbe = PROTOCOLS["wbe"]
    assert len({p.hash for p in PROTOCOLS.values()}) == len(PROTOCOLS)
    assert replace(wbe, paper="another", collars_ms=wbe.collars_ms[::-1]).hash == wbe.hash
    changes = {
        "boundaries": "ends", "words": "paired", "normaliser": "lower", "collars_ms": (10,), "cut_ms": 500,
        "averages": ("micro",), "measures": ("mean",),
    }  # fmt: skip
    assert len({replace(wbe, **{key: change}).hash for key, change in changes.items()} | {wbe.hash}) == 8


def test_the_hashes_are_the_published_ones():
    """A changed hash makes earlier numbers incomparable, so it must not change by accident."""
    assert {name: p.hash for name, p in PROTOCOLS.items()} == HASHES


HASHES = {
    "wbe": "cfb3c02ce13d",
    "rousso2024": "ab07c231dd4a",
    "rousso2024-cut": "ecf8a0909c9d",
    "mfa2026": "b12ddf1db47a",
    "whisperx200": "c0477d192075",
    "crisper": "f5f1be8f4f67",
    "yeh50": "0d1febce7f4a",
    "aas": "854a1b15bdf8",
    "canary240": "11394861b220",
}

MINE = """
[starts40]
boundaries = "starts"
words = "recognised"
collars_ms = [20, 40]
cut_ms = 1000
measures = ["mean", "within"]
averages = ["micro", "macro"]
"""


def test_a_custom_protocol_is_scored_beside_the_others(tmp_path):
    (tmp_path / "mine.toml").write_text(MINE)
    own = read_protocols(tmp_path / "mine.toml")
    assert own == {
        "starts40": Protocol("starts", "recognised", "letters", (20, 40), 1000, ("micro", "macro"), ("mean", "within"))
    }
    rows = scored(EXAMPLE, RECOGNISED, protocols=own)
    assert value(rows, "starts40", "mean_error") == pytest.approx(40)
    assert value(rows, "starts40", "mean_error_macro") == pytest.approx((60 + 0) / 2)
    assert value(rows, "starts40", "within_40ms") == pytest.approx(1 / 3)
    assert {r.protocol_hash for r in rows if r.protocol == "starts40"} == {own["starts40"].hash}
    without = [r for r in rows if r.protocol != "starts40"]
    assert without == list(scored(EXAMPLE, RECOGNISED))


def test_the_file_in_the_docs_is_read(tmp_path):
    (example,) = re.findall(r"^```toml\n(.*?)^```", DOCS.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    (tmp_path / "mine.toml").write_text(example, encoding="utf-8")
    assert list(read_protocols(tmp_path / "mine.toml")) == ["starts40"]


def test_normalisers_decide_what_is_the_same_word():
    found = {"a": {SYSTEM: words(("Cats", 0.5, 1.0))}}
    counted = {}
    for normaliser in ("whisper", "lower", "none"):
        own = {normaliser: Protocol("ends", "recognised", normaliser, (50,), None, ("micro",), ("recall",))}
        for text in ("cats", "Cats", "cats,"):
            rows = scored([utterance("a", words((text, 0.5, 1.0)))], found, protocols=own)
            counted[normaliser, text] = value(rows, normaliser, "recall_50ms")
    hits = {name: {text for (n, text), share in counted.items() if n == name and share} for name, _ in counted}
    assert hits == {"whisper": {"cats", "Cats", "cats,"}, "lower": {"cats", "Cats"}, "none": {"Cats"}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[x", r"mine\.toml: cannot be read as TOML"),
        ("", r"mine\.toml: has no protocol"),
        ("x = 1", r"mine\.toml, \[x\]: is 1, not a table"),
        (MINE.replace("starts40", "wbe"), r"\[wbe\]: has the name of a built-in protocol"),
        (MINE + "colour = 1", r"\[starts40\]: unknown key 'colour'; use one of boundaries, words, "),
        (MINE.replace('boundaries = "starts"', ""), r"\[starts40\]: has no boundaries"),
        (
            MINE.replace('"starts"', '"middles"'),
            r"key 'boundaries': 'middles' is not a choice; choose one of starts",
        ),
        (MINE.replace('"starts"', "1"), r"key 'boundaries': 1 is not a choice"),
        (MINE.replace("[20, 40]", "20"), r"key 'collars_ms': 20 is not a list"),
        (MINE.replace("[20, 40]", '["20"]'), r"key 'collars_ms': '20' is not a number"),
        (MINE.replace("[20, 40]", "[20, 20]"), r"key 'collars_ms': \[20, 20\] repeats a value"),
        (MINE.replace("[20, 40]", "[-20]"), r"\[starts40\]: collars_ms and cut_ms must be positive"),
        (MINE.replace("[20, 40]", "[nan]"), r"key 'collars_ms': nan is not a number up to 1e\+09"),
        (MINE.replace("[20, 40]", f"[{'9' * 400}]"), r"key 'collars_ms': 9{40} is not a number up to 1e\+09"),
        (MINE.replace("1000", "9" * 5000), r"mine\.toml: cannot be read as TOML .*4300 digits"),
        ("x = " + "[" * 100_000, r"mine\.toml: cannot be read as TOML"),
        (MINE.replace("[20, 40]", "[]"), r"needs collars_ms"),
        (MINE.replace("1000", "true"), r"key 'cut_ms': True is not a number"),
        (MINE.replace('["mean", "within"]', "[]"), r"needs at least one"),
        (MINE + "paper = 1", r"key 'paper': 1 is not a string"),
    ],
)
def test_a_file_without_a_valid_protocol_is_refused_with_its_place(tmp_path, text, message):
    (tmp_path / "mine.toml").write_text(text)
    with pytest.raises(InputError, match=message):
        read_protocols(tmp_path / "mine.toml")


@pytest.mark.parametrize("content", [b"\xff\xfe[", None])
def test_a_file_that_is_no_text_or_is_missing_is_refused(tmp_path, content):
    if content:
        (tmp_path / "mine.toml").write_bytes(content)
    with pytest.raises(InputError, match=r"mine\.toml: cannot be read (as TOML|\(No such file)"):
        read_protocols(tmp_path / "mine.toml")
