"""Check constraints.txt and lowest.txt against pyproject.toml, without a network.

Usage: check_lock.py [--installed] [FOLDER]

For each Python version of pyproject.toml, every requirement of every extra must have a pin within its bounds. The
versions in lowest.txt must be the lower bounds. With --installed, every package of this environment must also have a
pin at the installed version.
"""

from __future__ import annotations

import argparse
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
LEFT_OUT = re.compile(r"align-eval|triton|nvidia-.*|cuda-.*|pip|setuptools|wheel")
"""Installed packages that need no pin: ours, those that differ between machines, and those of a new environment."""
REMEDY = "run `make lock`, or make the environment again"


def read_requirements(text: str) -> list[Requirement]:
    """Return the requirements of a requirements file or constraints file."""
    return [Requirement(line) for raw in text.splitlines() if (line := raw.partition("#")[0].strip())]


def direct_requirements(project: dict[str, Any]) -> Iterator[Requirement]:
    """Yield the requirements of the package and of its extras, without references to its own extras."""
    extras = project.get("optional-dependencies", {}).values()
    for text in [*project.get("dependencies", []), *(text for extra in extras for text in extra)]:
        requirement = Requirement(text)
        if canonicalize_name(requirement.name) != canonicalize_name(project["name"]):
            yield requirement


def declared_pythons(project: dict[str, Any]) -> list[str]:
    """Return the Python versions of the classifiers, such as 3.11."""
    matches = [re.fullmatch(r"Programming Language :: Python :: (3\.\d+)", text) for text in project["classifiers"]]
    return [match.group(1) for match in matches if match]


def applies(requirement: Requirement, python: str | None = None) -> bool:
    """Evaluate a requirement's marker for this machine, with the running Python or with another version."""
    versions = {"python_version": python, "python_full_version": f"{python}.0"} if python else {}
    return requirement.marker is None or requirement.marker.evaluate({"extra": "", **versions})


def version_of(pin: Requirement) -> str:
    """Return the version of a pin."""
    return str(pin.specifier).removeprefix("==")


def pinned(pins: Iterable[Requirement], python: str | None = None) -> dict[str, Requirement]:
    """Return the pins that apply, by package name."""
    return {canonicalize_name(pin.name): pin for pin in pins if applies(pin, python)}


def unmet(requirements: Iterable[Requirement], pins: Iterable[Requirement], python: str) -> list[str]:
    """Return one problem for each requirement without a pin within its bounds, for one version of Python."""
    applicable = pinned(pins, python)
    problems = []
    for requirement in requirements:
        if not applies(requirement, python):
            continue
        pin = applicable.get(canonicalize_name(requirement.name))
        if pin is None:
            problems.append(f"no pin of {requirement.name} on Python {python}, but {requirement} is required")
        elif not requirement.specifier.contains(version_of(pin), prereleases=True):
            problems.append(f"pins {pin} on Python {python}, but {requirement} is required")
    return problems


def lowest_mismatches(requirements: Iterable[Requirement], lowest: Iterable[Requirement]) -> list[str]:
    """Return one problem for each requirement whose lower bound is not the version in lowest.txt."""
    tested = {canonicalize_name(pin.name): Version(version_of(pin)) for pin in lowest}
    problems = []
    for requirement in requirements:
        bounds = [Version(each.version) for each in requirement.specifier if each.operator in (">=", "==")]
        version = tested.get(canonicalize_name(requirement.name))
        if bounds and version is not None and version != bounds[0]:
            problems.append(f"has {requirement.name} {version}, but the bound is {requirement}")
    return problems


def strays(installed: Iterable[tuple[str, str]], pins: Iterable[Requirement]) -> list[str]:
    """Return one problem for each installed package (name, version) without a pin at that version.

    A local version such as ``+cpu`` does not count as a difference.
    """
    applicable = pinned(pins)
    problems = []
    for name, version in sorted({(canonicalize_name(name), version) for name, version in installed}):
        if LEFT_OUT.fullmatch(name):
            continue
        if name not in applicable:
            problems.append(f"no pin of {name}, but {version} is installed")
        elif not applicable[name].specifier.contains(version, prereleases=True):
            problems.append(f"pins {applicable[name]}, but {version} is installed")
    return problems


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT)
    parser.add_argument("--installed", action="store_true")
    arguments = parser.parse_args()
    folder = arguments.folder
    document = tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))
    pins = read_requirements((folder / "constraints.txt").read_text("utf-8"))
    requirements = [
        *direct_requirements(document["project"]),
        *map(Requirement, document["build-system"]["requires"]),
        *read_requirements((folder / "constraints.in").read_text("utf-8")),
    ]
    pythons = declared_pythons(document["project"])
    problems = [problem for python in pythons for problem in unmet(requirements, pins, python)]
    if arguments.installed:
        problems += strays(((each.metadata["Name"], each.version) for each in distributions()), pins)
    lowest = read_requirements((folder / "lowest.txt").read_text("utf-8"))
    lowest_problems = lowest_mismatches(direct_requirements(document["project"]), lowest)
    for problem in dict.fromkeys(problems):
        print(f"{folder / 'constraints.txt'}: {problem}; {REMEDY}", file=sys.stderr)
    for problem in lowest_problems:
        print(f"{folder / 'lowest.txt'}: {problem}; {REMEDY}", file=sys.stderr)
    problems += lowest_problems
    if not problems:
        print(f"constraints.txt holds {len(requirements)} requirements on Python {', '.join(pythons)}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
