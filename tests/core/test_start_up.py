"""Modules that verbs load, seen in one fresh process: nothing expensive is loaded by a verb that does not use it.

The process runs the verbs one after the other, the cheapest first, and says after each what is loaded by then: so
what a verb is forbidden holds for those before it too.
"""

import json
import os
import subprocess
import sys

import pytest

from align_eval.corpus.bundled import bundled_path
from align_eval.reporting.terminal.list import KINDS
from tests.helpers.hypothesis_files import HYPOTHESES
from tests.helpers.planted_run import write_planted

COMMAND = """
import json, sys
from align_eval.cli import main
verbs, out = json.loads(sys.argv[1]), sys.argv[2]
said = []
for verb in verbs:
    sys.argv = ["align-eval", *verb]
    try:
        main()
        code = 0
    except SystemExit as done:
        code = done.code or 0
    said.append([code, sorted(sys.modules)])
with open(out, "w") as file:
    json.dump(said, file)
"""

SEARCHING = {"numba", "llvmlite", "dtw"}
"""Packages that search paths."""

EXPENSIVE = SEARCHING | {"torch", "whisper", "scipy.stats", "statsmodels", "matplotlib", "captum", "sklearn", "skimage"}
SCORING = {"scipy", "jiwer", "rapidfuzz", "whisper_normalizer", "pyarrow", "pandas"}
AUDIO = {"soundfile", "soxr"}

THEIRS = str(HYPOTHESES / "stable-ts")
BASELINE = str(bundled_path("demo") / "baseline")

# Arguments, with RUN and KEPT for the folders of runs and NEW for one to write; the exit code; what is not loaded.
VERBS = [
    (["--version"], 0, EXPENSIVE | SCORING | AUDIO | {"numpy", "pydantic"}),
    (["--help"], 0, EXPENSIVE | SCORING | AUDIO | {"numpy", "pydantic"}),
    (["list", "sources"], 0, EXPENSIVE | SCORING | AUDIO | {"numpy"}),
    *((["list", kind], 0, EXPENSIVE | SCORING | AUDIO) for kind in KINDS[1:]),
    (["lint", THEIRS], 0, EXPENSIVE | SCORING | AUDIO),
    (["score", "demo", THEIRS, "--out", "RUN"], 2, EXPENSIVE | {"scipy"}),  # 2: one clip of the demo is given, not all
    (["lint", "RUN"], 0, EXPENSIVE | {"scipy"}),
    (["corpus", "check", "demo-ru"], 0, EXPENSIVE | {"scipy"}),
    (["corpus", "convert", "demo-ru", "NEW"], 0, EXPENSIVE | {"scipy"}),
    (["agree", "KEPT"], 0, EXPENSIVE),
    (["drift", "KEPT"], 0, EXPENSIVE - {"matplotlib"}),
    (["compare", BASELINE, BASELINE], 0, EXPENSIVE - {"matplotlib"}),
    (["report", "RUN", "--no-audio"], 0, EXPENSIVE - {"matplotlib"}),
    (["merge", "RUN", "--out", "NEW"], 2, EXPENSIVE - {"matplotlib"}),  # 2: it is no shard
    (["heads", "export", "KEPT/agree.json", "--form", "openai"], 2, EXPENSIVE - {"matplotlib"}),  # 2: it is no search
]


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """Exit code and loaded modules after each of :data:`VERBS`, by its arguments."""
    folder = tmp_path_factory.mktemp("started")
    (folder / "KEPT").mkdir()
    write_planted(folder / "KEPT")
    command = [sys.executable, "-c", COMMAND, json.dumps([verb for verb, _, _ in VERBS]), "said.json"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads((folder / "said.json").read_text("utf-8"))
    return {tuple(verb): each for (verb, _, _), each in zip(VERBS, found, strict=True)}


@pytest.mark.parametrize(("verb", "code", "unloaded"), VERBS, ids=[" ".join(verb[:2]) for verb, _, _ in VERBS])
def test_a_verb_loads_nothing_expensive_that_it_does_not_use(said, verb, code, unloaded):
    ended, loaded = said[tuple(verb)]
    assert ended == code
    assert unloaded & set(loaded) == set()


def test_a_search_does_load_what_it_searches_with():
    """The names that the table forbids are those that are loaded: a name spelt otherwise would forbid nothing."""
    code = (
        "import sys, numpy; from align_eval.alignment.dtw import dtw_path; dtw_path(numpy.ones((2, 2)));"
        "print(*sorted(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) >= SEARCHING
