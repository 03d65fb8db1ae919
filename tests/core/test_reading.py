"""A file that cannot be read, or changes while it is read, is one failure; the others are scored."""

from __future__ import annotations

import errno
import gzip
import os
import socket
from pathlib import Path

import numpy as np
import pytest
import soundfile

from align_eval.corpus.audio import decode, open_sound, read_audio
from align_eval.corpus.bundled import load_corpus
from align_eval.corpus.check import check_corpus
from align_eval.corpus.checksums import UNREADABLE, FileChecksums
from align_eval.corpus.folder import corpus_checksum, load_folder
from align_eval.errors import InputError
from align_eval.formats.praat import read_textgrid
from align_eval.formats.textgrids import write_words
from align_eval.lint_files import lint_path
from align_eval.reading import MAX_LINE_BYTES, read_bytes, read_head
from align_eval.records import AudioSpan, Word
from align_eval.score_files import score_hypothesis
from align_eval.scoring.protocol_file import read_protocols
from tests.helpers.command_line import align_eval

CORPORA = Path(__file__).parents[1] / "corpora"

RATE = 16_000


def sound(path: Path, seconds: float = 1.0, seed: int = 0) -> None:
    samples = np.random.default_rng(seed).uniform(-0.1, 0.1, round(seconds * RATE))
    soundfile.write(path, samples, RATE)


def corpus(folder: Path, *names: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name in names:
        sound(folder / f"{name}.wav")
        write_words(folder / f"{name}.TextGrid", {"words": [Word("one", 0.1, 0.4), Word("two", 0.5, 0.9)]}, 1.0)
    return folder


def ctm(path: Path) -> None:
    path.write_text(f"{path.stem} 1 0.1 0.3 one\n{path.stem} 1 0.5 0.4 two\n")


def theirs(folder: Path, *names: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name in names:
        ctm(folder / f"{name}.ctm")
    return folder


@pytest.fixture
def unreadable(monkeypatch):
    """Make opening a file fail, as it does without permission; these machines may run as root."""
    opened = Path.open

    def fail(path: Path, number: int = errno.EACCES) -> None:
        def refuse(self, *args, **kwargs):
            if self == path:
                raise OSError(number, os.strerror(number), str(self))
            return opened(self, *args, **kwargs)

        monkeypatch.setattr(Path, "open", refuse)

    return fail


def make_pipe(path: Path) -> None:
    path.unlink(missing_ok=True)
    os.mkfifo(path)


def make_socket(path: Path) -> None:
    path.unlink(missing_ok=True)
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.close()


def make_loop(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to(path.name)


def make_device(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to("/dev/zero")


MAKE = pytest.mark.parametrize("make", [make_pipe, make_socket, make_loop, make_device])


@pytest.mark.parametrize("name", ["b.wav", "b.TextGrid"])
@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO, errno.ELOOP])
def test_an_unreadable_file_of_a_corpus_is_one_failure(tmp_path, unreadable, name, number):
    corpus(tmp_path, "a", "b", "c")
    unreadable(tmp_path / name, number)
    problems = check_corpus(load_folder(tmp_path)).problems
    assert [failure.id for failure in problems] == ["b"]
    assert f"cannot be read ({os.strerror(number)})" in problems[0].message


@MAKE
@pytest.mark.parametrize("name", ["b.wav", "b.TextGrid"])
def test_what_is_no_file_in_a_corpus_is_one_failure_and_does_not_block(tmp_path, make, name):
    corpus(tmp_path, "a", "b", "c")
    make(tmp_path / name)
    assert [failure.id for failure in check_corpus(load_folder(tmp_path)).problems] == ["b"]


@MAKE
def test_what_is_no_file_among_those_of_a_system_is_one_failure(tmp_path, make):
    corpus(tmp_path / "r", "a", "b")
    theirs(tmp_path / "h", "a", "b")
    make(tmp_path / "h" / "b.ctm")
    scored = score_hypothesis(tmp_path / "r", tmp_path / "h")
    assert {failure.id for failure in scored.run.failures} == {"b"}
    assert scored.words.filter(scored.words.column("utterance").is_valid()).num_rows == 4
    assert len(lint_path(tmp_path / "h").failures) == 1


@pytest.mark.parametrize("side", ["r/b.wav", "r/b.TextGrid", "h/b.ctm"])
def test_an_unreadable_file_of_either_side_is_listed_and_the_others_are_scored(tmp_path, unreadable, side):
    corpus(tmp_path / "r", "a", "b")
    theirs(tmp_path / "h", "a", "b")
    unreadable(tmp_path / side)
    scored = score_hypothesis(tmp_path / "r", tmp_path / "h")
    assert {failure.id for failure in scored.run.failures} == {"b"}
    assert any("Permission denied" in failure.message for failure in scored.run.failures)
    assert "a" in scored.words.column("utterance").to_pylist()


def test_a_corpus_csv_that_cannot_be_read_is_listed_and_the_corpus_used_without_it(tmp_path, unreadable):
    corpus(tmp_path, "a", "b")
    (tmp_path / "corpus.csv").write_text("id,speaker\na,anna\n")
    unreadable(tmp_path / "corpus.csv")
    loaded = load_folder(tmp_path)
    assert len(loaded.utterances) == 2
    (failure,) = loaded.failures
    assert failure.id == "corpus.csv"
    assert "Permission denied" in failure.message
    assert "are not used" in failure.message


@pytest.mark.parametrize("content", [b"id,speaker\na,\0x\n\xff", b"id,speaker\na," + b"x" * 140_000 + b"\n"])
def test_a_corpus_csv_with_a_long_field_or_other_bytes_is_refused(tmp_path, content):
    corpus(tmp_path, "a")
    (tmp_path / "corpus.csv").write_bytes(content)
    with pytest.raises(InputError, match=r"corpus\.csv: cannot be read as CSV in UTF-8"):
        load_folder(tmp_path)


def test_an_unreadable_transcript_is_one_failure(tmp_path, unreadable):
    corpus(tmp_path, "a", "b")
    write_words(tmp_path / "b.TextGrid", {"words": [Word("<unk>", 0.1, 0.4)]}, 1.0)
    (tmp_path / "b.txt").write_text("one")
    assert not load_folder(tmp_path).failures
    unreadable(tmp_path / "b.txt")
    assert [failure.id for failure in load_folder(tmp_path).failures] == ["b"]


def test_one_unreadable_list_of_librispeech_is_one_failure(tmp_path, unreadable):
    import shutil

    folder = tmp_path / "librispeech"
    shutil.copytree(CORPORA / "librispeech", folder)
    (folder / "9-9.alignment.txt").write_text('9-9-0001 ",A" "0.1,0.4"\n')
    before = load_corpus(folder, kind="librispeech")
    unreadable(folder / "9-9.alignment.txt")
    after = load_corpus(folder, kind="librispeech")
    (new,) = (failure for failure in after.failures if "Permission denied" in failure.message)
    others = {failure.id for failure in before.failures} - {"9-9-0001"}  # the fixture has no audio
    assert {failure.id for failure in after.failures} == {new.id} | others


def test_unreadable_tables_that_are_the_whole_corpus_are_refused(tmp_path, unreadable):
    path = tmp_path / "cuts.jsonl"
    path.write_text("{}\n")
    unreadable(path)
    with pytest.raises(InputError, match=r"cuts\.jsonl: cannot be read"):
        load_corpus(path)


def test_unreadable_protocols_are_refused(tmp_path):
    make_pipe(tmp_path / "p.toml")
    with pytest.raises(InputError, match=r"p\.toml: .*a named pipe"):
        read_protocols(tmp_path / "p.toml")


def test_a_command_lists_an_unreadable_folder_member_and_exits_with_2(tmp_path):
    corpus(tmp_path / "r", "a", "b")
    theirs(tmp_path / "h", "a", "b")
    make_pipe(tmp_path / "h" / "b.ctm")
    done = align_eval("score", tmp_path / "r", tmp_path / "h")
    assert done.returncode == 2
    assert "named pipe" in done.stdout + done.stderr


@pytest.mark.parametrize("error", [RecursionError("deep"), MemoryError(), KeyError("x")])
def test_any_error_of_one_file_is_its_failure(tmp_path, monkeypatch, error):
    from align_eval.corpus import folder as module

    corpus(tmp_path, "a", "b")
    read = module.read_word_tier

    def fail(path, *args):
        if path.stem == "b":
            raise error
        return read(path, *args)

    monkeypatch.setattr(module, "read_word_tier", fail)
    loaded = load_folder(tmp_path)
    assert [u.id for u in loaded.utterances] == ["a"]
    (failure,) = loaded.failures
    assert failure.id == "b"
    assert bool(failure.traceback) != isinstance(error, MemoryError)  # a lack of memory is no bug


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    path.write_text("one two")
    opened = Path.open

    def grow(self, *args, **kwargs):
        file = opened(self, *args, **kwargs)
        with opened(path, "ab") as other:
            other.write(b" three")
        return file

    monkeypatch.setattr(Path, "open", grow)
    with pytest.raises(InputError, match="changed while it was read"):
        read_bytes(path)


@pytest.mark.parametrize(
    "change",
    [
        lambda path: path.unlink(),
        lambda path: os.truncate(path, 2000),
        lambda path: os.truncate(path, 0),
        lambda path: sound(path, 1.0, seed=1),
        lambda path: sound(path, 9.0),
        lambda path: path.write_bytes(b"x"),
        make_pipe,
    ],
    ids=["gone", "shorter", "empty", "other", "longer", "text", "pipe"],
)
def test_audio_that_changes_after_its_length_was_found_is_refused(tmp_path, change):
    path = tmp_path / "a.wav"
    sound(path)
    found = open_sound(path)
    change(path)
    with pytest.raises(InputError):
        decode(found, 0, 100)


def test_the_length_is_compared_before_anything_is_decoded(tmp_path, monkeypatch):
    path = tmp_path / "a.wav"
    sound(path, 2.0)
    monkeypatch.setattr("align_eval.corpus.audio.decode", lambda *_: pytest.fail("decoded"))
    with pytest.raises(InputError, match=r"lasts 2\.00 s, and lasted 1\.00 s"):
        read_audio(AudioSpan(path), lasts_s=1.0)


def test_a_checksum_is_of_the_file_as_it_was_first_read(tmp_path):
    """The result of an utterance belongs to these bytes, whatever is there when the run ends."""
    utterances = load_folder(corpus(tmp_path, "a", "b")).utterances
    checksums = FileChecksums()
    before = corpus_checksum(utterances, checksums)
    (tmp_path / "a.wav").unlink()
    assert corpus_checksum(utterances, checksums) == before
    assert corpus_checksum(utterances) != before
    assert FileChecksums().of(tmp_path / "a.wav") == UNREADABLE


def test_a_gzip_bomb_is_refused_before_it_is_unpacked_whole(tmp_path):
    path = tmp_path / "a.jsonl.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        for _ in range(3):
            file.write(bytes(2**20))
    with pytest.raises(InputError, match="is longer than 1048576 bytes"):
        read_bytes(path, 2**20, unpack=True)
    assert len(read_head(path, 100, unpack=True)) == 100


def test_a_line_over_the_limit_is_refused(tmp_path):
    path = tmp_path / "a.ctm"
    path.write_bytes(b"a 1 0 1 x\n" + b"x" * (MAX_LINE_BYTES + 1) + b"\n")
    with pytest.raises(InputError, match=rf"a\.ctm, line 2: is longer than {MAX_LINE_BYTES} bytes"):
        read_bytes(path)
    path.write_bytes((b"x" * (MAX_LINE_BYTES - 1) + b"\n") * 2)
    assert len(read_bytes(path)) == 2 * MAX_LINE_BYTES


def test_a_file_over_its_limit_is_not_read(tmp_path):
    path = tmp_path / "a.TextGrid"
    with path.open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(InputError, match="is longer than"):
        read_textgrid(path)
