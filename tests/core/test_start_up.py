"""Modules that each command loads: no expensive package without use.

One fresh process runs the commands in turn, the cheapest first, and records the loaded modules after each. A package
that is forbidden for a command is therefore forbidden for all commands before it.
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

PROGRAM = """
import json, sys
from align_eval.cli import main
commands, out = json.loads(sys.argv[1]), sys.argv[2]
results = []
for command in commands:
    sys.argv = ["align-eval", *command]
    try:
        main()
        code = 0
    except SystemExit as exit_:
        code = exit_.code or 0
    results.append([code, sorted(sys.modules)])
with open(out, "w") as file:
    json.dump(results, file)
"""

SEARCHING = {"numba", "llvmlite", "dtw"}
"""Packages for searching an alignment path."""

EXPENSIVE = SEARCHING | {"torch", "whisper", "scipy.stats", "statsmodels", "matplotlib", "captum", "sklearn", "skimage"}
SCORING = {"scipy", "jiwer", "rapidfuzz", "whisper_normalizer", "pyarrow", "pandas"}
AUDIO = {"soundfile", "soxr"}

OTHER_SYSTEM = str(HYPOTHESES / "stable-ts")
BASELINE = str(bundled_path("demo") / "baseline")

# Arguments (RUN and KEPT are run folders, NEW is a folder to write), exit code, packages that must not be loaded.
COMMANDS = [
    (["--version"], 0, EXPENSIVE | SCORING | AUDIO | {"numpy", "pydantic"}),
    (["--help"], 0, EXPENSIVE | SCORING | AUDIO | {"numpy", "pydantic"}),
    (["list", "sources"], 0, EXPENSIVE | SCORING | AUDIO | {"numpy"}),
    *((["list", kind], 0, EXPENSIVE | SCORING | AUDIO) for kind in KINDS[1:]),
    (["lint", OTHER_SYSTEM], 0, EXPENSIVE | SCORING | AUDIO),
    (
        ["score", "demo", OTHER_SYSTEM, "--out", "RUN"],
        2,
        EXPENSIVE | {"scipy"},
    ),  # 2: only one clip of the demo
    (["lint", "RUN"], 0, EXPENSIVE | {"scipy"}),
    (["corpus", "check", "demo-ru"], 0, EXPENSIVE | {"scipy"}),
    (["corpus", "convert", "demo-ru", "NEW"], 0, EXPENSIVE | {"scipy"}),
    (["agree", "KEPT"], 0, EXPENSIVE),
    (["drift", "KEPT"], 0, EXPENSIVE - {"matplotlib"}),
    (["compare", BASELINE, BASELINE], 0, EXPENSIVE - {"matplotlib"}),
    (["report", "RUN", "--no-audio"], 0, EXPENSIVE - {"matplotlib"}),
    (["merge", "RUN", "--out", "NEW"], 2, EXPENSIVE - {"matplotlib"}),  # 2: not a shard
    (["heads", "export", "KEPT/agree.json", "--form", "openai"], 2, EXPENSIVE - {"matplotlib"}),  # 2: not a head search
]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Exit code and loaded modules after each of :data:`COMMANDS`, by its arguments."""
    folder = tmp_path_factory.mktemp("started")
    (folder / "KEPT").mkdir()
    write_planted(folder / "KEPT")
    arguments = json.dumps([command for command, _, _ in COMMANDS])
    program = [sys.executable, "-c", PROGRAM, arguments, "results.json"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run(program, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    recorded = json.loads((folder / "results.json").read_text("utf-8"))
    return {tuple(command): result for (command, _, _), result in zip(COMMANDS, recorded, strict=True)}


@pytest.mark.parametrize(
    ("command", "code", "unloaded"), COMMANDS, ids=[" ".join(command[:2]) for command, _, _ in COMMANDS]
)
def test_a_command_loads_no_expensive_package_without_use(results, command, code, unloaded):
    exit_code, loaded = results[tuple(command)]
    assert exit_code == code
    assert unloaded & set(loaded) == set()


def test_a_search_loads_the_packages_that_the_table_names():
    """A misspelt name in the table would forbid nothing."""
    code = (
        "import sys, numpy; from align_eval.alignment.dtw import dtw_path; dtw_path(numpy.ones((2, 2)));"
        "print(*sorted(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) >= SEARCHING
