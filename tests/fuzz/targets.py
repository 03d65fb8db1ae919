"""Good files of other programs, and the public readers that their damaged copies go through."""

from __future__ import annotations

import gzip
import math
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from align_eval.corpus.audio import audio_duration_s, read_audio
from align_eval.corpus.bundled import bundled_path, load_corpus
from align_eval.corpus.file_search import list_files
from align_eval.corpus.folder import END_TOLERANCE_S, TEXTGRID_SUFFIX, Corpus
from align_eval.corpus.reference_words import read_reference
from align_eval.corpus.second_reference import read_second_reference
from align_eval.corpus.sound.find import native_sound
from align_eval.corpus.sound.suffixes import AUDIO_SUFFIXES
from align_eval.corpus.transcript_file import read_transcript
from align_eval.corpus.windows import windowed
from align_eval.corpus.word_files import read_word_files
from align_eval.errors import InputError
from align_eval.formats.atomic import is_file_name
from align_eval.formats.hypothesis.detect import FORMATS, claimants, read_transcripts
from align_eval.formats.hypothesis.document import read_document
from align_eval.formats.textgrids import read_word_tier
from align_eval.lint_files import lint_path
from align_eval.records import AudioSpan, HypothesisWord, Transcript, Word
from align_eval.score_files import score_hypothesis
from align_eval.scoring.protocol_file import read_protocols
from tests.corpora import AUDIO, make_corpus
from tests.fuzz import fixtures
from tests.helpers.hypothesis_files import GOOD, HYPOTHESES, SUFFIX

LATEST_S = 2e6
"""Latest time of a word: its start and its length are bounded by 1e6 s each."""


@dataclass(frozen=True)
class Fixture:
    """A good input: a folder, and the name of the file in it that is damaged."""

    folder: Path
    name: str


Read = Callable[[Path, Path], object]
"""A reader of a folder, one file of which is damaged. It checks what it returns, and raises AssertionError."""


@dataclass(frozen=True)
class Target:
    """Readers, and a function that makes their good inputs in an empty folder."""

    make: Callable[[Path], Iterable[Fixture]]
    reads: Sequence[Read]


def check(condition: object, message: str) -> None:
    """Raise AssertionError, also where Python runs without assertions."""
    if not condition:
        raise AssertionError(message)


# Word times


def hypotheses(root: Path) -> Iterator[Fixture]:
    """Files that systems wrote and one by hand of every format, plain and packed, each beside a whole file.

    The folder of each has the name of its format.
    """
    written = [path for path in sorted(HYPOTHESES.rglob("*")) if path.is_file() and path.name != "README.md"]
    files = [(claimants(read_document(path))[0], path.name, path.read_bytes()) for path in written]
    files += [(form, f"z{SUFFIX.get(form, '.json')}", text.encode()) for form, text in GOOD.items()]
    files += [(form, f"{name}.gz", gzip.compress(data, mtime=0)) for form, name, data in files if name[0] == "z"]
    files += [("textgrid", name, data) for name, data in fixtures.textgrids().items()]
    for i, (form, name, data) in enumerate(files):
        folder = root / str(i) / form
        folder.mkdir(parents=True)
        (folder / name).write_bytes(data)
        (folder / f"whole{SUFFIX.get(form, '.json')}").write_text(GOOD[form], encoding="utf-8")
        yield Fixture(folder, name)


def detected(_folder: Path, file: Path) -> object:
    return _read_transcripts(file, None)


def by_format(folder: Path, file: Path) -> object:
    return _read_transcripts(file, folder.name)


def _read_transcripts(file: Path, form: str | None) -> object:
    """The words of a file; an error names the file in its place."""
    try:
        found, transcripts = read_transcripts(file, form)
    except InputError as error:
        check(file.name in error.place, f"{error} does not name the file")
        raise
    return found, checked_transcripts(transcripts)


def in_folder(folder: Path, file: Path) -> object:
    """Every file of the folder is read or listed, and the whole one is read."""
    files = read_word_files(folder, folder.name)
    checked_transcripts(files.transcripts.values())
    check(set(files.transcripts) & {"whole", "a"}, "the whole file beside the damaged one is not read")
    if file.name.lower().endswith(FORMATS[folder.name].suffixes):
        listed = any(failure.id in file.name or str(file) in failure.message for failure in files.failures)
        no_recordings = not read_or_none(lambda: read_transcripts(file, folder.name)[1])
        check(file in files.paths.values() or listed or no_recordings, "the damaged file is neither read nor listed")
    check_names(files.transcripts)
    return files


def as_reference(_folder: Path, file: Path) -> object:
    reference = read_reference(str(file))
    checked_corpus(reference.corpus)
    return reference


def linted(_folder: Path, file: Path) -> object:
    return lint_path(file)


def scored_as_hypothesis(folder: Path, file: Path) -> object:
    return scored(whole_beside(folder), file)


def scored_as_reference(folder: Path, file: Path) -> object:
    return scored(file, whole_beside(folder))


def whole_beside(folder: Path) -> Path:
    return next(path for path in folder.iterdir() if path.name.startswith("whole"))


def scored(reference: Path, hypothesis: Path) -> object:
    found = score_hypothesis(reference, hypothesis)
    table = found.words.to_pydict()
    check(len({len(column) for column in table.values()}) == 1, "columns of the words differ in length")
    return found.run, table


def read_or_none(read: Callable[[], object]) -> object:
    try:
        return read()
    except InputError:
        return None


def textgrids(root: Path) -> Iterator[Fixture]:
    return (good for good in hypotheses(root) if good.name.lower().endswith(TEXTGRID_SUFFIX))


def word_tier(_folder: Path, file: Path) -> object:
    tier = read_word_tier(file)
    for word in tier.words:
        check_word(word)
    return tier


# Corpora


def corpora(root: Path) -> Iterator[Fixture]:
    """A small corpus of every kind; of each, the text files are damaged, and one file of audio."""
    for kind in (kind for kind in AUDIO if kind != "lhotse"):
        yield from _files_of(make_corpus(kind, root))
    folder = root / "folder"
    folder.mkdir()
    clips = ("en_praatio_bobby", "en_phonlab_two_plus_two", "en_arctic_a0009")
    for path in (path for clip in clips for path in bundled_path("demo").glob(f"{clip}.*")):
        shutil.copy(path, folder)
    rows = (bundled_path("demo") / "corpus.csv").read_text(encoding="utf-8").splitlines()
    kept = [rows[0], *(row for row in rows if row.startswith(clips))]
    (folder / "corpus.csv").write_text("\n".join(kept) + "\n", encoding="utf-8")
    yield from _files_of(folder)


def lhotse_corpora(root: Path) -> Iterator[Fixture]:
    """The manifests of the tests and those that lhotse writes itself."""
    yield from _files_of(make_corpus("lhotse", root))
    for folder in fixtures.lhotse_manifests(root):
        yield from _files_of(folder)


def _files_of(folder: Path) -> Iterator[Fixture]:
    files = list_files(folder)
    audio = [path for path in files if path.suffix.lower() in AUDIO_SUFFIXES]
    text = [path for path in files if path not in audio]
    for path in (*text, *text, *audio[:1]):
        yield Fixture(folder, path.relative_to(folder).as_posix())


def by_kind(folder: Path, _file: Path) -> object:
    return checked_corpus(load_corpus(folder, kind=folder.name))


def kind_detected(folder: Path, _file: Path) -> object:
    return checked_corpus(load_corpus(folder))


def to_score(folder: Path, _file: Path) -> object:
    """Each recording of a folder of audio with TextGrids becomes an utterance or a failure."""
    corpus = checked_corpus(load_corpus(folder, kind=folder.name, to_score=True))
    if folder.name == "folder":
        stems = {path.stem for path in folder.iterdir() if path.suffix in (".TextGrid", ".flac")}
        found = {u.id for u in corpus.utterances} | {failure.id for failure in corpus.failures}
        check(found == stems, f"{found ^ stems} is neither read nor listed")
    return corpus


def windows_and_texts(folder: Path, _file: Path) -> object:
    corpus = load_corpus(folder, kind=folder.name)
    cut = windowed(corpus, 1.5)
    check(sum(len(u.words) for u in cut.utterances) == sum(len(u.words) for u in corpus.utterances), "words are lost")
    return cut, [read_or_none(lambda u=u: read_transcript(u)) for u in corpus.utterances]


def with_second_times(folder: Path, _file: Path) -> object:
    return read_second_reference(load_corpus(folder, kind=folder.name), str(folder))


# Audio


def sounds(root: Path) -> Iterator[Fixture]:
    for name, data in fixtures.sounds().items():
        folder = root / name
        folder.mkdir()
        (folder / name).write_bytes(data)
        yield Fixture(folder, name)


def sound_length(_folder: Path, file: Path) -> object:
    native_sound.cache_clear()
    length_s = audio_duration_s(file)
    check(0 < length_s < math.inf, f"lasts {length_s} s")
    return length_s


def samples(_folder: Path, file: Path) -> object:
    """All samples, and those of a stretch; the header and the samples agree."""
    native_sound.cache_clear()
    digests = [sha256(read_audio(AudioSpan(file), warn=True)).hexdigest()]
    return [*digests, read_or_none(lambda: sha256(read_audio(AudioSpan(file, 0, 0.1, 0.2))).hexdigest())]


# Invariants


def checked_transcripts(transcripts: Iterable[Transcript]) -> Iterable[Transcript]:
    for transcript in transcripts:
        for word in (*transcript.words, *transcript.dropped):
            check_word(word)
        check(transcript.end_s is None or math.isfinite(transcript.end_s), f"ends at {transcript.end_s}")
    return transcripts


def check_word(word: Word | HypothesisWord) -> None:
    check(word.text == word.text.strip() != "", f"the word is {word.text!r}")
    word.text.encode()
    times = [time_s for time_s in (word.start_s, word.end_s) if time_s is not None]
    latest_s = math.inf if isinstance(word, Word) else LATEST_S  # a reference is held to its audio
    check(times == sorted(times) and all(0 <= t <= latest_s for t in times), f"{word} has impossible times")
    has_reason = bool(getattr(word, "problem", "")) <= (not times)
    check(has_reason, f"{word} has times and a reason why it has none")


def checked_corpus(corpus: Corpus) -> Corpus:
    """Check that the words of each utterance lie inside its audio, and that its id can name a file and is its own."""
    for u in corpus.utterances:
        check(u.words, f"{u.id} has no words")
        for word in u.words:
            check_word(word)
            check(
                word.end_s <= u.duration_s + END_TOLERANCE_S + 1e-6, f"{word} of {u.id} lies outside {u.duration_s} s"
            )
        check(0 < u.duration_s < math.inf, f"{u.id} lasts {u.duration_s} s")
        check(u.audio.end_s is None or math.isfinite(u.audio.end_s), f"{u.id} has the span {u.audio}")
    ids = [u.id for u in corpus.utterances]
    check(len(set(ids)) == len(ids), "two utterances have one id")
    check_names(ids)
    return corpus


def check_names(names: Iterable[str]) -> None:
    """Names of corpora and of folders of word times become file names. Those inside one file are as it has them."""
    for name in names:
        check(is_file_name(name), f"{name!r} cannot name a file")


# Text of options


def spec_texts(root: Path) -> Iterator[Fixture]:
    for i, text in enumerate(fixtures.specs()):
        folder = root / str(i)
        folder.mkdir()
        (folder / "spec").write_text(text, encoding="utf-8")
        yield Fixture(folder, "spec")


def spec(_folder: Path, file: Path) -> object:
    """A spec, a list of heads and an aligner; the canonical text of a source is read as the same source."""
    from align_eval.alignment.aligner import parse_aligner
    from align_eval.formats.heads_export import parse_heads
    from align_eval.relevance.source import parse_source

    text = file.read_bytes().decode("utf-8", "surrogateescape")
    source = read_or_none(lambda: parse_source(text))
    check(source is None or parse_source(source.text) == source, f"{text!r} is not read back")
    return source, read_or_none(lambda: parse_aligner(text)), read_or_none(lambda: parse_heads(text))


def protocol_files(root: Path) -> Iterator[Fixture]:
    (root / "mine.toml").write_text(fixtures.PROTOCOLS, encoding="utf-8")
    yield Fixture(root, "mine.toml")


def protocols(_folder: Path, file: Path) -> object:
    return read_protocols(file)


READERS: dict[str, Target] = {
    "word times": Target(hypotheses, (detected, by_format, in_folder, as_reference, linted)),
    "TextGrids": Target(textgrids, (word_tier,)),
    "corpora": Target(corpora, (by_kind, kind_detected, to_score, windows_and_texts, with_second_times)),
    "lhotse": Target(lhotse_corpora, (by_kind, kind_detected)),
    "audio": Target(sounds, (sound_length, samples)),
    "specs": Target(spec_texts, (spec,)),
    "protocols": Target(protocol_files, (protocols,)),
    "scores": Target(hypotheses, (scored_as_hypothesis, scored_as_reference)),
}
"""Readers of other programs' files, and of the text of options."""
