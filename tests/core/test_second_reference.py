"""Second references: read from a tier or a folder, paired by text, scored like a system, printed as the floor."""

import re
import unicodedata
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
import soundfile
from rich.console import Console

from align_eval.corpus.folder import Corpus, load_folder
from align_eval.corpus.second_reference import of_windows, paired, partners, read_second_reference, second_checksum
from align_eval.corpus.windows import windowed
from align_eval.errors import InputError
from align_eval.formats.run.words_table import words_table
from align_eval.formats.textgrids import write_words
from align_eval.records import SECOND_REFERENCE, AudioSpan, SystemName, Utterance, Word
from align_eval.reporting.terminal.scores import floors_ms, print_run
from align_eval.run_record import Run
from align_eval.scoring.summary import score_table

FIRST = (Word("One", 0.25, 0.5), Word("two,", 0.5, 0.75))
LATER = (Word("one", 0.27, 0.5), Word("two", 0.5, 0.79))
SYSTEM = SystemName("attention:heads=all", "dtw")
SECOND = SystemName(SECOND_REFERENCE, "hand")


@pytest.fixture
def folder(tmp_path):
    """Two utterances of a second, each with the first reference and another tier."""
    for id_ in ("a", "s/b"):
        path = tmp_path / "corpus" / f"{id_}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, np.zeros(16_000, dtype=np.int16), 16_000)
        write_words(path.with_suffix(".TextGrid"), {"words": FIRST, "hand": LATER}, 1.0)
    return tmp_path / "corpus"


def test_it_is_read_from_another_tier(folder):
    second = read_second_reference(load_folder(folder), "hand")
    assert (second.name, second.failures) == ("hand", ())
    assert set(second.words) == {"a", "s/b"}
    assert second.words["a"] == (Word("One", 0.27, 0.5), Word("two,", 0.5, 0.79))


def test_it_is_read_from_a_folder_of_textgrids_of_the_same_names(folder, tmp_path):
    write_words(tmp_path / "other" / "a.TextGrid", {"words": LATER}, 1.0)
    second = read_second_reference(load_folder(folder), str(tmp_path / "other"))
    assert second.name == "other"
    assert second.words["a"] == (Word("One", 0.27, 0.5), Word("two,", 0.5, 0.79))
    (failure,) = second.failures
    assert failure.id == "s/b (second reference)"
    assert failure.message.startswith(f"second reference, {tmp_path}/other/s/b: no TextGrids have this name")


def test_one_that_has_none_of_the_words_is_refused(folder, tmp_path):
    with pytest.raises(InputError, match=r"second reference 'foot': has none of the corpus's words: .*no tier 'foot'"):
        read_second_reference(load_folder(folder), "foot")
    for id_ in ("a", "s/b"):
        write_words(tmp_path / "other" / f"{id_}.TextGrid", {"words": [Word("three", 0.1, 0.2)]}, 1.0)
    with pytest.raises(InputError, match=r"has none of the corpus's words: no word is the same"):
        read_second_reference(load_folder(folder), str(tmp_path / "other"))


def words(text: str) -> tuple[Word, ...]:
    return tuple(Word(word, float(i), i + 0.5) for i, word in enumerate(text.split()))


@pytest.mark.parametrize(
    ("first", "second", "starts"),
    [
        ("The cat, sat.", "the cat sat", [0, 1, 2]),
        ("the cat sat", "the fat cat sat", [0, 2, 3]),
        ("the big cat sat", "the cat sat", [0, None, 1, 2]),
        ("don't stop", "don’t stop", [0, 1]),
        ("Ёлка зелёная", "ёлка зелёная", [0, 1]),
        ("— yes", "yes", [None, 0]),
        ("a b", "c d", [None, None]),
    ],
)
def test_words_are_paired_by_their_text(first, second, starts):
    found = paired(words(first), words(second))
    assert [word and word.start_s for word in found] == starts
    assert [word.text for word in found if word] == [
        text for text, start_s in zip(first.split(), starts, strict=True) if start_s is not None
    ]


def test_the_words_of_windows_get_theirs_by_times_in_the_window():
    spoken = tuple(Word(f"w{i}", 10.0 * i + 1, 10.0 * i + 9) for i in range(6))
    u = Utterance("talk", AudioSpan(Path("talk.wav")), spoken, "", None, None, "talk", 60.0)
    moved = tuple(Word(w.text, w.start_s + 0.5, w.end_s + 0.5) for w in spoken)
    corpus = Corpus("c", (u,), ())
    found = of_windows(corpus, {"talk": (None, *moved[1:])}, 30.0)
    windows = windowed(corpus).utterances
    assert len(windows) == 3
    assert list(found) == [w.id for w in windows]
    assert found[windows[0].id][0] is None
    for window in windows:
        pairs = list(zip(found[window.id], window.words, strict=True))
        assert [a.start_s - b.start_s for a, b in pairs if a] == pytest.approx(
            [0.5] * sum(a is not None for a, _ in pairs)
        )


def test_the_checksum_changes_with_a_time():
    later = (Word("one", 0.25, 0.51),)
    assert second_checksum({"a": (Word("one", 0.25, 0.5),)}) != second_checksum({"a": later})


@pytest.fixture
def run():
    """Interior boundaries: the first word's end, at 0.5 and 0.5 s, and the second one's start, 0.5 and 0.53 s."""
    second = (Word("One", 0.27, 0.5), Word("two,", 0.53, 0.79))
    u = Utterance("a", AudioSpan(Path("a.wav")), FIRST, "One two,", "en", "ann", "a", 1.0, "manual")
    table = words_table([u], [SECOND, SYSTEM], {"a": {SYSTEM: FIRST, SECOND: second}})
    signature = {
        "id": "0", "model": "m", "model_checksum": "a", "corpus": "c", "corpus_checksum": "b", "text": "words",
        "context": "full", "device": "cpu", "dtype": "float32", "seed": 0, "packages": {},
    }  # fmt: skip
    return Run(2, signature, score_table(table))


def test_the_floor_is_the_mean_disagreement_at_interior_boundaries(run):
    assert floors_ms(run) == {"manual": pytest.approx(15.0)}


def test_every_table_shows_the_floor_under_the_systems(run):
    file = StringIO()
    print_run(run, Console(file=file, width=200))
    lines = [re.split(r"\s{2,}", line.strip()) for line in file.getvalue().splitlines()]
    systems = [line for line in lines if line[0] in ("attention", "second reference hand")]
    assert systems[0][0] == "attention"
    assert systems[1][:3] == ["second reference hand", "22.5", "15.0"]
    assert "It is the floor" in file.getvalue().replace("\n", " ")


def test_words_without_a_second_time_count_against_its_coverage_alone():
    u = Utterance("a", AudioSpan(Path("a.wav")), FIRST, "One two,", "en", "ann", "a", 1.0, "manual")
    second = partners((None, FIRST[1]))
    table = words_table([u], [SYSTEM, SECOND], {"a": {SYSTEM: FIRST, SECOND: FIRST[1:]}}, {"a": {SECOND: second}})
    coverage = {r.source: r.value for r in score_table(table) if r.metric == "coverage" and r.boundaries == "all"}
    assert coverage == {SYSTEM.source: 1.0, SECOND_REFERENCE: 0.5}


def test_second_references_are_found_by_names_in_nfc_and_through_links(tmp_path):
    """macOS writes the names of files decomposed (NFD)."""
    name, decomposed = "théorème", unicodedata.normalize("NFD", "théorème")
    (tmp_path / "corpus").mkdir()
    soundfile.write(tmp_path / "corpus" / f"{decomposed}.wav", np.zeros(16_000, dtype=np.int16), 16_000)
    words = {"words": (Word("one", 0.1, 0.5),), "other": (Word("one", 0.2, 0.5),)}
    write_words(tmp_path / "corpus" / f"{name}.TextGrid", words, 1.0)
    write_words(tmp_path / "store" / f"{decomposed}.TextGrid", {"words": (Word("one", 0.3, 0.5),)}, 1.0)
    (tmp_path / "second").symlink_to("store")
    corpus = load_folder(tmp_path / "corpus")
    assert read_second_reference(corpus, "other").words == {name: words["other"]}
    assert read_second_reference(corpus, str(tmp_path / "second")).words == {name: (Word("one", 0.3, 0.5),)}
