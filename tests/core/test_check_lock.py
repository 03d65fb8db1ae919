"""scripts/check_lock.py on locks and environments that do and do not hold what pyproject.toml requires."""

import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "check_lock.py"
PROJECT = """
[build-system]
requires = ["hatchling>=1.24"]
[project]
name = "align-eval"
classifiers = ["Programming Language :: Python :: 3.11", "Programming Language :: Python :: 3.13"]
dependencies = ["numpy>=1.26", "audioop-lts>=0.2; python_version >= '3.13'"]
[project.optional-dependencies]
test = ["align-eval[figures]", "PyYAML>=6"]
figures = ["matplotlib>=3.8"]
"""
LOCK = """
audioop-lts==0.2.2 ; python_full_version >= '3.13'
    # via align-eval (pyproject.toml)
hatchling==1.33.0
matplotlib==3.11.2
numpy==2.4.6
pyyaml==6.0.4
torch==2.13.0
"""


@pytest.fixture
def check(tmp_path):
    """Run the script on a lock in a folder of its own."""

    def of(lock: str, lowest: str = "numpy==1.26.0\n") -> tuple[int, str]:
        (tmp_path / "pyproject.toml").write_text(PROJECT)
        (tmp_path / "constraints.in").write_text("torch==2.13.0  # the demo's figures are of this release\n")
        (tmp_path / "constraints.txt").write_text(lock)
        (tmp_path / "lowest.txt").write_text(lowest)
        done = subprocess.run([sys.executable, SCRIPT, tmp_path], capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    return of


def test_a_lock_that_holds_every_extra_passes_and_names_the_pythons(check):
    code, said = check(LOCK)
    assert code == 0
    assert "6 requirements on Python 3.11, 3.13" in said  # two of the package, two of extras, hatchling and torch


def test_lowest_versions_that_are_not_the_bounds_are_named(check):
    """A bound that was raised, or that no release has, is not what is tested."""
    code, said = check(LOCK, "numpy==1.25.2\nmatplotlib==3.8.0\n")
    assert code == 1
    assert "lowest.txt: tests numpy 1.25.2, where numpy>=1.26 is the bound; run `make lock`" in said
    assert "matplotlib" not in said


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("numpy==2.4.6", "numpy==1.25.2", "pins numpy==1.25.2 on Python 3.11, where numpy>=1.26 is required"),
        ("matplotlib==3.11.2\n", "", "no pin of matplotlib on Python 3.11, where matplotlib>=3.8 is required"),
        ("hatchling==1.33.0\n", "", "no pin of hatchling on Python 3.11, where hatchling>=1.24 is required"),
        ("torch==2.13.0", "torch==2.14.1", "pins torch==2.14.1 on Python 3.11, where torch==2.13.0 is required"),
    ],
)
def test_a_pin_out_of_bounds_or_missing_is_named_with_its_remedy(check, old, new, problem):
    code, said = check(LOCK.replace(old, new))
    assert code == 1
    assert problem in said
    assert "make lock" in said


def test_a_package_of_one_python_alone_must_be_pinned_there_and_only_there(check):
    code, said = check(LOCK.replace("audioop-lts==0.2.2 ; python_full_version >= '3.13'\n", ""))
    assert code == 1
    assert "no pin of audioop-lts on Python 3.13" in said
    assert "audioop-lts on Python 3.11" not in said


def test_a_pin_whose_marker_leaves_a_python_out_does_not_count_there(check):
    code, said = check(LOCK.replace("numpy==2.4.6", "numpy==2.4.6 ; python_full_version < '3.12'"))
    assert code == 1
    assert "no pin of numpy on Python 3.13" in said
    assert "numpy on Python 3.11" not in said


def test_what_is_installed_beside_the_pins_is_named_but_not_builds_of_a_machine():
    sys.path.insert(0, str(SCRIPT.parent))
    try:
        from check_lock import strays
    finally:
        sys.path.pop(0)
    pins = [Requirement("torch==2.13.0"), Requirement("PyYAML==6.0.4"), Requirement("numpy==2.4.6")]
    held = [("torch", "2.13.0+cpu"), ("nvidia-cublas", "13.1"), ("triton", "3.9.0"), ("pyyaml", "6.0.4")]
    assert strays(held, pins) == []
    assert strays([("numpy", "2.5.0"), ("six", "1.17.0")], pins) == [
        "pins numpy==2.4.6, installed is 2.5.0",
        "no pin of six, which is installed as 1.17.0",
    ]
