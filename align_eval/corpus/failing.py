"""Failures of single files and utterances: an error of one must not lose the others."""

from __future__ import annotations

import traceback

from align_eval.errors import InputError, bug_message, is_out_of_memory
from align_eval.records import Failure


def failure_of(id_: str, error: Exception) -> Failure:
    """The failure of a file or an utterance by an error; an unexpected error is a bug, and has its traceback."""
    if isinstance(error, InputError):
        return Failure(id_, str(error))
    if is_out_of_memory(error):
        return Failure(id_, f"{id_}: does not fit into memory ({type(error).__name__}: {error}); cut it into pieces")
    message = f"{id_}: {bug_message(error)}; report it with its traceback"
    return Failure(id_, message, "".join(traceback.format_exception(error)))
