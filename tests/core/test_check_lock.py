"""scripts/check_lock.py on locks and environments with and without the requirements of pyproject.toml."""

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
    """Run the script on a lock in a temporary folder; return its exit code and its output."""

    def run(lock: str, lowest: str = "numpy==1.26.0\n") -> tuple[int, str]:
        (tmp_path / "pyproject.toml").write_text(PROJECT)
        (tmp_path / "constraints.in").write_text("torch==2.13.0  # the demo's figures are of this release\n")
        (tmp_path / "constraints.txt").write_text(lock)
        (tmp_path / "lowest.txt").write_text(lowest)
        done = subprocess.run([sys.executable, SCRIPT, tmp_path], capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    return run


def test_a_complete_lock_passes_and_the_output_names_the_python_versions(check):
    code, output = check(LOCK)
    assert code == 0
    assert "6 requirements on Python 3.11, 3.13" in output  # two of the package, two of extras, hatchling and torch


def test_a_lowest_version_that_is_not_the_bound_is_reported(check):
    """After a raised bound, lowest.txt would test a version that is no longer allowed."""
    code, output = check(LOCK, "numpy==1.25.2\nmatplotlib==3.8.0\n")
    assert code == 1
    assert "lowest.txt: has numpy 1.25.2, but the bound is numpy>=1.26; run `make lock`" in output
    assert "matplotlib" not in output


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("numpy==2.4.6", "numpy==1.25.2", "pins numpy==1.25.2 on Python 3.11, but numpy>=1.26 is required"),
        ("matplotlib==3.11.2\n", "", "no pin of matplotlib on Python 3.11, but matplotlib>=3.8 is required"),
        ("hatchling==1.33.0\n", "", "no pin of hatchling on Python 3.11, but hatchling>=1.24 is required"),
        ("torch==2.13.0", "torch==2.14.1", "pins torch==2.14.1 on Python 3.11, but torch==2.13.0 is required"),
    ],
)
def test_a_pin_out_of_bounds_or_missing_is_reported_with_its_remedy(check, old, new, problem):
    code, output = check(LOCK.replace(old, new))
    assert code == 1
    assert problem in output
    assert "make lock" in output


def test_a_requirement_of_one_python_version_needs_a_pin_only_there(check):
    code, output = check(LOCK.replace("audioop-lts==0.2.2 ; python_full_version >= '3.13'\n", ""))
    assert code == 1
    assert "no pin of audioop-lts on Python 3.13" in output
    assert "audioop-lts on Python 3.11" not in output


def test_a_pin_does_not_count_on_a_python_version_that_its_marker_excludes(check):
    code, output = check(LOCK.replace("numpy==2.4.6", "numpy==2.4.6 ; python_full_version < '3.12'"))
    assert code == 1
    assert "no pin of numpy on Python 3.13" in output
    assert "numpy on Python 3.11" not in output


def test_installed_packages_without_their_pin_are_reported_except_those_of_the_machine():
    sys.path.insert(0, str(SCRIPT.parent))
    try:
        from check_lock import strays
    finally:
        sys.path.pop(0)
    pins = [Requirement("torch==2.13.0"), Requirement("PyYAML==6.0.4"), Requirement("numpy==2.4.6")]
    installed = [("torch", "2.13.0+cpu"), ("nvidia-cublas", "13.1"), ("triton", "3.9.0"), ("pyyaml", "6.0.4")]
    assert strays(installed, pins) == []
    assert strays([("numpy", "2.5.0"), ("six", "1.17.0")], pins) == [
        "pins numpy==2.4.6, but 2.5.0 is installed",
        "no pin of six, but 1.17.0 is installed",
    ]
