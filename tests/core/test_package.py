"""The package as it is built: what the wheel holds, and that it works where torch cannot be had."""

import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
MINORS = [int(minor) for minor in re.findall(r"Python :: 3\.(\d+)", "\n".join(PROJECT["classifiers"]))]
BASELINE = ROOT / "corpora" / "demo" / "baseline"
HYPOTHESES = ROOT / "tests" / "hypotheses" / "stable-ts"


def pythons_tested(workflow: dict) -> set[str]:
    """Versions of Python on which the jobs of a workflow run tests, those of a matrix one by one."""
    found = set()
    for job in workflow["jobs"].values():
        matrix = job.get("strategy", {}).get("matrix", {})
        versions = [str(step.get("with", {}).get("python-version", "")) for step in job["steps"]]
        if any(".ci/run" in step.get("run", "") for step in job["steps"]):
            of_matrix = re.findall(r"matrix\.([\w-]+)", " ".join(versions))
            found |= {version for version in versions if version and "matrix." not in version}
            found |= {version for name in of_matrix for version in matrix[name]}
    return found


def test_the_pythons_that_are_declared_are_those_that_workflows_test():
    workflows = [yaml.safe_load(path.read_text("utf-8")) for path in (ROOT / ".github" / "workflows").glob("*.yml")]
    tested = set().union(*map(pythons_tested, workflows))
    assert tested == {f"3.{minor}" for minor in MINORS}
    assert PROJECT["requires-python"] == f">=3.{min(MINORS)}"


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The source archive, and the wheel that is built from it and from nothing else."""
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--outdir", str(out), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    return next(out.glob("*.tar.gz")), next(out.glob("*.whl"))


@pytest.mark.slow
def test_the_archives_hold_the_code_its_types_and_the_corpora_and_nothing_made(built):
    names = zipfile.ZipFile(built[1]).namelist()
    for needed in ("align_eval/py.typed", "align_eval/cli/__init__.py", "align_eval/corpora/demo/SOURCES.csv"):
        assert needed in names
    with tarfile.open(built[0]) as archive:
        tops = {name.split("/")[1] for name in archive.getnames() if "/" in name}
    assert {"align_eval", "corpora", "tests", "pyproject.toml", "README.md", "LICENSE"} <= tops
    assert not tops & {"runs", ".venv", ".venv-core", ".venv-peers"}
    assert sum(path.stat().st_size for path in built) < 30e6


def working_python(minor: int) -> str | None:
    """A Python of that version that starts: a name on the path may be a shim of none."""
    for name in (f"python3.{minor}", "python3", sys.executable):
        found = shutil.which(name)
        done = found and subprocess.run(
            [found, "-c", "import sys; print(sys.version_info.minor)"], capture_output=True, text=True, check=False
        )
        if done and done.stdout.strip() == str(minor):
            return found
    return None


@pytest.mark.slow
@pytest.mark.parametrize("minor", MINORS)
def test_the_wheel_alone_scores_and_compares_where_torch_is_not_there(minor, built, tmp_path):
    """With the newest versions that pyproject.toml allows, as users get them: constraints.txt holds nothing here."""
    python = working_python(minor)
    if python is None:
        pytest.skip(f"Python 3.{minor} is not on this machine")
    from uv import find_uv_bin  # of the extra `dev`, as `make test-all` has it

    subprocess.run([python, "-m", "venv", "--without-pip", str(tmp_path / "venv")], check=True)
    bin_ = tmp_path / "venv" / "bin"
    subprocess.run([find_uv_bin(), "pip", "install", "--quiet", "--python", bin_ / "python", built[1]], check=True)
    for arguments in (
        ["--help"],
        ["list", "sources"],
        ["score", "demo", str(HYPOTHESES), "--out", str(tmp_path / "run")],
        ["compare", str(BASELINE), str(BASELINE)],
    ):
        done = subprocess.run(
            [bin_ / "align-eval", *arguments], capture_output=True, text=True, check=False, cwd=tmp_path
        )
        expected = 2 if arguments[0] == "score" else 0  # the other clips have no file, which is said
        assert done.returncode == expected, done.stdout + done.stderr
    missing = subprocess.run([bin_ / "python", "-c", "import torch"], check=False, capture_output=True)
    assert missing.returncode == 1
