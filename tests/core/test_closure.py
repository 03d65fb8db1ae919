"""Import closures, of packages planted for the test, and the modules of our own package that keys hold."""

from __future__ import annotations

import re
import shutil
from functools import cache
from pathlib import Path

import pytest

import align_eval
from align_eval import import_closure as closure
from align_eval.import_closure import import_closure, imported_names
from align_eval.signature import code_checksum, computing_modules

PACKAGE = Path(align_eval.__file__).parent

PLANTED = {
    "p/__init__.py": "HOMES = {'name': 'unused', 'Other': 'sub.unused'}",  # not from the top on: no module's name
    "p/root.py": """
import os.path
from typing import TYPE_CHECKING
import typing

import p.absolute
from p import attribute, from_package
from p.sub import nested
from p.value import anything
from .relative import something
from . import beside

if TYPE_CHECKING:
    from p import unused
elif os:
    import p.at_runtime
if typing.TYPE_CHECKING:
    import p.unused
else:
    import p.at_runtime_too

def late():
    try:
        with open(os.devnull):
            import p.in_function
    except OSError:
        from p import in_handler
    else:
        for _ in ():
            from other import unused
    match late:
        case None:
            import p.in_case

LOADED_BY_NAME = {"a": "p.by_name:function", 'b': 'p.by_name_alone'}
TEXT = "p.unused is a module, as is p.unused:function"
""",
    "p/beside.py": "import p.absolute, p.root",  # a circle
    "p/sub/__init__.py": "from ..above import name",
    "p/sub/nested.py": "from .deeper.leaf import *\nfrom ... import nothing_above\n",
    "p/sub/deeper/__init__.py": "",
    "p/sub/deeper/leaf.py": "from .. import beside_sub",
    "p/sub/beside_sub.py": "",
    "p/sub/unused.py": "",
    "other.py": "",
    **{f"p/{name}.py": "" for name in ("absolute", "from_package", "value", "relative", "above", "unused")},
    **{f"p/{name}.py": "" for name in ("at_runtime", "at_runtime_too", "in_function", "in_handler", "in_case")},
    **{f"p/{name}.py": "" for name in ("by_name", "by_name_alone")},
}


def test_the_closure_has_every_module_that_would_run_and_no_other(tmp_path):
    for name, source in PLANTED.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(source)
    found = import_closure("p.root", tmp_path)
    run = {name for name in PLANTED if "unused" not in name and name.startswith("p/")}
    assert set(found) == {name.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for name in run}
    assert list(found) == sorted(found)
    assert found["p.sub.nested"] == PLANTED["p/sub/nested.py"].encode()
    assert list(import_closure("p.sub.beside_sub", tmp_path)) == ["p", "p.above", "p.sub", "p.sub.beside_sub"]
    with pytest.raises(ModuleNotFoundError, match=r"there is no module p\.gone in "):
        import_closure("p.gone", tmp_path)


def test_imports_for_type_checkers_are_named_where_they_are_asked_for():
    source = b"from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from a.b import c\nelse:\n    import d\n"
    assert imported_names(source, "p") == {"typing.TYPE_CHECKING", "d"}
    assert imported_names(source, "p", type_checking=True) == {"typing.TYPE_CHECKING", "a.b.c", "d"}


# What certainly decides when a word starts, said without looking at any import: a module of each step of the street.
COMPUTE = {
    "corpus.audio": "samples",
    "corpus.sound.mp3": "how many there are",
    "corpus.sound.ffmpeg": "those of a video",
    "corpus.transcript_file": "the text beside them",
    "text": "its words",
    "pipeline": "all of them in their order",
    "model.text": "their tokens",
    "model.forward": "the pass",
    "model.cross_attention": "logits",
    "model.decode": "what is recognised",
    "relevance.attention": "maps, by a module that is loaded by its name",
    "relevance.spes": "as before",
    "relevance.captum_perturbations": "as before",
    "relevance.prepare": "prepared maps",
    "relevance.options": "defaults",
    "alignment.dtw": "paths",
    "alignment.viterbi": "paths",
    "alignment.energy": "where there is silence",
    "scoring.pairing": "which recognised word is which",
    "scoring.normaliser": "as before",
    "engine.utterance": "samples and texts",
    "engine.batch": "passes that a batch shares",
    "records": "what is kept of a map",
    "units": "the grid",
    "formats.run.maps": "saved maps, whose files a journal resumes as they are",
}
DO_NOT = re.compile(
    r"(reporting|cli|gate|findings|api|systems|heuristics|options|signature|import_closure|run_record|score_files|lint_files|__main__)(\..*)?"
    r"|scoring\.(?!pairing$|normaliser$).+"
    r"|engine\.(journal|cache|cache_folder|run|job|merge|forecast|ray_workers|workers|shard_file)"
    r"|formats\.(?!run$|run\.maps$|run\.json_lines$|json_file$|atomic$).+"
    r"|corpus\.(?!audio$|sound$|sound\.|transcript_file$|disk_names$|checksums$).+"
)


def edit(folder: Path, module: str) -> None:
    whole = folder.joinpath(*module.split("."))
    path = whole / "__init__.py" if whole.is_dir() else whole.with_suffix(".py")
    path.write_bytes(path.read_bytes() + b"# edited\n")


def test_editing_a_module_changes_keys_where_it_computes_word_times_and_nowhere_else(tmp_path, monkeypatch):
    """In a copy of the package: each module that computes in turn, and at once all of the others."""
    monkeypatch.setattr(closure, "imported_names", cache(imported_names))  # what was not edited is not parsed again
    shutil.copytree(PACKAGE, tmp_path / "align_eval", ignore=shutil.ignore_patterns("__pycache__", "corpora"))
    paths = [path.relative_to(tmp_path).with_suffix("").parts for path in tmp_path.rglob("*.py")]
    modules = {".".join(parts).removesuffix(".__init__") for parts in paths}
    computing = set(computing_modules(tmp_path))
    assert {f"align_eval.{name}" for name in COMPUTE} <= computing < modules
    assert [name for name in computing if DO_NOT.fullmatch(name.removeprefix("align_eval."))] == []
    assert any(name.startswith("align_eval.reporting.html.") for name in modules - computing)
    seen = {code_checksum(tmp_path)}
    for module in modules - computing:
        edit(tmp_path, module)
    assert code_checksum(tmp_path) in seen
    for n, module in enumerate(sorted(computing), start=2):
        edit(tmp_path, module)
        seen.add(code_checksum(tmp_path))
        assert len(seen) == n, module


def test_no_file_but_python_lies_beside_the_modules_that_compute():
    """A table that is read from a file would decide times and stand in no key."""
    folders = {PACKAGE.joinpath(*name.split(".")[1:-1]) for name in computing_modules(PACKAGE.parent)}
    names = {path.name for folder in folders for path in folder.iterdir() if path.is_file()}
    assert {name for name in names if not name.endswith(".py")} == {"py.typed"}
