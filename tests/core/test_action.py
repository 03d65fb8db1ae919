"""The action, its workflows and those of docs/ci.md: they parse, name what exists, and their scripts run.

GitHub's runner is not here; what it does with a composite action is replayed: inputs become environment variables, and
each step's script is run by bash with the folders and files that a runner gives it.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from align_eval.formats.run.folder import write_baseline
from align_eval.gate.compare import read_side
from tests.helpers.command_line import start
from tests.helpers.planted_words import moved

ROOT = Path(__file__).resolve().parents[2]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
STEPS = {step["name"]: step for step in ACTION["runs"]["steps"]}
OWN = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))
SHOWN = [
    yaml.safe_load(block)
    for block in re.findall(r"^```yaml\n(.*?)^```", (ROOT / "docs" / "ci.md").read_text(encoding="utf-8"), re.M | re.S)
]
BASELINE = ROOT / "corpora" / "demo" / "baseline"
INPUT = re.compile(r"\$\{\{ inputs\.([\w-]+) \}\}")


def steps_of(workflow: dict) -> list[dict]:
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def test_the_action_is_a_composite_one_whose_scripts_name_their_shell():
    assert ACTION["runs"]["using"] == "composite"
    assert all(step["shell"] == "bash" for step in STEPS.values())
    assert ACTION["inputs"].keys() >= {"baseline", "run", "margin-ms", "strict"}
    assert all(spec["description"] for spec in ACTION["inputs"].values())


def test_inputs_reach_the_scripts_as_environment_and_never_as_text():
    """What is pasted into a script is run: a branch name may hold a command."""
    for step in STEPS.values():
        assert "${{" not in step["run"]
        named = {match.group(1) for value in step.get("env", {}).values() for match in INPUT.finditer(value)}
        assert named <= ACTION["inputs"].keys()
        assert all(f"${name}" in step["run"] for name in step.get("env", {}))


@pytest.mark.parametrize("workflow", [OWN, *SHOWN], ids=["own", *(f"docs {i}" for i in range(len(SHOWN)))])
def test_a_workflow_says_when_it_runs_with_which_rights_and_pins_what_it_uses(workflow):
    assert workflow[True]  # YAML 1.1 reads the key `on` as a truth value
    assert workflow["permissions"] == {"contents": "read"}
    for step in steps_of(workflow):
        assert ("uses" in step) != ("run" in step)
        assert step.get("uses", "./") == "./" or re.fullmatch(r"[\w-]+/[\w.-]+@\w[\w.-]*", step["uses"])


@pytest.mark.parametrize("workflow", [OWN, *SHOWN], ids=["own", *(f"docs {i}" for i in range(len(SHOWN)))])
def test_a_workflow_gives_the_action_the_inputs_that_it_has(workflow):
    ours = [step for step in steps_of(workflow) if re.search(r"^\./$|/align-eval@", step.get("uses", ""))]
    assert ours
    for step in ours:
        given, known = step["with"].keys(), ACTION["inputs"]
        assert given <= known.keys()
        assert given >= {name for name, spec in known.items() if spec.get("required")}


def test_our_own_workflow_runs_what_decides_whether_a_change_lands():
    """Its jobs together run each part that .ci/run runs where none is named."""
    (parts,) = re.findall(r"^ *set -- (.+)$", (ROOT / ".ci" / "run").read_text(encoding="utf-8"), re.M)
    commands = [step["run"].split() for step in steps_of(OWN) if "run" in step]
    assert {part for name, *named in commands if name == ".ci/run" for part in named} == set(parts.split())
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_our_own_workflow_tests_the_core_on_every_declared_python_and_validates_weekly():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = [re.fullmatch(r"Programming Language :: Python :: (3\.\d+)", text) for text in project["classifiers"]]
    assert OWN["jobs"]["core"]["strategy"]["matrix"]["python"] == [found.group(1) for found in declared if found]
    assert OWN[True]["schedule"]
    assert "schedule" in OWN["jobs"]["validate"]["if"]
    assert {"run": "make validate"} in OWN["jobs"]["validate"]["steps"]


def test_the_gate_on_ourselves_is_held_to_a_baseline_with_words():
    (gate,) = (step["with"] for step in steps_of(OWN) if step.get("uses") == "./")
    assert read_side(ROOT / gate["baseline"]).words.num_rows > 0


IMPORTED = """
import sys
from align_eval.cli import main
for arguments in {arguments!r}:
    sys.argv = ["align-eval", *arguments]
    try:
        main()
    except SystemExit as ended:
        assert not ended.code, arguments
print(*{{name.partition(".")[0] for name in sys.modules}})
"""


def test_the_action_installs_what_score_and_compare_import_and_no_more(tmp_path):
    given = tmp_path / "theirs"
    given.mkdir()
    for file in (ROOT / "corpora" / "demo").glob("en_praatio_*"):
        shutil.copy(file, given)
    arguments = [
        ["score", str(given), str(given), "--out", str(tmp_path / "scored")],
        ["compare", str(BASELINE), str(BASELINE), "--out", str(tmp_path / "gate")],
    ]
    done = start("-c", IMPORTED.format(arguments=arguments))
    assert done.returncode == 0, done.stderr
    providers = importlib.metadata.packages_distributions()
    modules = done.stdout.splitlines()[-1].split()
    loaded = {name.lower().replace("_", "-") for module in modules for name in providers.get(module, [])}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    core = {re.match(r"[\w-]+", text).group().lower() for text in project["dependencies"]}
    (listed,) = re.findall(r'constraints\.txt" \\\n(.*)\n', STEPS["Install"]["run"])
    assert {name.lower() for name in listed.split()} == core & loaded
    assert not {"torch", "openai-whisper"} & loaded


class Runner:
    """The files and folders that a runner gives a step."""

    def __init__(self, folder: Path, **inputs: str) -> None:
        self.folder = folder
        self.inputs = {name: spec.get("default", "") for name, spec in ACTION["inputs"].items()} | inputs
        self.files = {name: folder / name.lower() for name in ("GITHUB_ENV", "GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
        for file in self.files.values():
            file.touch()

    def run(self, name: str, **environment: str) -> subprocess.CompletedProcess[str]:
        given = {key: INPUT.sub(lambda m: self.inputs[m.group(1)], text) for key, text in STEPS[name]["env"].items()}
        runner = {"GITHUB_ACTION_PATH": str(ROOT), "RUNNER_TEMP": str(self.folder)}
        paths = {key: str(path) for key, path in self.files.items()}
        return subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", STEPS[name]["run"]],
            cwd=self.folder, env=os.environ | runner | paths | given | environment,
            capture_output=True, text=True, check=False,
        )  # fmt: skip


@pytest.fixture
def shifted(tmp_path) -> Path:
    accepted = read_side(BASELINE)
    write_baseline(tmp_path / "shifted run", accepted.run, moved(accepted.words, 60.0, 60.0), "")
    return tmp_path / "shifted run"


def test_the_compare_step_passes_on_the_baseline_and_writes_every_report(tmp_path):
    runner = Runner(tmp_path, baseline=str(BASELINE), run=str(BASELINE), strict="true")
    done = runner.run("Compare", ALIGN_EVAL_PYTHON=sys.executable)
    assert (done.returncode, done.stderr) == (0, "")
    assert runner.files["GITHUB_OUTPUT"].read_text() == "verdict=pass\n"
    assert "Word times: pass" in runner.files["GITHUB_STEP_SUMMARY"].read_text()
    assert {p.name for p in (tmp_path / "align-eval").iterdir()} == {
        "compare.json", "summary.md", "junit.xml", "benchmark.json"
    }  # fmt: skip


def test_the_compare_step_fails_on_a_shifted_run_and_says_so(tmp_path, shifted):
    runner = Runner(tmp_path, baseline=str(BASELINE), run=str(shifted), out="gate reports")
    done = runner.run("Compare", ALIGN_EVAL_PYTHON=sys.executable)
    assert done.returncode == 1
    assert runner.files["GITHUB_OUTPUT"].read_text() == "verdict=regression\n"
    assert json.loads((tmp_path / "gate reports" / "compare.json").read_text())["verdict"] == "regression"


def test_a_run_that_is_not_there_fails_the_step_and_leaves_no_verdict_of_an_earlier_one(tmp_path):
    (tmp_path / "align-eval").mkdir()
    (tmp_path / "align-eval" / "compare.json").write_text('{"verdict": "pass"}')
    runner = Runner(tmp_path, baseline=str(BASELINE), run="$(touch pwned)")
    done = runner.run("Compare", ALIGN_EVAL_PYTHON=sys.executable)
    assert done.returncode == 2
    assert runner.files["GITHUB_OUTPUT"].read_text() == ""
    assert not (tmp_path / "pwned").exists()


def test_the_score_step_writes_a_run_that_can_be_compared(tmp_path):
    given = tmp_path / "theirs"
    given.mkdir()
    for file in (ROOT / "corpora" / "demo").glob("en_praatio_*"):
        shutil.copy(file, given)
    runner = Runner(tmp_path, reference=str(given), hypothesis=str(given), run="scored", baseline="scored")
    done = runner.run("Score", ALIGN_EVAL_PYTHON=sys.executable)
    assert done.returncode == 0, done.stderr
    done = runner.run("Compare", ALIGN_EVAL_PYTHON=sys.executable)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_what_the_install_step_installs_is_enough(tmp_path):
    """In an environment of its own, from the package index: minutes."""
    runner = Runner(tmp_path, python=sys.executable, baseline=str(BASELINE), run=str(BASELINE))
    done = runner.run("Install", PYTHONPATH="")
    assert done.returncode == 0, done.stderr
    key, _, python = runner.files["GITHUB_ENV"].read_text().strip().partition("=")
    assert key == "ALIGN_EVAL_PYTHON"
    assert runner.run("Compare", ALIGN_EVAL_PYTHON=python, PYTHONPATH="").returncode == 0
    listed = subprocess.run([python, "-m", "pip", "list"], capture_output=True, text=True, check=True).stdout.lower()
    assert "torch" not in listed
    assert "dtw" not in listed
