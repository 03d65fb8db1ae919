"""Output in the encoding of any terminal."""

from __future__ import annotations

import codecs
import io
import sys

HANDLER = "align_eval.in_ascii"
SIGNS = {"≤": "<=", "…": "..."}
"""Signs of our tables and of rich's, in ASCII."""


def print_in_any_encoding() -> None:
    """Print characters that the encoding of standard output or error lacks in ASCII, instead of raising an error.

    Error handlers of the user, as in ``PYTHONIOENCODING=ascii:replace``, stay.
    """
    codecs.register_error(HANDLER, _in_ascii)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors in ("strict", "surrogateescape"):
            stream.reconfigure(errors=HANDLER)


def _in_ascii(error: UnicodeError) -> tuple[str, int]:
    """Replace the characters by signs in ASCII, or by their escapes."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(SIGNS.get(char) or ascii(char)[1:-1] for char in lacking), error.end
