"""The walk of one utterance: the files whose code runs, as docs/design.md lists them."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path
from types import FrameType

import pytest

import align_eval
from align_eval.corpus.bundled import bundled_path
from tests.helpers.command_line import align_eval as command

PACKAGE = Path(align_eval.__file__).parent
DESIGN = PACKAGE.parent / "docs" / "design.md"

HANDED_OVER = ("engine/workers.py", "submit")
"""An utterance is handed over where a worker takes it."""

IN_THE_TABLE = ("formats/run/words_table.py", "words_table")
"""Its rows are in the words table where this function has returned."""


class Trace:
    """Files of the package whose functions run: in the whole command, and during the walk of the utterance."""

    def __init__(self) -> None:
        self.command: list[str] = []
        self.walk: list[str] = []
        self._walking = False

    def __call__(self, frame: FrameType, event: str, _: object) -> None:
        path = Path(frame.f_code.co_filename)
        if not path.is_relative_to(PACKAGE) or is_importing(frame):
            return
        place = path.relative_to(PACKAGE).as_posix(), frame.f_code.co_name
        if event == "call":
            self._walking |= place == HANDED_OVER
            self.command.append(place[0])
            if self._walking:
                self.walk.append(place[0])
        elif event == "return" and place == IN_THE_TABLE:
            self._walking = False


def is_importing(frame: FrameType) -> bool:
    """Whether a frame runs because a module is imported: tables and classes are made, and nothing is done."""
    caller: FrameType | None = frame
    while caller:
        if caller.f_code.co_filename.startswith("<frozen importlib"):
            return True
        caller = caller.f_back
    return False


@pytest.fixture(scope="module")
def traced(tmp_path_factory) -> Trace:
    """`run` on a corpus of one clip, with one source and the default aligners."""
    folder = tmp_path_factory.mktemp("walk")
    clip = bundled_path("demo") / "en_praatio_bobby.flac"
    (folder / "corpus").mkdir()
    for path in (clip, clip.with_suffix(".TextGrid")):
        shutil.copy(path, folder / "corpus")
    trace = Trace()
    sys.setprofile(trace)
    try:
        done = command("run", folder / "corpus", "--source", "attention", "--out", folder / "run")
    finally:
        sys.setprofile(None)
    assert done.returncode == 0, done.stderr
    return trace


def files_in_design(heading: str) -> list[str]:
    """File names in the numbered list under a heading of docs/design.md."""
    section = DESIGN.read_text(encoding="utf-8").split(f"## {heading}\n")[1].split("\n## ")[0]
    return re.findall(r"^\d+\. `([\w/]+\.py)`", section, re.MULTILINE)


def test_the_walk_of_an_utterance_is_the_list_in_design_md_and_under_twenty_files(traced):
    walk = list(dict.fromkeys(traced.walk))
    assert set(files_in_design("The walk of one utterance")) == set(walk)
    assert len(walk) < 20


def test_the_whole_command_runs_no_more_files_than_when_it_was_last_counted(traced):
    """57 with the detection of the kind of corpus, which a bundled corpus does without; 69 before the pipeline."""
    assert len(set(traced.command)) <= 57
