"""The action, the repository's workflow and the workflows of docs/ci.md: they parse, use existing inputs, and run.

The tests replay a composite action as GitHub's runner executes it: inputs become environment variables, and bash runs
the script of each step with the folders and files that the runner provides.
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
WORKFLOW = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))
DOCS_WORKFLOWS = [
    yaml.safe_load(block)
    for block in re.findall(r"^```yaml\n(.*?)^```", (ROOT / "docs" / "ci.md").read_text(encoding="utf-8"), re.M | re.S)
]
BASELINE = ROOT / "corpora" / "demo" / "baseline"
EACH_WORKFLOW = pytest.mark.parametrize(
    "workflow", [WORKFLOW, *DOCS_WORKFLOWS], ids=["repository", *(f"docs {i}" for i in range(len(DOCS_WORKFLOWS)))]
)
INPUT = re.compile(r"\$\{\{ inputs\.([\w-]+) \}\}")


def steps_of(workflow: dict) -> list[dict]:
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def test_the_action_is_composite_and_every_step_names_its_shell():
    assert ACTION["runs"]["using"] == "composite"
    assert all(step["shell"] == "bash" for step in STEPS.values())
    assert ACTION["inputs"].keys() >= {"baseline", "run", "margin-ms", "strict"}
    assert all(spec["description"] for spec in ACTION["inputs"].values())


def test_inputs_reach_the_scripts_as_environment_variables_only():
    """Text pasted into a script would be executed: a branch name may contain a command."""
    for step in STEPS.values():
        assert "${{" not in step["run"]
        named = {match.group(1) for value in step.get("env", {}).values() for match in INPUT.finditer(value)}
        assert named <= ACTION["inputs"].keys()
        assert all(f"${name}" in step["run"] for name in step.get("env", {}))


@EACH_WORKFLOW
def test_a_workflow_has_triggers_permissions_and_pinned_actions(workflow):
    assert workflow[True]  # YAML 1.1 reads the key `on` as a truth value
    assert workflow["permissions"] == {"contents": "read"}
    for step in steps_of(workflow):
        assert ("uses" in step) != ("run" in step)
        assert step.get("uses", "./") == "./" or re.fullmatch(r"[\w-]+/[\w.-]+@\w[\w.-]*", step["uses"])


@EACH_WORKFLOW
def test_a_workflow_passes_existing_and_all_required_inputs(workflow):
    action_steps = [step for step in steps_of(workflow) if re.search(r"^\./$|/align-eval@", step.get("uses", ""))]
    assert action_steps
    for step in action_steps:
        passed, inputs = step["with"].keys(), ACTION["inputs"]
        assert passed <= inputs.keys()
        assert passed >= {name for name, spec in inputs.items() if spec.get("required")}


def test_the_workflow_of_this_repository_runs_every_part_of_the_checks():
    """The jobs together run each part that .ci/run runs by default."""
    (parts,) = re.findall(r"^ *set -- (.+)$", (ROOT / ".ci" / "run").read_text(encoding="utf-8"), re.M)
    commands = [step["run"].split() for step in steps_of(WORKFLOW) if "run" in step]
    assert {part for name, *named in commands if name == ".ci/run" for part in named} == set(parts.split())
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_the_workflow_of_this_repository_tests_every_declared_python_and_validates_weekly():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = [re.fullmatch(r"Programming Language :: Python :: (3\.\d+)", text) for text in project["classifiers"]]
    tested = WORKFLOW["jobs"]["core"]["strategy"]["matrix"]["python"]
    assert tested == [version.group(1) for version in declared if version]
    assert WORKFLOW[True]["schedule"]
    assert "schedule" in WORKFLOW["jobs"]["validate"]["if"]
    assert {"run": "make validate"} in WORKFLOW["jobs"]["validate"]["steps"]


def test_the_baseline_of_the_workflow_has_words():
    (gate,) = (step["with"] for step in steps_of(WORKFLOW) if step.get("uses") == "./")
    assert read_side(ROOT / gate["baseline"]).words.num_rows > 0


IMPORTED = """
import sys
from align_eval.cli import main
for arguments in {arguments!r}:
    sys.argv = ["align-eval", *arguments]
    try:
        main()
    except SystemExit as exit_:
        assert not exit_.code, arguments
print(*{{name.partition(".")[0] for name in sys.modules}})
"""


def test_the_action_installs_exactly_the_packages_that_score_and_compare_import(tmp_path):
    speech = tmp_path / "speech"
    speech.mkdir()
    for file in (ROOT / "corpora" / "demo").glob("en_praatio_*"):
        shutil.copy(file, speech)
    arguments = [
        ["score", str(speech), str(speech), "--out", str(tmp_path / "scored")],
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
    """GitHub's runner: files and folders for the steps of the action."""

    def __init__(self, folder: Path, **inputs: str) -> None:
        self.folder = folder
        self.inputs = {name: spec.get("default", "") for name, spec in ACTION["inputs"].items()} | inputs
        self.files = {name: folder / name.lower() for name in ("GITHUB_ENV", "GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
        for file in self.files.values():
            file.touch()

    def run(self, name: str, **environment: str) -> subprocess.CompletedProcess[str]:
        step = STEPS[name]
        values = {key: INPUT.sub(lambda m: self.inputs[m.group(1)], text) for key, text in step["env"].items()}
        runner = {"GITHUB_ACTION_PATH": str(ROOT), "RUNNER_TEMP": str(self.folder)}
        paths = {key: str(path) for key, path in self.files.items()}
        return subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
            cwd=self.folder, env=os.environ | runner | paths | values | environment,
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


def test_the_compare_step_fails_on_a_shifted_run_with_its_verdict(tmp_path, shifted):
    runner = Runner(tmp_path, baseline=str(BASELINE), run=str(shifted), out="gate reports")
    done = runner.run("Compare", ALIGN_EVAL_PYTHON=sys.executable)
    assert done.returncode == 1
    assert runner.files["GITHUB_OUTPUT"].read_text() == "verdict=regression\n"
    assert json.loads((tmp_path / "gate reports" / "compare.json").read_text())["verdict"] == "regression"


def test_a_missing_run_fails_the_step_and_leaves_no_earlier_verdict(tmp_path):
    (tmp_path / "align-eval").mkdir()
    (tmp_path / "align-eval" / "compare.json").write_text('{"verdict": "pass"}')
    runner = Runner(tmp_path, baseline=str(BASELINE), run="$(touch pwned)")
    done = runner.run("Compare", ALIGN_EVAL_PYTHON=sys.executable)
    assert done.returncode == 2
    assert runner.files["GITHUB_OUTPUT"].read_text() == ""
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize("name", ["json.py", "rich.py", "align_eval/__init__.py"])
def test_nothing_is_imported_from_the_checkout(tmp_path, name):
    """``python -m`` and ``python -c`` would import from the working folder first, which holds a stranger's files."""
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("open('pwned', 'w')")
    runner = Runner(tmp_path, baseline=str(BASELINE), run=str(BASELINE))
    done = runner.run("Compare", ALIGN_EVAL_PYTHON=sys.executable)
    assert (done.returncode, runner.files["GITHUB_OUTPUT"].read_text()) == (0, "verdict=pass\n")
    assert not (tmp_path / "pwned").exists()
    for step in STEPS.values():
        assert not re.search(r"(PYTHON|python)\" -[mc]", step["run"])


def test_only_a_verdict_becomes_an_output(tmp_path):
    """A line break in an output would set another one."""
    program = tmp_path / "python"
    program.write_text(f"""#!{sys.executable}
import os, sys
if "align_eval" in sys.argv:
    os.makedirs("align-eval")
    open("align-eval/compare.json", "w").write('{{"verdict": "pass\\\\nout=elsewhere"}}')
else:
    os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
""")
    program.chmod(0o755)
    runner = Runner(tmp_path, baseline=str(BASELINE), run=str(BASELINE))
    assert runner.run("Compare", ALIGN_EVAL_PYTHON=str(program)).returncode == 0
    assert runner.files["GITHUB_OUTPUT"].read_text() == ""


def test_the_score_step_writes_a_run_that_can_be_compared(tmp_path):
    speech = tmp_path / "speech"
    speech.mkdir()
    for file in (ROOT / "corpora" / "demo").glob("en_praatio_*"):
        shutil.copy(file, speech)
    runner = Runner(tmp_path, reference=str(speech), hypothesis=str(speech), run="scored", baseline="scored")
    done = runner.run("Score", ALIGN_EVAL_PYTHON=sys.executable)
    assert done.returncode == 0, done.stderr
    done = runner.run("Compare", ALIGN_EVAL_PYTHON=sys.executable)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_the_installed_packages_suffice_for_the_compare_step(tmp_path):
    """Installs into a new environment from the package index: takes minutes."""
    runner = Runner(tmp_path, python=sys.executable, baseline=str(BASELINE), run=str(BASELINE))
    done = runner.run("Install", PYTHONPATH="")
    assert done.returncode == 0, done.stderr
    key, _, python = runner.files["GITHUB_ENV"].read_text().strip().partition("=")
    assert key == "ALIGN_EVAL_PYTHON"
    assert runner.run("Compare", ALIGN_EVAL_PYTHON=python, PYTHONPATH="").returncode == 0
    listed = subprocess.run([python, "-m", "pip", "list"], capture_output=True, text=True, check=True).stdout.lower()
    assert "torch" not in listed
    assert "dtw" not in listed
