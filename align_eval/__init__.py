"""Word timestamps from Whisper's cross-attention and from saliency maps, and their errors.

Importing this package imports none of the heavy ones: every name is loaded when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from align_eval.api import align, evaluate
    from align_eval.corpus.bundled import load_corpus
    from align_eval.errors import AlignEvalError, InputError
    from align_eval.formats.run.folder import read_run, write_run
    from align_eval.formats.textgrids import read_words, write_words
    from align_eval.lint_files import lint_path
    from align_eval.model.load import load_model
    from align_eval.records import Word
    from align_eval.score_files import score_hypothesis

    __version__: str

_HOME = {
    "AlignEvalError": "errors",
    "InputError": "errors",
    "Word": "records",
    "align": "api",
    "evaluate": "api",
    "lint_path": "lint_files",
    "load_corpus": "corpus.bundled",
    "load_model": "model.load",
    "read_run": "formats.run.folder",
    "read_words": "formats.textgrids",
    "score_hypothesis": "score_files",
    "write_run": "formats.run.folder",
    "write_words": "formats.textgrids",
}

__all__ = [
    "AlignEvalError",
    "InputError",
    "Word",
    "align",
    "evaluate",
    "lint_path",
    "load_corpus",
    "load_model",
    "read_run",
    "read_words",
    "score_hypothesis",
    "write_run",
    "write_words",
]


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version

        return version("align-eval")
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__, "__version__"])
