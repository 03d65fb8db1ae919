"""Scores of word times in files of other systems, and the commands ``score`` and ``lint``."""

import json
import shlex
import shutil
import unicodedata
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pytest
import soundfile

from align_eval.corpus.bundled import bundled_path
from align_eval.errors import InputError
from align_eval.formats.hypothesis.detect import FORMATS
from align_eval.formats.run.folder import read_run, write_run
from align_eval.formats.run.words_table import read_words_table, words_table
from align_eval.formats.textgrids import read_words, write_words
from align_eval.lint_files import lint_path
from align_eval.records import AudioSpan, SystemName, Utterance, Word
from align_eval.score_files import score_hypothesis
from tests.helpers.command_line import align_eval
from tests.helpers.hypothesis_files import CLIP, GOOD, HYPOTHESES, WORDS, write_good
from tests.helpers.score_rows import value

REFERENCE = bundled_path("demo") / f"{CLIP}.TextGrid"
SYSTEMS = ("openai-whisper", "faster-whisper", "whisper-timestamped", "stable-ts", "whisperx", "transformers")


TEXT3 = ("so", "very", "far")


def by_hand(folder: Path, words: list[tuple[str, float, float]], name: str = "a") -> Path:
    """A TextGrid of words that touch or not, in a second and a half."""
    path = folder / f"{name}.TextGrid"
    write_words(path, {"words": [Word(*word) for word in words]}, 1.5)
    return path


@pytest.mark.parametrize("form", FORMATS)
def test_a_shift_of_40_ms_reads_as_40_ms_in_every_form(form, tmp_path):
    """The reference is the form's own words 40 ms earlier, so that each boundary is 40 ms late."""
    reference = by_hand(tmp_path / "reference", [(w, s - 0.04, e - 0.04) for w, s, e in WORDS])
    scored = score_hypothesis(reference, write_good(tmp_path, form))
    assert scored.run.signature["systems"] == [[form, "given"]]
    assert scored.run.failures == ()
    for metric in ("wbe_mean", "wbe_median", "start_bias", "end_bias"):
        assert value(scored.run.rows, metric) == pytest.approx(40)
    assert (value(scored.run.rows, "within_50ms"), value(scored.run.rows, "within_25ms")) == (1, 0)
    assert value(scored.run.rows, "coverage") == 1


@pytest.mark.parametrize("system", SYSTEMS)
def test_what_systems_wrote_of_a_clip_is_scored_against_its_reference(system):
    """A file against a file is paired whatever its name. "ill disposed" came out as "old-sposed", in one part or two;
    in whisperX's file, written by hand, as a word without times."""
    (path,) = (HYPOTHESES / system).iterdir()
    scored = score_hypothesis(REFERENCE, path)
    assert scored.run.failures == ()
    assert scored.form == system
    assert 0 < value(scored.run.rows, "wbe_mean") < 200
    assert value(scored.run.rows, "substituted") + value(scored.run.rows, "deleted") in (1, 2)
    said = [row for row in scored.words.to_pylist() if row["word"] in ("young", "man")]
    assert [row["hypothesis"] for row in said] == ["young", "man."]


def test_words_without_times_are_lost_and_counted(tmp_path):
    reference = by_hand(tmp_path, [("so", 0.1, 0.4), ("2", 0.4, 0.5), ("far", 0.5, 0.9)])
    (tmp_path / "a.srt").write_text(
        "1\n00:00:00,100 --> 00:00:00,400\n<u>so</u> 2 far\n\n2\n00:00:00,500 --> 00:00:00,900\nso 2 <u>far</u>\n"
    )
    scored = score_hypothesis(reference, tmp_path / "a.srt")
    rows = scored.words.to_pylist()
    assert [(r["hypothesis"], r["start_s"]) for r in rows] == [("so", 0.1), ("2", None), ("far", 0.5)]
    assert value(scored.run.rows, "coverage") == pytest.approx(2 / 3)
    assert value(scored.run.rows, "wbe_mean") == pytest.approx(0)
    assert [(f.rule, f.word) for f in scored.lint] == [("untimed", "2")]


def test_words_of_a_unit_are_timed_as_one_and_not_at_all_where_one_of_them_has_no_times(tmp_path):
    reference = by_hand(tmp_path, [("twenty", 0.1, 0.4), ("one", 0.4, 0.7), ("men", 0.7, 1.0)])
    path = tmp_path / "a.json"
    word = {"word": "21", "start": 0.1, "end": 0.6, "score": 0.9}
    for untimed in (False, True):
        first = {"word": "21"} if untimed else word
        words = [first, {"word": "men", "start": 0.7, "end": 1.0, "score": 0.9}]
        path.write_text(json.dumps({"segments": [{"text": "21 men", "words": words}], "word_segments": words}))
        scored = score_hypothesis(reference, path)
        rows = scored.words.to_pylist()
        assert [r["hypothesis"] for r in rows] == ["21", "21", "men"]
        known = [None, None] if untimed else [0.1, 0.6]
        assert [rows[0]["start_s"], rows[1]["end_s"], rows[0]["end_s"], rows[1]["start_s"]] == [*known, None, None]
        assert value(scored.run.rows, "coverage") == pytest.approx(1 / 3 if untimed else 1)


def test_a_folder_is_scored_by_name_with_what_has_no_partner_named_and_counted(tmp_path):
    reference, hypothesis = tmp_path / "reference", tmp_path / "hypothesis"
    for name in ("anna/1", "ben/2"):
        by_hand(reference / Path(name).parent, WORDS, Path(name).name)
    write_good(hypothesis, "srt", "anna/1")
    write_good(hypothesis, "srt", "cleo/3")
    scored = score_hypothesis(reference, hypothesis, name="theirs")
    assert [failure.id for failure in scored.run.failures] == ["ben/2", "cleo/3"]
    assert "2.TextGrid: " in scored.run.failures[0].message
    assert "has nothing named 'ben/2'; its words count as lost" in scored.run.failures[0].message
    assert "3.srt: " in scored.run.failures[1].message
    assert "has nothing named 'cleo/3'; it is not scored" in scored.run.failures[1].message
    assert value(scored.run.rows, "coverage") == 0.5
    assert set(scored.words.column("source").to_pylist()) == {"theirs"}
    assert set(scored.words.column("speaker").to_pylist()) == {"anna", "ben"}


def test_names_that_do_not_meet_are_refused_with_both(tmp_path):
    write_good(tmp_path / "h", "srt", "x")
    with pytest.raises(InputError, match=r"h: has no recording of the reference: it has 'x', not 'en_arctic_a0007', "):
        score_hypothesis("demo", tmp_path / "h")


def test_a_reference_without_usable_words_is_refused_with_what_is_wrong(tmp_path):
    path = write_good(tmp_path, "ctm")
    (tmp_path / "a.json").write_text(json.dumps({"segments": [{"text": "so", "words": []}], "word_segments": []}))
    with pytest.raises(InputError, match=r"a\.json: has no usable words: .*a\.json: has no words with times"):
        score_hypothesis(tmp_path / "a.json", path)


def test_words_of_a_reference_without_times_are_paired_listed_and_not_scored(tmp_path):
    """The text of both sides is the same, so nothing is inserted; two of three words are scored."""
    timed = {"so": (0.1, 0.4), "far": (0.5, 0.9)}
    words = [{"word": w} | (dict(zip(("start", "end"), timed[w], strict=True)) if w in timed else {}) for w in TEXT3]
    (tmp_path / "a.json").write_text(json.dumps({"segments": [{"text": "", "words": words}], "word_segments": words}))
    hypothesis = by_hand(tmp_path, [("so", 0.1, 0.4), ("very", 0.4, 0.5), ("far", 0.5, 0.9)])
    scored = score_hypothesis(tmp_path / "a.json", hypothesis)
    assert [row["word"] for row in scored.words.to_pylist()] == ["so", "far"]
    assert [value(scored.run.rows, metric) for metric in ("wbe_mean", "inserted", "deleted", "coverage")] == [
        0,
        0,
        0,
        1,
    ]
    (finding,) = scored.untimed
    assert (finding.rule, finding.word, finding.place) == ("untimed", "very", f"{tmp_path}/a.json, segment 1, word 2")
    done = align_eval("score", tmp_path / "a.json", hypothesis)
    assert "1 word of the reference has no usable times and is not scored." in done.stdout


@pytest.mark.parametrize("name", [" ", "a\nb", "\x1b[31m"])
def test_a_system_is_named_as_can_be_printed(name, tmp_path):
    path = write_good(tmp_path, "ctm")
    with pytest.raises(InputError, match=r"--name .*: is not a name; use printable"):
        score_hypothesis(path, path, name=name)


@pytest.mark.parametrize(("name", "source"), [("", "ctm"), (None, "ctm"), (" mine ", "mine")])
def test_a_system_without_a_name_has_that_of_its_form(name, source, tmp_path):
    path = write_good(tmp_path, "ctm")
    assert {row.source for row in score_hypothesis(path, path, name=name).run.rows} == {source}


def test_the_order_and_overlap_of_words_do_not_stop_a_run_from_being_written(tmp_path):
    """Every word that has times is in the TextGrid: as an interval, or as a point where it overlaps another.

    The file is JSON: a CTM would be sorted."""
    times = [("so", 0.1, 0.9), ("far", 0.2, 0.4), ("far", 0.05, 0.1), ("good", 1.0, 1.0)]
    path = tmp_path / "a.json"
    words = [{"word": word, "start": start_s, "end": end_s, "probability": 0.5} for word, start_s, end_s in times]
    segment = {"id": 0, "start": 0.05, "end": 1.0, "text": " so far far good", "words": words}
    path.write_text(json.dumps({"text": segment["text"], "segments": [segment], "language": "en"}))
    reference = by_hand(tmp_path, [("so", 0.1, 0.4), ("far", 0.4, 0.8), ("good", 0.8, 1.0)])
    scored = score_hypothesis(reference, path)
    assert {f.rule for f in scored.lint} == {"overlap", "order", "zero-length"}
    write_run(tmp_path / "out", scored.run, scored.words)
    grid = tmp_path / "out" / "textgrids" / "a.TextGrid"
    assert [w.text for w in read_words(grid, "openai-whisper | given")] == ["far", "so"]
    text = grid.read_text(encoding="utf-8")
    assert "openai-whisper | given (overlapping)" in text
    assert "openai-whisper | given (no length)" in text


def test_a_run_of_files_is_written_read_and_linted_as_any_run(tmp_path):
    scored = score_hypothesis(REFERENCE, next((HYPOTHESES / "stable-ts").iterdir()))
    written = write_run(tmp_path / "out", scored.run, scored.words)
    assert replace(written, files={}) == scored.run
    assert read_run(tmp_path / "out") == written
    assert read_words_table(tmp_path / "out" / "words.parquet").equals(scored.words)
    linted = lint_path(tmp_path / "out")
    assert (linted.form, linted.findings, linted.failures) == ("run", (), ())


def test_the_signature_holds_what_was_scored_and_not_where_it_lay(tmp_path):
    for folder in ("a", "b"):
        write_good(tmp_path / folder, "srt")
    first, second = (score_hypothesis(REFERENCE, tmp_path / folder / "a.srt").run.signature for folder in ("a", "b"))
    assert first == second
    (tmp_path / "b" / "a.srt").write_text(GOOD["srt"].replace("900", "901"))
    moved = score_hypothesis(REFERENCE, tmp_path / "b" / "a.srt").run.signature
    assert {key for key in first if first[key] != moved[key]} == {"id", "model_checksum"}
    assert first["text"] == "hypothesis"


def test_a_corpus_with_audio_has_the_checksum_of_its_runs(tmp_path):
    """So that the gate can hold a run of files to a run of a model on the same corpus."""
    from align_eval.corpus.bundled import load_corpus
    from align_eval.corpus.folder import corpus_checksum

    shutil.copytree(HYPOTHESES / "openai-whisper", tmp_path / "h")
    signature = score_hypothesis("demo", tmp_path / "h").run.signature
    assert signature["corpus_checksum"] == corpus_checksum(load_corpus("demo").utterances)


def test_lint_of_a_run_says_system_and_word(tmp_path):
    reference = by_hand(tmp_path, WORDS)
    (tmp_path / "a.srt").write_text(GOOD["srt"].replace("00:00:00,500", "00:00:00,900"))
    scored = score_hypothesis(reference, tmp_path / "a.srt")
    write_run(tmp_path / "out", scored.run, scored.words)
    (finding,) = lint_path(tmp_path / "out").findings
    assert (finding.rule, finding.place, finding.word) == ("zero-length", "a, srt | given, word 2", "two")


def test_words_of_a_window_are_linted_on_the_clock_of_their_file(tmp_path):
    """A window from 40 to 45 s holds a word at 41 s; one at 45.5 s lies outside it."""
    words = (Word("in", 1.0, 1.5), Word("out", 5.5, 6.0))
    u = Utterance("a@40", AudioSpan(tmp_path / "a.wav", None, 40.0, 45.0), words, "in out", "en", None, "a", 5.0)
    system = SystemName("theirs", "given")
    run = score_hypothesis(REFERENCE, next((HYPOTHESES / "stable-ts").iterdir())).run
    write_run(tmp_path / "out", run, words_table([u], [system], {u.id: {system: words}}))
    (finding,) = lint_path(tmp_path / "out").findings
    assert (finding.rule, finding.word) == ("outside", "out")


# The command line


def test_the_command_scores_writes_and_exits_0(tmp_path):
    done = align_eval("score", str(REFERENCE), str(HYPOTHESES / "stable-ts"), "--out", "out", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "stable-ts" in done.stdout
    assert "lint: 8 words, nothing found" in done.stdout
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["run.json", "textgrids", "words.parquet"]
    table = read_words_table(tmp_path / "out" / "words.parquet")
    assert pc.count_distinct(table.column("source")).as_py() == 1


def test_json_is_the_run_with_its_lint(tmp_path):
    done = align_eval(
        "score", str(REFERENCE), str(HYPOTHESES / "stable-ts"), "--json", "--name", "theirs", cwd=tmp_path
    )
    values = json.loads(done.stdout)
    assert (done.returncode, values["form"], values["lint"]["n_words"]) == (0, "stable-ts", 8)
    assert {row["source"] for row in values["rows"]} == {"theirs"}


LINTED = "00:00:00,100 --> 00:00:00,100"


@pytest.mark.parametrize(
    ("arguments", "code", "listed"),
    [
        (["lint", "a.srt"], 0, True),
        (["lint", "a.srt", "--fail"], 1, True),
        (["score", "a.TextGrid", "a.srt"], 0, False),
        (["score", "a.TextGrid", "a.srt", "--lint", "listed"], 0, True),
        (["score", "a.TextGrid", "a.srt", "--lint", "fail"], 1, True),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_lint_exits_1_on_request_only(arguments, code, listed, tmp_path):
    by_hand(tmp_path, WORDS)
    (tmp_path / "a.srt").write_text(GOOD["srt"].replace("00:00:00,100 --> 00:00:00,400", LINTED))
    done = align_eval(*arguments, cwd=tmp_path)
    line = "zero-length: a.srt, cue 1, line 2: 'one' (0.100 to 0.100 s) ends where it starts\n"
    assert (done.returncode, line in done.stdout) == (code, listed)
    assert "lint: 2 words, 1 zero-length" in done.stdout


def test_rounding_in_a_textgrid_is_told_once_by_lint(tmp_path):
    path = by_hand(tmp_path, [("so", 0.1, 0.4), ("far", 0.4, 0.9)])
    path.write_text(path.read_text().replace("xmin = 0.4\n", "xmin = 0.3995\n"))
    done = align_eval("lint", path)
    assert (done.stdout, done.stderr) == (
        "lint: 2 words, nothing found\ntaken as rounding: 1 overlap of up to 2 ms\n",
        "",
    )


BAD_CTM = "a 1 0.1 0.3 one\na 1 0.399 0.5 two\na 1 1.5 -0.3 three\na 1 -1 0.3 four\n"


def test_bad_words_are_counted_and_listed_and_the_others_scored(tmp_path):
    """The second word overlaps the first by 1 ms: rounding. The last two are kept without times, and not scored."""
    (tmp_path / "h.ctm").write_text(BAD_CTM)
    by_hand(tmp_path, [("one", 0.1, 0.4), ("two", 0.4, 0.9), ("three", 0.9, 1.1), ("four", 1.1, 1.2)], "r")
    done = align_eval("lint", "h.ctm", cwd=tmp_path)
    assert done.stdout.splitlines() == [
        "untimed: h.ctm, line 3: 'three' (no times) ends (1.2 s) before it starts (1.5 s)",
        "untimed: h.ctm, line 4: 'four' (no times) starts at a negative time (-1 s)",
        "lint: 4 words, 2 untimed",
        "taken as rounding: 1 overlap of up to 2 ms",
    ]
    done = align_eval("lint", "h.ctm", "--tolerance-ms", "0.5", cwd=tmp_path)
    assert "lint: 4 words, 1 overlap, 2 untimed" in done.stdout
    assert "rounding" not in done.stdout
    done = align_eval("score", "r.TextGrid", "h.ctm", cwd=tmp_path)
    assert done.stdout.endswith("lint: 4 words, 2 untimed\ntaken as rounding: 1 overlap of up to 2 ms\n")
    scored = score_hypothesis(tmp_path / "r.TextGrid", tmp_path / "h.ctm")
    assert (value(scored.run.rows, "coverage"), scored.rounded) == (0.5, {"overlap": 1})
    assert scored.words.column("hypothesis").to_pylist() == ["one", "two", "three", "four"]


def test_a_reference_word_with_impossible_times_is_listed_with_them_and_not_scored(tmp_path):
    (tmp_path / "r.ctm").write_text(BAD_CTM)
    scored = score_hypothesis(tmp_path / "r.ctm", write_good(tmp_path, "srt"))
    places = {finding.word: (finding.place, finding.problem) for finding in scored.untimed}
    assert list(places) == ["three", "four"]
    assert places["three"] == (f"{tmp_path}/r.ctm, line 3", "ends (1.2 s) before it starts (1.5 s)")
    assert scored.words.column("word").to_pylist() == ["one", "two"]


def test_lint_can_be_left_out_and_printed_as_json(tmp_path):
    by_hand(tmp_path, WORDS)
    (tmp_path / "a.srt").write_text(GOOD["srt"].replace("00:00:00,100 --> 00:00:00,400", LINTED))
    assert "lint" not in align_eval("score", "a.TextGrid", "a.srt", "--lint", "off", cwd=tmp_path).stdout
    values = json.loads(align_eval("lint", "a.srt", "--json", cwd=tmp_path).stdout)
    assert (values["form"], values["counts"], values["failures"]) == ("srt", {"zero-length": 1}, [])


@pytest.mark.parametrize("form", FORMATS)
def test_a_malformed_file_is_one_line_with_its_place_and_exit_code_2(form, tmp_path):
    path = write_good(tmp_path, form)
    reference = by_hand(tmp_path / "reference", WORDS)
    path.write_bytes(GOOD[form].encode()[:-12])
    for arguments in (["lint", path.name, "--format", form], ["score", str(reference), path.name, "--format", form]):
        done = align_eval(*arguments, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith(f"error: {path.name}"), done.stderr
        assert done.stderr.count("\n") == 1


def test_a_folder_with_a_bad_file_scores_the_rest_and_exits_2(tmp_path):
    by_hand(tmp_path / "r", WORDS, "a")
    by_hand(tmp_path / "r", WORDS, "b")
    write_good(tmp_path / "h", "ctm", "a")
    (tmp_path / "h" / "b.ctm").write_text("b 1 0,1 1 x\n")
    done = align_eval("score", "r", "h", cwd=tmp_path)
    assert done.returncode == 2
    assert "failed: h/b.ctm, line 1: start is '0,1', not a number" in done.stdout
    assert "50%" in done.stdout
    done = align_eval("lint", "h", cwd=tmp_path)
    assert (done.returncode, "1 failed." in done.stdout) == (2, True)


# Two speakers in one TextGrid, as the Montreal Forced Aligner writes them

ANNA = [Word("so", 0.1, 0.4), Word("far", 0.6, 0.9)]
BEN = [Word("yes", 0.3, 0.5), Word("good", 1.0, 1.3)]
MERGED = [ANNA[0], BEN[0], ANNA[1], BEN[1]]
BOTH = ["anna - words", "ben - words"]


def dialogue(folder: Path, name: str = "talk", shift_s: float = 0.0) -> Path:
    tiers = {
        f"{speaker} - {tier}": [replace(w, start_s=w.start_s + shift_s, end_s=w.end_s + shift_s) for w in words]
        for speaker, words in (("anna", ANNA), ("ben", BEN))
        for tier in ("words", "phones")
    }
    path = folder / f"{name}.TextGrid"
    write_words(path, tiers, 1.5)
    return path


def as_ctm(folder: Path, words: list[Word], name: str = "talk") -> Path:
    path = folder / f"{name}.ctm"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{name} 1 {w.start_s + 0.01:.2f} {w.end_s - w.start_s:.2f} {w.text}\n" for w in words))
    return path


@pytest.mark.parametrize("tiers", [BOTH, tuple(reversed(BOTH)), ["1", "3"]])
def test_two_speakers_in_one_textgrid_are_scored_against_one_hypothesis_of_the_recording(tiers, tmp_path):
    """All four words are 10 ms late. "yes" overlaps "so", so that in the order of starts the words alternate."""
    scored = score_hypothesis(dialogue(tmp_path), as_ctm(tmp_path, MERGED), tier=tiers)
    assert scored.run.failures == ()
    assert [row["word"] for row in scored.words.to_pylist()] == ["so", "yes", "far", "good"]
    assert value(scored.run.rows, "wbe_mean") == pytest.approx(10)
    assert value(scored.run.rows, "coverage") == 1


def test_a_recording_of_several_speakers_has_no_speaker_and_is_its_own_cluster(tmp_path):
    """The folder is a session here, not a speaker; corpus.csv may still state one."""
    for name in ("session/1", "session/2"):
        dialogue(tmp_path / "r", name)
        as_ctm(tmp_path / "h" / "session", MERGED, name[-1])
    scored = score_hypothesis(tmp_path / "r", tmp_path / "h", tier=BOTH)
    assert {(row["speaker"], row["recording"]) for row in scored.words.to_pylist()} == {
        (None, "session/1"), (None, "session/2")
    }  # fmt: skip
    assert {row.n_clusters for row in scored.run.rows if row.metric == "wbe_mean"} == {2}
    (tmp_path / "r" / "corpus.csv").write_text("id,speaker\nsession/1,both\n")
    scored = score_hypothesis(tmp_path / "r", tmp_path / "h", tier=BOTH)
    assert {row["speaker"] for row in scored.words.to_pylist()} == {"both", None}


def test_the_tiers_of_a_hypothesis_are_merged_as_well(tmp_path):
    hypothesis = dialogue(tmp_path / "h", shift_s=0.02)
    scored = score_hypothesis(dialogue(tmp_path / "r"), hypothesis, tier=BOTH, hypothesis_tier=BOTH)
    assert value(scored.run.rows, "wbe_mean") == pytest.approx(20)
    assert {f.rule for f in lint_path(hypothesis, tier=BOTH).findings} == {"overlap"}


def test_whole_recordings_of_a_corpus_with_audio_are_scored_where_all_tiers_are_named(tmp_path):
    corpus = tmp_path / "corpus"
    dialogue(corpus)
    soundfile.write(corpus / "talk.wav", np.zeros(24_000, dtype=np.int16), 16_000)
    hypothesis = as_ctm(tmp_path / "h", MERGED)
    done = align_eval("score", corpus, hypothesis.parent)
    assert done.returncode == 2
    _, _, options = done.stderr.strip().rpartition("to score whole recordings, name the tiers of all speakers: ")
    assert options == "--tier 'anna - words' --tier 'ben - words'"
    done = align_eval("score", corpus, hypothesis.parent, *shlex.split(options), "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["lint"]["n_words"] == 4


def test_audio_without_a_textgrid_is_listed_where_several_tiers_are_read(tmp_path):
    """As it is where one tier is read. corpus.csv may have its row."""
    dialogue(tmp_path / "r")
    for name in ("talk", "alone"):
        soundfile.write(tmp_path / "r" / f"{name}.wav", np.zeros(24_000, dtype=np.int16), 16_000)
    (tmp_path / "r" / "corpus.csv").write_text("id,language\nalone,en\ntalk,en\n")
    scored = score_hypothesis(tmp_path / "r", as_ctm(tmp_path / "h", MERGED).parent, tier=BOTH)
    (failure,) = scored.run.failures
    assert failure.id == "alone"
    assert "alone.wav: has no TextGrid beside it; add alone.TextGrid" in failure.message
    assert value(scored.run.rows, "coverage") == 1


def test_names_of_recordings_meet_in_nfc_with_audio_and_without(tmp_path):
    """macOS writes the names of files decomposed (NFD)."""
    name, decomposed = "théorème", unicodedata.normalize("NFD", "théorème")
    by_hand(tmp_path / "r", WORDS, name)
    write_good(tmp_path / "h", "openai-whisper", decomposed)
    alone = score_hypothesis(tmp_path / "r", tmp_path / "h")
    soundfile.write(tmp_path / "r" / f"{decomposed}.wav", np.zeros(24_000, dtype=np.int16), 16_000)
    with_audio = score_hypothesis(tmp_path / "r", tmp_path / "h")
    for scored in (alone, with_audio):
        assert scored.run.failures == ()
        assert value(scored.run.rows, "coverage") == 1
        assert {row["utterance"] for row in scored.words.to_pylist()} == {name}
