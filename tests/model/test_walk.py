"""The walk of one utterance: the files whose code runs, as docs/design.md lists them.

A fresh process runs the command under a profiler, so that nothing is cached or imported before.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

import align_eval
from align_eval.corpus.bundled import bundled_path
from tests.helpers.command_line import start

PACKAGE = Path(align_eval.__file__).parent
DESIGN = PACKAGE.parent / "docs" / "design.md"

TRACED = """
import json, sys
from pathlib import Path
from align_eval.cli import main

PACKAGE = sys.argv[1]
HANDED_OVER = ("engine/workers.py", "submit")  # a worker takes the utterance
IN_THE_TABLE = ("formats/run/words_table.py", "words_table")  # its rows are in the words table
command, walk, walking = [], [], False


def is_importing(frame):
    # a table or a class is made while its module is imported: nothing is done
    while frame:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


def trace(frame, event, _):
    global walking
    path = frame.f_code.co_filename
    if not path.startswith(PACKAGE) or is_importing(frame):
        return
    place = Path(path).relative_to(PACKAGE).as_posix(), frame.f_code.co_name
    if event == "call":
        walking |= place == HANDED_OVER
        command.append(place[0])
        if walking:
            walk.append(place[0])
    elif event == "return" and place == IN_THE_TABLE:
        walking = False


sys.argv = ["align-eval", *sys.argv[2:]]
sys.setprofile(trace)
try:
    main()
except SystemExit as ended:
    assert not ended.code, ended.code
finally:
    sys.setprofile(None)
print(json.dumps({name: sorted(set(files)) for name, files in (("command", command), ("walk", walk))}))
"""


@pytest.fixture(scope="module")
def traced(tmp_path_factory) -> dict[str, list[str]]:
    """Files that `run` goes through on one clip, with one source and the default paths."""
    folder = tmp_path_factory.mktemp("walk")
    clip = bundled_path("demo") / "en_praatio_bobby.flac"
    (folder / "corpus").mkdir()
    for path in (clip, clip.with_suffix(".TextGrid")):
        shutil.copy(path, folder / "corpus")
    arguments = ("run", folder / "corpus", "--kind", "folder", "--source", "attention", "--out", folder / "run")
    done = start("-c", TRACED, str(PACKAGE), *map(str, arguments))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def files_in_design(heading: str) -> list[str]:
    """File names in the numbered list under a heading of docs/design.md."""
    section = DESIGN.read_text(encoding="utf-8").split(f"## {heading}\n")[1].split("\n## ")[0]
    return re.findall(r"^\d+\. `([\w/]+\.py)`", section, re.MULTILINE)


def test_the_walk_of_an_utterance_is_the_list_in_design_md_and_at_most_twenty_files(traced):
    assert sorted(files_in_design("The walk of one utterance")) == traced["walk"]
    assert len(traced["walk"]) <= 20


def test_the_whole_command_runs_no_more_files_than_when_it_was_last_counted(traced):
    """60 with a spec that no preset has parsed, 2 that find the true length of the clip, and tokens of Praat's files.

    Further 9 keep promises about files and text: sizes and states of files (2), JSON by a schema, weights that fit,
    text that a terminal can show (2), and new files of a run that take their places together, with checksums (3).

    Further 4 find the systems of the answer, compute it, and print it (2): the run above has none and says why. 2 look
    for a finished run of the same plan, and say how to go on after Ctrl-C.

    By the same count it was 69 before there was a pipeline.
    """
    assert len(traced["command"]) <= 78
