"""A part imports only the parts that docs/design.md allows, and nothing heavy is loaded before it is used.

Read from the source of every module, imports inside functions and under TYPE_CHECKING included.
"""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import align_eval
from align_eval.import_closure import imported_names

PACKAGE = Path(align_eval.__file__).parent

DESIGN = PACKAGE.parent / "docs" / "design.md"
TABLE_ROW = re.compile(r"^\| `(\w+)` \| .* \| (.+) \|$", re.MULTILINE)

MAY_IMPORT = {
    part: set(re.findall(r"`(\w+)`", imports))
    for part, imports in TABLE_ROW.findall(DESIGN.read_text(encoding="utf-8"))
}
"""Every part of the package, from the bottom up, with the parts that it imports: the table of docs/design.md."""

TORCH_FREE = (
    "errors",
    "units",
    "weights",
    "records",
    "spec",
    "text",
    "formats",
    "corpus",
    "alignment",
    "scoring",
    "systems",
    "heuristics",
    "options",
    "signature",
    "lint_files",
    "score_files",
    "gate",
    "reporting",
    "cli",
)
HEAVY = {"torch", "whisper"}
HEAVY_BY_NAME = {}


def modules(part: str | None = None) -> list[str]:
    """Paths of modules relative to the package; ``part`` is a module or a folder of the package."""
    paths = sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py") if "corpora" not in path.parts)
    return [path.as_posix() for path in paths if part is None or path.parts[0] in (part, f"{part}.py")]


def part_of(module: str) -> str:
    return Path(module).parts[0].removesuffix(".py")


def imported(module: str) -> set[str]:
    """Full names of all that a module imports at any level, each with the names taken from it."""
    package = ".".join(["align_eval", *Path(module).parts[:-1]])
    return imported_names((PACKAGE / module).read_bytes(), package, type_checking=True)


def test_every_part_of_the_package_stands_in_the_table():
    assert {part_of(module) for module in modules()} == set(MAY_IMPORT)


def test_the_table_goes_one_way():
    parts = list(MAY_IMPORT)
    against = {part: above - set(parts[: parts.index(part)]) for part, above in MAY_IMPORT.items()}
    assert {part: others for part, others in against.items() if others} == {}


@pytest.mark.parametrize("part", MAY_IMPORT)
def test_a_part_imports_the_parts_that_the_table_gives_it_and_no_other(part):
    names = {name for module in modules(part) for name in imported(module) if name.startswith("align_eval.")}
    assert {name.split(".")[1] for name in names} - {part} == MAY_IMPORT[part]


@pytest.mark.parametrize("module", [module for part in TORCH_FREE for module in modules(part)])
def test_what_needs_no_model_imports_neither_torch_nor_whisper(module):
    assert {name.split(".")[0] for name in imported(module)} & HEAVY == HEAVY_BY_NAME.get(module, set())


def test_only_the_compiled_kernels_import_numba():
    importers = [module for module in modules() if "numba" in {name.split(".")[0] for name in imported(module)}]
    assert importers == ["alignment/kernels.py"]


def test_nothing_imports_scipys_statistics():
    """It takes a second to load. ``scipy.signal`` loads it too: see test_start_up.py."""
    importers = [module for module in modules() if any(name.startswith("scipy.stats") for name in imported(module))]
    assert importers == []


def loaded_after(statement: str) -> list[str]:
    code = f"import sys\n{statement}\nprint(*sorted({HEAVY!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def names_of(part: str) -> str:
    names = (f"align_eval.{module.removesuffix('.py').replace('/', '.')}" for module in modules(part))
    return ", ".join(name.removesuffix(".__init__") for name in names)


@pytest.mark.parametrize(
    "statement",
    [
        "import align_eval; dir(align_eval)",
        "import align_eval; align_eval.evaluate",
        *(f"import {names_of(part)}" for part in TORCH_FREE),
    ],
)
def test_importing_loads_neither_torch_nor_whisper(statement):
    assert loaded_after(statement) == []
