"""Lhotse manifests, written by hand and by lhotse. They are among the tests with a model because lhotse needs torch."""

import json

import pytest

from align_eval.corpus.audio import read_audio
from align_eval.corpus.bundled import load_corpus
from align_eval.corpus.convert import convert_corpus
from align_eval.errors import InputError
from tests.core.test_corpus_kinds import words_of
from tests.corpora import RATE, make_corpus, pack, ramp

pytestmark = pytest.mark.peers

HELLO = [("hello", 1.25, 1.5), ("Bob's", 1.5, 1.75), ("world", 2.0, 2.5)]


@pytest.fixture
def folder(tmp_path):
    return make_corpus("lhotse", tmp_path)


@pytest.fixture
def cuts(folder):
    """The manifests as lhotse's cuts of the recording, the audio by its full path."""
    from lhotse import CutSet, load_manifest

    recordings = load_manifest(folder / "recordings.jsonl").with_path_prefix(folder)
    return CutSet.from_manifests(recordings=recordings, supervisions=load_manifest(folder / "supervisions.jsonl"))


def only(folder, cut_set, name="cuts.jsonl"):
    """A folder with those cuts and nothing else."""
    path = folder.parent / "cuts" / name
    path.parent.mkdir()
    cut_set.to_file(path)
    return path


def failures_of(corpus):
    return {failure.id: failure.message for failure in corpus.failures}


@pytest.mark.parametrize("packed", [False, True])
def test_supervisions_are_read_with_their_recordings(folder, packed):
    if packed:
        for path in list(folder.glob("*.jsonl")):
            pack(path)
    corpus = load_corpus(folder)
    (u,) = corpus.utterances
    assert (u.id, words_of(u), u.speaker, u.language, u.recording) == ("sup1", HELLO, "anna", "en", "rec1")
    assert (u.audio.start_s, u.audio.end_s) == (1.0, 3.0)
    assert (read_audio(u.audio) * 32768 == ramp(6.0)[RATE : 3 * RATE, 0]).all()
    assert dict(corpus.marks) == {"<unk>": 1, "<eps>": 1}


def test_what_has_no_words_or_no_file_is_listed_and_commands_are_not_run(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    failures = failures_of(load_corpus(folder))
    assert set(failures) == {"sup2", "sup3"}
    assert "sup2: has no alignment 'word'" in failures["sup2"]
    assert "sup3: its audio is a command, and only files are read" in failures["sup3"]
    assert not list(tmp_path.rglob("EXECUTED"))


@pytest.mark.parametrize("name", ["cuts.jsonl", "cuts.jsonl.gz"])
def test_cuts_that_lhotse_wrote_are_read_by_file_or_folder(folder, cuts, name):
    """Each supervision is a cut of its own and starts at 0 in it; its words still count from the recording's start."""
    path = only(folder, cuts.trim_to_supervisions(), name)
    for corpus in (load_corpus(path), load_corpus(path.parent)):
        (u,) = corpus.utterances
        assert (corpus.kind, words_of(u), u.audio.path.name) == ("lhotse", HELLO, "rec1.wav")


def test_a_cut_of_several_supervisions_gives_each_its_own_utterance(folder, cuts):
    corpus = load_corpus(only(folder, cuts))
    (u,) = corpus.utterances
    assert (u.id.rpartition("/")[2], words_of(u)) == ("sup1", HELLO)


def test_what_is_not_plain_audio_is_refused_by_name(folder, cuts):
    from lhotse import CutSet

    first = next(iter(cuts.trim_to_supervisions()))
    mixed, faster = first.append(first), first.perturb_speed(1.1).with_id("faster")
    failures = failures_of(load_corpus(only(folder, CutSet.from_cuts([mixed.with_id("mixed"), faster]))))
    assert "its recording has transforms, which are not applied" in failures["faster"]
    (mixed_id,) = failures.keys() - {"faster"}
    assert "is mixed, padding" in failures[mixed_id]


def test_cuts_beside_supervisions_are_not_guessed_between(folder, cuts):
    cuts.to_file(folder / "cuts.jsonl")
    with pytest.raises(InputError, match=r"holds cuts and supervisions: .*cuts\.jsonl.*; name one manifest of cuts"):
        load_corpus(folder)


@pytest.mark.parametrize(
    "line", ['{"type": "MonoCut"}', '{"type": "MonoCut", "id": 3, "start": "x"}', '{"id": "a", "type": "UnknownCut"}']
)
def test_a_damaged_manifest_is_refused_with_its_name(tmp_path, line):
    (tmp_path / "cuts.jsonl").write_text(line + "\n")
    with pytest.raises(InputError, match=r"cuts\.jsonl: lhotse cannot read it"):
        load_corpus(tmp_path)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("start", "x", "start is 'x', not a number"),
        ("start", [1.0], "start is a list in JSON, not a number"),
        ("duration", None, "duration is null, not a number"),
        ("duration", True, "duration is True, not a number"),
        ("language", 1.5, "its language is 1.5"),
        ("text", {"a": 1}, "its text is {'a': 1}"),
        ("speaker", [], r"its speaker is []"),
        ("channel", [[0]], "its channels are [[[0]], [0]]"),
        ("channel", "0", "its channel is '0'"),
        ("alignment", {"word": [[1, 1.25, 0.25]]}, "its symbol is 1"),
        ("alignment", {"word": [["hello", None, 0.25]]}, "start is null, not a number"),
        ("alignment", {"word": [["hello", 1.25, 10**400]]}, "the times of 'hello' are not finite"),
        ("duration", 1.0, "lasts from 1 to 2 s and does not hold its words"),
    ],
)
def test_a_supervision_with_another_value_is_a_failure_and_the_others_are_read(folder, key, value, message):
    """lhotse checks no types. The words of sup1 end at 2.5 s; a second one with the good values stands behind it."""
    lines = (folder / "supervisions.jsonl").read_text().splitlines()
    good = json.loads(lines[0])
    odd = good | {"id": "odd", key: value}
    (folder / "supervisions.jsonl").write_text(f"{lines[1]}\n{json.dumps(odd)}\n{lines[0]}\n")
    corpus = load_corpus(folder)
    assert [u.id for u in corpus.utterances] == ["sup1"]
    assert message in failures_of(corpus)["odd"]


@pytest.mark.parametrize("id_", [1, None, {"a": 1}, ["sup"]])
def test_a_supervision_or_recording_without_a_text_as_id_is_a_failure(folder, id_):
    for name in ("supervisions", "recordings"):
        path = folder / f"{name}.jsonl"
        lines = path.read_text().splitlines()
        path.write_text("\n".join([*lines, json.dumps(json.loads(lines[0]) | {"id": id_})]) + "\n")
    corpus = load_corpus(folder)
    assert [u.id for u in corpus.utterances] == ["sup1"]
    assert {"item 4", "recording 3"} <= failures_of(corpus).keys()


def test_a_converted_manifest_is_the_same_words_on_the_same_samples(folder, tmp_path):
    corpus = load_corpus(folder)
    convert_corpus(corpus, tmp_path / "out")
    (u,), (v,) = corpus.utterances, load_corpus(tmp_path / "out").utterances
    assert [(w.text, w.start_s, w.end_s) for w in v.words] == [(w.text, w.start_s, w.end_s) for w in u.words]
    assert (read_audio(v.audio) == read_audio(u.audio)).all()
