"""The import closure of a module: the modules that run with it, read from their source; none is imported.

Imports inside functions count. So does a quoted module name, alone or before a colon, as in tables of modules that are
loaded by name. Blocks under ``TYPE_CHECKING`` never run and do not count.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

QUOTED_MODULE = re.compile(rb"""["'](\w+(?:\.\w+)+)(?::\w+)?["']""")
BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")
"""Attributes of a statement that hold other statements."""


def import_closure(root: str, folder: Path) -> dict[str, bytes]:
    """The sources of a module and of every module that it imports, directly or not, by full name, sorted.

    The packages around these modules are included, since a package's ``__init__`` runs first.

    Parameters
    ----------
    root : str
        Full name of the module.
    folder : Path
        Folder of its top package. Modules outside that package are left out.

    Raises
    ------
    ModuleNotFoundError
        Where the folder has no such module.
    """
    if _path(root, folder) is None:
        raise ModuleNotFoundError(f"there is no module {root} in {folder}", name=root)
    top, _, _ = root.partition(".")
    sources: dict[str, bytes] = {}
    waiting = {root}
    while waiting:
        name = waiting.pop()
        for module, path in _packages_and_module(name, folder):
            if module not in sources:
                sources[module] = source = path.read_bytes()
                package = module if path.name == "__init__.py" else module.rpartition(".")[0]
                names = imported_names(source, package) | quoted_modules(source)
                waiting |= {name for name in names if name.partition(".")[0] == top}
    return dict(sorted(sources.items()))


def imported_names(source: bytes, package: str, *, type_checking: bool = False) -> set[str]:
    """Full names of the imports of a module at any level, each with the imported name.

    Parameters
    ----------
    source : bytes
    package : str
        The module's package, from which relative imports start.
    type_checking : bool
        Include imports under ``TYPE_CHECKING``.
    """
    names: set[str] = set()
    for node in _statements(ast.parse(source), type_checking):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) + 1 - node.level] if node.level else []
            start = [*above, node.module] if node.module else above
            names |= {".".join([*start, alias.name]) for alias in node.names}
    return names


def quoted_modules(source: bytes) -> set[str]:
    """Dotted names in the strings of a module, alone or before a colon."""
    return {name.decode() for name in QUOTED_MODULE.findall(source)}


def _statements(tree: ast.AST, type_checking: bool) -> Iterator[ast.AST]:
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        skipped = "body" if not type_checking and isinstance(node, ast.If) and _is_type_checking(node.test) else None
        for block in BLOCKS:
            if block != skipped:
                waiting += getattr(node, block, ())


def _is_type_checking(test: ast.expr) -> bool:
    name = test.attr if isinstance(test, ast.Attribute) else getattr(test, "id", None)
    return name == "TYPE_CHECKING"


def _packages_and_module(name: str, folder: Path) -> Iterator[tuple[str, Path]]:
    """The packages around a name, from the top on, and the name itself where it is a module."""
    parts = name.split(".")
    for n in range(1, len(parts) + 1):
        module = ".".join(parts[:n])
        path = _path(module, folder)
        if path:
            yield module, path


def _path(module: str, folder: Path) -> Path | None:
    whole = folder.joinpath(*module.split("."))
    return next((path for path in (whole / "__init__.py", whole.with_suffix(".py")) if path.is_file()), None)
