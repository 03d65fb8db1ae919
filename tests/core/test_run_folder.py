"""Run folders: read back as written, with TextGrids that open."""

import json
import os
import re
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from align_eval.errors import InputError
from align_eval.formats.praat import read_textgrid
from align_eval.formats.run.folder import read_run, write_run
from align_eval.formats.run.languages import read_languages
from align_eval.formats.run.staging import OWNED
from align_eval.formats.run.textgrids import batched_by_rows
from align_eval.formats.run.words_table import read_words_table, words_table
from align_eval.formats.textgrids import words_of_tier
from align_eval.records import AudioSpan, Failure, Pairing, SystemName, Unit, Utterance, Word
from align_eval.run_record import Run
from align_eval.scoring.summary import score_table
from tests.helpers.planted_run import SIGNATURE
from tests.helpers.utterances import utterance

SYSTEMS = (SystemName("attention:heads=all", "dtw"), SystemName("gradient", "viterbi"))
REFERENCE = (Word("naïve", 0.5, 1.0), Word("яма", 1.25, 1.75))
HYPOTHESES = {
    SYSTEMS[0]: (Word("naïve", 0.25, 1.125), Word("яма", 1.125, 2.0)),
    SYSTEMS[1]: (Word("naïve", 0.0, 0.875), Word("яма", 1.5, 1.625)),
}


russian = partial(utterance, words=REFERENCE, language="ru")

WORDS = words_table(
    [russian(id_) for id_ in ("s1/a", "s1/b", "failed")], SYSTEMS, {"s1/a": HYPOTHESES, "s1/b": HYPOTHESES}
)
RUN = Run(
    schema=2,
    signature=SIGNATURE | {"systems": [["attention", "dtw"]]},
    rows=score_table(WORDS),
    failures=(Failure("failed", "failed.wav: holds no samples «»; remove it"),),
    environment={"python": "3.12"},
)


def test_a_run_is_read_back_equal_from_its_folder_and_from_its_file(tmp_path):
    written = write_run(tmp_path / "deep" / "run", RUN, WORDS)
    assert len(RUN.rows) > 10
    assert replace(written, files={}) == RUN
    assert read_run(tmp_path / "deep" / "run") == written
    assert read_run(tmp_path / "deep" / "run" / "run.json") == written


def test_the_words_are_read_back_and_score_the_same(tmp_path):
    write_run(tmp_path, RUN, WORDS)
    words = read_words_table(tmp_path / "words.parquet")
    assert words.equals(WORDS)
    assert score_table(words) == RUN.rows


def test_a_run_without_intervals_and_failures_is_read_back_equal(tmp_path):
    single = words_table([russian("a")], SYSTEMS, {"a": HYPOTHESES})
    run = Run(2, SIGNATURE, score_table(single))
    assert run.rows[0].ci_low is None
    written = write_run(tmp_path, run, single)
    assert read_run(tmp_path) == written
    assert read_run(tmp_path, edited=True) == run


def test_writing_again_gives_the_same_bytes(tmp_path):
    for name in ("one", "other"):
        write_run(tmp_path / name, RUN, WORDS)
    files = sorted((tmp_path / "one").rglob("*.*"))
    assert {"run.json", "words.parquet"} < {file.name for file in files}
    for file in files:
        assert file.read_bytes() == (tmp_path / "other" / file.relative_to(tmp_path / "one")).read_bytes()


def test_textgrids_hold_the_reference_and_one_tier_per_system(tmp_path):
    write_run(tmp_path, RUN, WORDS)
    grid, encoding = read_textgrid(tmp_path / "textgrids" / "s1" / "a.TextGrid")
    assert encoding.startswith("utf-8")
    assert (grid.minTime, grid.maxTime) == (0.0, 2.0)
    tiers = {tier.name: words_of_tier(tier) for tier in grid.tiers}
    assert tiers == {
        "reference": REFERENCE,
        "attention:heads=all | dtw": HYPOTHESES[SYSTEMS[0]],
        "gradient | viterbi": HYPOTHESES[SYSTEMS[1]],
    }


def test_textgrids_hold_units_as_one_word_and_inserted_words_between_them(tmp_path):
    reference = (Word("can", 0.25, 0.5), Word("not", 0.5, 0.75), Word("go", 1.0, 1.5))
    u = utterance("a", reference)
    hypothesis = (Word("oh", 0.0, 0.25), Word("cannot", 0.25, 0.875), Word("well", 0.875, 1.0), Word("go", 1.0, 1.5))
    pairing = Pairing((Unit((0, 1), (1,), True), Unit((2,), (3,), True)), (), (0, 2), (), 3, 4)
    table = words_table([u], SYSTEMS[:1], {"a": {SYSTEMS[0]: hypothesis}}, {"a": {SYSTEMS[0]: pairing}})
    write_run(tmp_path, RUN, table)
    grid, _ = read_textgrid(tmp_path / "textgrids" / "a.TextGrid")
    assert [words_of_tier(tier) for tier in grid.tiers] == [reference, hypothesis]


def test_the_textgrid_of_a_failed_utterance_holds_its_reference_alone(tmp_path):
    write_run(tmp_path, RUN, WORDS)
    grid, _ = read_textgrid(tmp_path / "textgrids" / "failed.TextGrid")
    assert [(tier.name, words_of_tier(tier)) for tier in grid.tiers] == [("reference", REFERENCE)]


def test_words_of_no_length_are_points_so_that_none_is_lost(tmp_path):
    hypothesis = {SYSTEMS[0]: (Word("naïve", 0.5, 0.5), Word("яма", 0.5, 1.0))}
    write_run(tmp_path, RUN, words_table([russian("a")], SYSTEMS[:1], {"a": hypothesis}))
    grid, _ = read_textgrid(tmp_path / "textgrids" / "a.TextGrid")
    _, intervals, points = grid.tiers
    assert [word.text for word in words_of_tier(intervals)] == ["яма"]
    assert [(p.time, p.mark) for p in points.points] == [(0.5, "naïve")]
    assert points.name == "attention:heads=all | dtw (no length)"


def without(key: str) -> str:
    run = {"schema": 2, "signature": {}, "rows": [], "failures": [], "environment": {}, "files": {}}
    return json.dumps({name: value for name, value in run.items() if name != key})


@pytest.mark.parametrize(
    "text",
    [
        "",
        '{"schema": 2, "sign',
        "[]",
        "null",
        *map(without, ("schema", "signature", "rows", "failures", "environment", "files")),
        without("rows")[:-1] + ', "rows": [{"metric": "wbe_mean"}]}',
        without("failures")[:-1] + ', "failures": [{"id": "a", "message": "m", "other": 1}]}',
    ],
)
def test_a_damaged_run_is_refused_with_its_file(tmp_path, text):
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(InputError, match=r"run\.json(, \S+)*( \d)?: is no run of this version"):
        read_run(tmp_path)


def test_bytes_that_are_no_text_are_refused(tmp_path):
    (tmp_path / "run.json").write_bytes(b"\xff\xfe\x00{")
    with pytest.raises(InputError, match=r"run\.json(, \S+)*( \d)?: is no run of this version"):
        read_run(tmp_path)


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"holds no run \(no run\.json\); give the folder that `align-eval run`"):
        read_run(tmp_path)


@pytest.mark.parametrize("out", ["taken", "taken/run"])
def test_a_file_in_the_way_of_the_folder_is_refused_and_left_alone(tmp_path, out):
    (tmp_path / "taken").write_text("mine")
    with pytest.raises(InputError, match=rf"{out}: cannot be made \(.*\); choose another --out"):
        write_run(tmp_path / out, RUN, WORDS)
    assert (tmp_path / "taken").read_text() == "mine"


def test_a_run_of_another_schema_is_refused(tmp_path):
    (tmp_path / "run.json").write_text('{"schema": 99, "signature": {}, "rows": [], "failures": [], "environment": {}}')
    with pytest.raises(InputError, match=r"run\.json: is no run of this version \(schema 99\)"):
        read_run(tmp_path)


def test_textgrids_of_an_earlier_run_do_not_mix_with_the_new_ones(tmp_path):
    write_run(tmp_path, RUN, WORDS)
    (tmp_path / "textgrids" / "gone.TextGrid").write_text("another corpus")
    write_run(tmp_path, RUN, WORDS)
    assert not (tmp_path / "textgrids" / "gone.TextGrid").exists()


def test_names_are_batched_up_to_the_limit_of_rows():
    """Each name once, in order. A batch over the limit holds only one name."""
    n_rows = {"d": 40, "a": 30, "b": 60, "c": 500, "e": 60}
    assert list(batched_by_rows(n_rows, 100)) == [["a", "b"], ["c"], ["d", "e"]]
    assert list(batched_by_rows({}, 100)) == []


def test_stretches_of_a_file_are_one_textgrid_even_if_ids_of_others_come_between(tmp_path):
    """Users choose the ids, so that an id may sort between two windows of another recording."""

    def window(id_: str, start_s: float, part_of: str | None) -> Utterance:
        return replace(russian(id_), audio=AudioSpan(Path("a.wav"), None, start_s, start_s + 2), part_of=part_of)

    utterances = [window("a@0", 0.0, "a"), window("a@1", 0.0, None), window("a@2", 2.0, "a")]
    write_run(tmp_path, RUN, words_table(utterances, SYSTEMS, {u.id: HYPOTHESES for u in utterances}))
    later = tuple(Word(w.text, w.start_s + 2, w.end_s + 2) for w in REFERENCE)
    for name, words in (("a", REFERENCE + later), ("a@1", REFERENCE)):
        grid, _ = read_textgrid(tmp_path / "textgrids" / f"{name}.TextGrid")
        assert words_of_tier(grid.tiers[0]) == words
        assert [tier.name for tier in grid.tiers] == ["reference", "attention:heads=all | dtw", "gradient | viterbi"]


def test_no_temporary_files_remain_of_a_run_that_could_not_be_written(tmp_path):
    """A TextGrid has no place where a folder has its name: one utterance is named as the folder of another's file."""
    table = words_table([russian("a"), russian("a.TextGrid/b")], SYSTEMS, {"a": HYPOTHESES})
    with pytest.raises(InputError, match="cannot be written"):
        write_run(tmp_path, RUN, table)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", OWNED)
def test_what_no_run_wrote_is_not_replaced(tmp_path, name):
    """The user may name a folder that has, say, maps of another program."""
    (tmp_path / name).write_text("mine")
    with pytest.raises(InputError, match=rf"{re.escape(name)}: is of no run, .*; move it, or choose another --out"):
        write_run(tmp_path, RUN, WORDS)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "mine"


def test_a_run_replaces_another_with_the_results_that_were_made_from_it(tmp_path):
    write_run(tmp_path, RUN, WORDS)
    for name in (*OWNED, "notes.txt"):
        if not (tmp_path / name).exists():
            (tmp_path / name).write_text("of the earlier run")
    write_run(tmp_path, RUN, WORDS)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"run.json", "words.parquet", "textgrids", "notes.txt"}


def test_files_that_were_changed_added_or_removed_are_refused_unless_that_is_allowed(tmp_path):
    write_run(tmp_path, RUN, WORDS, details={"s1/a": {"mass": 1}})
    whole = {name: (tmp_path / name).read_bytes() for name in ("details.json", "words.parquet")}
    changed = {"details.json": b"{}", "words.parquet": whole["words.parquet"] + b" ", "audio.json": b"{}"}
    for name, content in changed.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=rf"{re.escape(name)}: was edited since the run was written"):
            read_run(tmp_path)
        assert read_run(tmp_path, edited=True) == RUN
        (tmp_path / name).unlink()
        if name in whole:
            with pytest.raises(InputError, match=rf"{re.escape(name)}: cannot be read"):
                read_run(tmp_path)
            (tmp_path / name).write_bytes(whole[name])
    assert read_run(tmp_path).files.keys() == whole.keys()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_a_named_pipe_in_the_place_of_a_file_is_refused_and_not_waited_for(tmp_path):
    write_run(tmp_path, RUN, WORDS)
    (tmp_path / "words.parquet").unlink()
    os.mkfifo(tmp_path / "words.parquet")
    with pytest.raises(InputError, match=r"words\.parquet: is a named pipe"):
        read_run(tmp_path)


def test_detected_languages_are_written_and_go_with_their_run(tmp_path):
    languages = {"a": {"detected": "ru", "probability": 0.9}}
    write_run(tmp_path, RUN, WORDS, languages=languages)
    assert read_languages(tmp_path) == languages
    write_run(tmp_path, RUN, WORDS)
    assert read_languages(tmp_path) == {}
