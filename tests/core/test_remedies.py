"""Remedies of error messages: what a message tells to type exists, and works when it is typed."""

from __future__ import annotations

import ast
import json
import re
import shlex
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import click
import numpy as np
import pytest
import soundfile
import typer

from align_eval.cli import app
from align_eval.corpus.bundled import bundled_path
from align_eval.formats.run.folder import write_baseline
from align_eval.formats.textgrids import write_words
from align_eval.records import Word
from tests.helpers.command_line import align_eval
from tests.helpers.hypothesis_files import GOOD, WORDS, write_good
from tests.helpers.planted_words import corpus, side

PACKAGE = Path(__file__).parents[2] / "align_eval"


# Every option that a message or help text names is an option of a command


@cache
def commands() -> dict[str, set[str]]:
    """Options by command, as ``heads search``."""

    def walk(command: click.Command, name: str) -> Iterator[tuple[str, set[str]]]:
        options = {o for p in command.params for o in (*p.opts, *p.secondary_opts) if o.startswith("--")}
        yield name, options | {"--help"}
        for sub_name, sub in getattr(command, "commands", {}).items():
            yield from walk(sub, f"{name} {sub_name}".strip())

    return dict(walk(typer.main.get_command(app), ""))


@cache
def texts() -> list[tuple[str, str]]:
    """(place, text) of each string of the package that is no docstring; "…" stands for what a message puts in."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        docstrings = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
        parts = {id(part) for node in nodes if isinstance(node, ast.JoinedStr) for part in ast.walk(node)}
        skipped = docstrings | parts
        for node in nodes:
            if isinstance(node, ast.JoinedStr):
                values = (str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
                found.append((f"{path.name}:{node.lineno}", "".join(values)))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in skipped:
                found.append((f"{path.name}:{node.lineno}", node.value))
    return found


OPTION = re.compile(r"(?<![\w(-])--[a-z]+(?:[-_][a-z]+)*(?![\w-])")
"""An option; not ``--undefined--`` of Praat, nor ``var(--good)`` of a style sheet."""

NO_OPTIONS = {
    *("--no_align", "--output-json-full", "--max-len", "--split-on-word", "--output_format"),
    "--good",
}
"""Options of whisperX, whisper.cpp and MFA, and a colour of the page's style sheet."""

NAMED = re.compile(
    r"(?<![\w-])(?:align-eval )?({})(?: again)?(?: with)?((?: --[a-z][\w-]*(?: [^\s`,;()-][^\s`,;()]*)?)+)".format(
        "|".join(sorted(filter(None, commands()), key=len, reverse=True))
    )
)
"""A command and the options that stand behind it, as ``run with --keep heads --source gradient``."""


def test_every_option_in_a_text_is_one_of_a_command():
    known = set().union(*commands().values()) | NO_OPTIONS
    unknown = [(place, name) for place, text in texts() for name in OPTION.findall(text) if name not in known]
    assert unknown == []


def test_an_option_in_a_text_that_names_its_command_is_one_of_that_command():
    named = [
        (place, match[1], name)
        for place, text in texts()
        for match in NAMED.finditer(text)
        for name in OPTION.findall(match[2])
    ]
    assert ("saved_run.py", "run", "--keep") in {(place.partition(":")[0], *rest) for place, *rest in named}
    assert len(named) > 10
    assert [use for use in named if use[2] not in commands()[use[1]] | NO_OPTIONS] == []


def test_every_command_in_a_text_is_one():
    known = {name.split()[0] for name in commands() if name}
    used = [(place, name) for place, text in texts() for name in re.findall(r"[`(]align-eval ([a-z]+)", text)]
    assert used
    assert [use for use in used if use[1] not in known] == []


# Every remedy that names an option works when it is typed


def make(folder: Path, **files: str) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def grid(path: Path, **tiers: list[Word]) -> None:
    """A TextGrid of tiers in this order; ``a_words`` is named "a - words", and ``x2`` is named "x"."""
    words = [Word(*word) for word in WORDS]
    write_words(path, {name.replace("_", " - "): tier or words for name, tier in tiers.items()}, 1.0)
    path.write_text(path.read_text().replace('"x2"', '"x"'))


def sound(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.zeros(16_000, dtype=np.int16), 16_000)


@dataclass(frozen=True)
class Case:
    """Files, a command that fails with a message, and the command as the message tells to type it, with its code."""

    files: Callable[[Path], object]
    command: str
    message: str
    remedied: str
    code: int = 0


BEN = [Word("so", 0.2, 0.3)]


def reference_and(hypothesis: Callable[[Path], object]) -> Callable[[Path], object]:
    def files(folder: Path) -> None:
        write_good(folder, "srt", "r")
        hypothesis(folder)

    return files


def hypothesis_and(reference: Callable[[Path], object]) -> Callable[[Path], object]:
    def files(folder: Path) -> None:
        write_good(folder, "srt", "h")
        reference(folder)

    return files


def two_speakers(name: str) -> Callable[[Path], object]:
    return lambda folder: grid(folder / f"{name}.TextGrid", a_words=[], p=BEN, b_words=BEN)


def equal_names(name: str) -> Callable[[Path], object]:
    return lambda folder: grid(folder / f"{name}.TextGrid", x=[], p=BEN, x2=BEN)


def another_name(name: str) -> Callable[[Path], object]:
    return lambda folder: grid(folder / f"{name}.TextGrid", ORT=[])


def points(name: str) -> Callable[[Path], object]:
    def files(folder: Path) -> None:
        path = folder / f"{name}.TextGrid"
        write_words(path, {"words": [Word("so", 0.1, 0.1)], "ORT": [Word(*word) for word in WORDS]}, 1.0)
        path.write_text(path.read_text().replace('"words"', '"w"').replace('"words (no length)"', '"words"'))

    return files


def ambiguous(name: str) -> Callable[[Path], object]:
    """JSON without text and confidences, which faster-whisper and whisperX both write."""
    words = [{"word": word, "start": start_s, "end": end_s} for word, start_s, end_s in WORDS]
    content = json.dumps({"segments": [{"start": 0.1, "end": 0.9, "words": words}]})
    return lambda folder: make(folder, **{f"{name}.json": content})


def of_kind(name: str, kind: str) -> Callable[[Path], object]:
    """Supervisions whose alignment has another kind than ``word``."""
    text = GOOD["lhotse"].replace('"word"', f'"{kind}"')
    return lambda folder: make(folder, **{f"{name}.json": text})


def two_forms(folder_name: str) -> Callable[[Path], object]:
    def files(folder: Path) -> None:
        write_good(folder / folder_name, "srt", "1")
        write_good(folder / folder_name, "webvtt", "1" if folder_name.endswith("one") else "2")

    return files


def timit_and_textgrids(folder: Path) -> None:
    """Samples in .WRD and TextGrids with the same words, beside the same audio."""
    sound(folder / "c" / "1.wav")
    grid(folder / "c" / "1.TextGrid", words=[])
    make(folder / "c", **{"1.WRD": "1600 6400 one\n8000 14400 two\n"})
    write_good(folder / "h", "srt", "1")


def spoken(*names: str) -> Callable[[Path], object]:
    def files(folder: Path) -> None:
        sound(folder / "c" / "1.wav")
        grid(folder / "c" / "1.TextGrid", **{name: [] if i == 0 else BEN for i, name in enumerate(names)})

    return files


SPOKEN = [Word(text, i / 4, (i + 1) / 4) for i, text in enumerate(("bobby", "ripped", "the", "ledger"))]


def speech(folder: Path) -> None:
    """A clip of real speech, which says SPOKEN."""
    (folder / "c").mkdir()
    shutil.copy(bundled_path("demo") / "en_praatio_bobby.flac", folder / "c" / "1.flac")


def run(folder: Path) -> None:
    write_good(folder, "srt", "r")
    assert align_eval("score", "r.srt", "r.srt", "--out", "run", cwd=folder).returncode == 0


def compared(folder: Path) -> None:
    table = corpus(np.random.default_rng(0), n_speakers=2, fewest=3, most=4)
    for name, written in {"old": side(table), "elsewhere": side(table, corpus_checksum="c" * 64)}.items():
        write_baseline(folder / name, written.run, written.words, "")
    make(folder, file="")


SCORE = "score r.srt h.json"

CASES = {
    # tiers, of either side of score, and of commands with one side
    "score, tiers of a hypothesis": Case(
        reference_and(two_speakers("h")),
        "score r.srt h.TextGrid",
        "name one with --hypothesis-tier NAME, or all: --hypothesis-tier 'a - words' --hypothesis-tier 'b - words';",
        "score r.srt h.TextGrid --hypothesis-tier 'a - words' --hypothesis-tier 'b - words'",
    ),
    "score, one of them": Case(
        reference_and(two_speakers("h")),
        "score r.srt h.TextGrid",
        "name one with --hypothesis-tier NAME",
        "score r.srt h.TextGrid --hypothesis-tier 'a - words'",
    ),
    "score, tiers of a reference": Case(
        hypothesis_and(two_speakers("r")),
        "score r.TextGrid h.srt",
        "name one with --tier NAME, or all: --tier 'a - words' --tier 'b - words';",
        "score r.TextGrid h.srt --tier 'a - words' --tier 'b - words'",
    ),
    "score, equal names of a hypothesis": Case(
        reference_and(equal_names("h")),
        "score r.srt h.TextGrid --hypothesis-tier x",
        "name one by its number, as --hypothesis-tier NUMBER, or all: --hypothesis-tier 1 --hypothesis-tier 3;",
        "score r.srt h.TextGrid --hypothesis-tier 3",
    ),
    "score, equal names of a reference": Case(
        hypothesis_and(equal_names("r")),
        "score r.TextGrid h.srt --tier x",
        "name one by its number, as --tier NUMBER, or all: --tier 1 --tier 3;",
        "score r.TextGrid h.srt --tier 1 --tier 3",
    ),
    "score, another name of a hypothesis": Case(
        reference_and(another_name("h")),
        "score r.srt h.TextGrid",
        "no word tier; name one with --hypothesis-tier; the tiers are 'ORT'",
        "score r.srt h.TextGrid --hypothesis-tier ORT",
    ),
    "score, another name of a reference": Case(
        hypothesis_and(another_name("r")),
        "score r.TextGrid h.srt",
        "no word tier; name one with --tier; the tiers are 'ORT'",
        "score r.TextGrid h.srt --tier ORT",
    ),
    "score, points of a hypothesis": Case(
        reference_and(points("h")),
        "score r.srt h.TextGrid",
        "'words' holds points, not intervals; name another with --hypothesis-tier; the tiers are 'w', 'words', 'ORT'",
        "score r.srt h.TextGrid --hypothesis-tier ORT",
    ),
    "score, a folder of hypotheses": Case(
        lambda folder: [write_good(folder / "r", "srt", "1"), (folder / "h").mkdir(), another_name("h/1")(folder)],
        "score r h",
        "h/1.TextGrid: no word tier; name one with --hypothesis-tier;",
        "score r h --hypothesis-tier ORT",
    ),
    "score, a folder of references with one that fails": Case(
        lambda folder: [
            *(write_good(folder / "h", "srt", name) for name in ("1", "2")),
            another_name("r/1")(folder),
            write_good(folder / "r", "textgrid", "2"),
        ],
        "score r h --json",
        "r/1.TextGrid: no word tier; name one with --tier;",
        "score r h --tier 1",
    ),
    "lint, tiers": Case(
        two_speakers("h"),
        "lint h.TextGrid",
        "or all: --tier 'a - words' --tier 'b - words';",
        "lint h.TextGrid --tier 'a - words' --tier 'b - words'",
    ),
    "corpus check, a tier": Case(
        spoken("ORT"), "corpus check c", "name one with --tier; the tiers are 'ORT'", "corpus check c --tier ORT"
    ),
    "corpus check, equal names": Case(
        spoken("x", "x2"), "corpus check c --tier x", "as --tier NUMBER, or all: --tier 1", "corpus check c --tier 1"
    ),
    "corpus check, tiers that overlap": Case(
        spoken("x", "y"), "corpus check c --tier x --tier y", "name one tier only", "corpus check c --tier x"
    ),
    "corpus check, a tier of no speaker": Case(
        spoken("a_words", "b_words", "p"),
        "corpus check c --tier p",
        "has no tier 'p' of a speaker; name one with --tier; the tiers are 'a - words', 'b - words', 'p'",
        "corpus check c --tier 'a - words'",
    ),
    "corpus check, no tiers": Case(
        timit_and_textgrids,
        "corpus check c --kind timit --tier words",
        "a corpus of kind timit has no tiers; leave --tier out",
        "corpus check c --kind timit",
    ),
    "corpus reference, tiers": Case(
        lambda folder: [speech(folder), grid(folder / "c/1.TextGrid", a_words=SPOKEN, b_words=BEN)],
        "corpus reference c --out new",
        "name one with --tier NAME, or all: --tier 'a - words'",
        "corpus reference c --out new --tier 'a - words'",
    ),
    "corpus reference, a tier": Case(
        lambda folder: [speech(folder), grid(folder / "c/1.TextGrid", ORT=SPOKEN)],
        "corpus reference c --out new",
        "name one with --tier; the tiers are 'ORT'",
        "corpus reference c --out new --tier ORT",
    ),
    "corpus reference, a lexicon": Case(
        lambda folder: [
            speech(folder),
            make(folder, **{"c/1.txt": "bobbyx ripped the ledger", "more.txt": "bobbyx B AA B IY\n"}),
        ],
        "corpus reference c --out new",
        "the lexicon lacks 'bobbyx'; add them with --lexicon",
        "corpus reference c --out new --lexicon more.txt",
    ),
    "corpus reference, another folder": Case(
        lambda folder: [speech(folder), make(folder, **{"c/1.txt": "bobby ripped the ledger", "new/1.TextGrid": ""})],
        "corpus reference c --out new",
        "exists already; choose another --out",
        "corpus reference c --out newer",
    ),
    "score, whole recordings": Case(
        lambda folder: [spoken("a_words", "b_words")(folder), write_good(folder / "h", "srt", "1")],
        "score c h",
        "to score whole recordings, name the tiers of all speakers: --tier 'a - words' --tier 'b - words'",
        "score c h --tier 'a - words' --tier 'b - words'",
    ),
    # kinds of Lhotse's alignments
    "score, kind of a hypothesis": Case(
        reference_and(of_kind("h", "ctc")),
        SCORE,
        "has no alignment of kind 'word'; name another with --hypothesis-tier; its kinds are 'ctc'",
        f"{SCORE} --hypothesis-tier ctc",
    ),
    "score, kind of a reference": Case(
        hypothesis_and(of_kind("r", "ctc")),
        "score r.json h.srt",
        "has no alignment of kind 'word'; name another with --tier; its kinds are 'ctc'",
        "score r.json h.srt --tier ctc",
    ),
    "score, two kinds": Case(
        reference_and(of_kind("h", "ctc")),
        f"{SCORE} --hypothesis-tier ctc --hypothesis-tier word",
        "of which one kind is read, not 2; name one kind: --hypothesis-tier ctc",
        f"{SCORE} --hypothesis-tier ctc",
    ),
    # formats
    "score, format of a hypothesis": Case(
        reference_and(ambiguous("h")),
        SCORE,
        "h.json: may be faster-whisper or whisperx; name its format with --format faster-whisper",
        f"{SCORE} --format faster-whisper",
    ),
    "score, format of a reference": Case(
        hypothesis_and(ambiguous("r")),
        "score r.json h.srt",
        "r.json: may be faster-whisper or whisperx; name its format with --reference-format faster-whisper",
        "score r.json h.srt --reference-format faster-whisper",
    ),
    "lint, format": Case(
        ambiguous("h"), "lint h.json", "name its format with --format faster-whisper", "lint h.json --format whisperx"
    ),
    "score, forms of a folder of hypotheses": Case(
        lambda folder: [write_good(folder / "r", "srt", "1"), two_forms("h")(folder)],
        "score r h",
        "several forms: srt (1.srt), webvtt (2.vtt); choose one with --format",
        "score r h --format srt",
    ),
    "score, forms of a folder of references": Case(
        lambda folder: [write_good(folder / "h", "srt", "1"), two_forms("r")(folder)],
        "score r h",
        "several forms: srt (1.srt), webvtt (2.vtt); choose one with --reference-format",
        "score r h --reference-format srt",
    ),
    "score, two files of one hypothesis": Case(
        lambda folder: [write_good(folder / "r", "srt", "1"), two_forms("h-one")(folder)],
        "score r h-one",
        "2 files are of this recording: 1.srt, 1.vtt; choose a form with --format, or keep one of them",
        "score r h-one --format webvtt",
    ),
    "score, two files of one reference": Case(
        lambda folder: [write_good(folder / "h", "srt", "1"), two_forms("r-one")(folder)],
        "score r-one h",
        "choose a form with --reference-format, or keep one of them",
        "score r-one h --reference-format webvtt",
    ),
    "score, SRT as WebVTT": Case(
        lambda folder: [write_good(folder, "srt", "r"), write_good(folder, "srt", "h")],
        "score r.srt h.srt --format webvtt",
        "or use --format srt",
        "score r.srt h.srt --format srt",
    ),
    "score, reference in SRT as WebVTT": Case(
        lambda folder: [write_good(folder, "srt", "r"), write_good(folder, "srt", "h")],
        "score r.srt h.srt --reference-format webvtt",
        "or use --reference-format srt",
        "score r.srt h.srt --reference-format srt",
    ),
    "score, an unknown format": Case(
        lambda folder: [write_good(folder, "srt", "r"), write_good(folder, "srt", "h")],
        "score r.srt h.srt --reference-format subrip",
        "--reference-format subrip: there is no such format; known: textgrid, ctm, srt,",
        "score r.srt h.srt --reference-format srt",
    ),
    # kinds of corpora
    "score, kind": Case(
        timit_and_textgrids,
        "score c h",
        "may be of several kinds: timit (1.WRD), folder (1.TextGrid); name one with --kind",
        "score c h --kind timit",
    ),
    "corpus check, kind": Case(
        timit_and_textgrids, "corpus check c", "name one with --kind", "corpus check c --kind folder"
    ),
    "corpus check, another kind": Case(
        timit_and_textgrids,
        "corpus check c --kind buckeye",
        "holds no utterances of kind buckeye; check the path, or name another --kind",
        "corpus check c --kind folder",
    ),
    "report, kind": Case(
        lambda folder: [timit_and_textgrids(folder), run(folder)],
        "report run --corpus c",
        "name one with --kind",
        "report run --corpus c --kind timit",
    ),
    "report, audio that is not named": Case(
        lambda folder: [timit_and_textgrids(folder), run(folder), make(folder, **{"run/audio.json": "{"})],
        "report run --edited",
        "audio.json: does not say where audio is",
        "report run --edited --corpus c --kind folder",
    ),
    "report, a file that was edited": Case(
        lambda folder: [run(folder), (folder / "run" / "audio.json").write_text('{"schema": 1, "spans": {}}')],
        "report run",
        "audio.json: was edited since the run was written",
        "report run --edited",
    ),
    "lint, a file that was edited": Case(
        lambda folder: [run(folder), make(folder, **{"run/maps.json": "{"})],
        "lint run",
        "maps.json: was edited since the run was written",
        "lint run --edited",
    ),
    "lint, an interrupted run": Case(
        lambda folder: [run(folder), (folder / "run" / "run.json").unlink(), (folder / "run" / ".partial").mkdir()],
        "lint run",
        "run: holds a run that was interrupted; give the command that wrote it again",
        "score r.srt r.srt --out run",
    ),
    "corpus convert, kind": Case(
        timit_and_textgrids, "corpus convert c out", "name one with --kind", "corpus convert c out --kind timit"
    ),
    "score, kind and form": Case(
        timit_and_textgrids,
        "score c h --kind timit --reference-format textgrid",
        "--kind timit: is of a corpus, and --reference-format textgrid of files of words; give one of them",
        "score c h --reference-format textgrid",
    ),
    # places and names
    "score, a name": Case(
        lambda folder: [write_good(folder, "srt", "r"), write_good(folder, "srt", "h")],
        "score r.srt h.srt --name ' '",
        "--name ' ': is not a name; use printable characters",
        "score r.srt h.srt --name theirs",
    ),
    "score, a folder to write": Case(
        lambda folder: [write_good(folder, "srt", "r"), write_good(folder, "srt", "h")],
        "score r.srt h.srt --out r.srt",
        "choose another --out",
        "score r.srt h.srt --out out",
    ),
    "score, a folder of no run": Case(
        lambda folder: [write_good(folder, "srt", "r"), make(folder, **{"out/maps/mine": ""})],
        "score r.srt r.srt --out out",
        "out/maps: is of no run, and a run would replace it; move it, or choose another --out",
        "score r.srt r.srt --out another",
    ),
    # compare
    "compare, an unknown system": Case(
        compared, "compare old old --system x", "there is no system 'x'; choose one of: attention", "compare old old"
    ),
    "compare, another corpus": Case(
        compared,
        "compare old elsewhere",
        "or accept a new baseline (compare --accept)",
        "compare old elsewhere --accept new",
    ),
    "compare, a baseline to write": Case(
        compared, "compare old elsewhere --accept file", "choose another --accept", "compare old elsewhere --accept new"
    ),
    "compare, a baseline of no run": Case(
        lambda folder: [compared(folder), make(folder, **{"new/words.parquet": ""})],
        "compare old old --accept new",
        "new/words.parquet: is of no run, and a run would replace it; move it, or choose another --accept",
        "compare old old --accept other",
    ),
    "compare, a folder to write": Case(
        compared, "compare old old --out file", "choose another --out", "compare old old --out out"
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_remedy_works_when_it_is_typed(case, tmp_path):
    case.files(tmp_path)
    failed = align_eval(*shlex.split(case.command), cwd=tmp_path)
    assert failed.returncode in (2, 3)
    assert case.message in re.sub(r"\s+", " ", failed.stderr + failed.stdout)
    remedied = align_eval(*shlex.split(case.remedied), cwd=tmp_path)
    assert remedied.returncode == case.code, remedied.stderr
