"""JSON for standard output: on one line, exact, and without characters that a terminal or a runner obeys."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from align_eval.errors import UNSEEN

_ESCAPED = re.compile(f"[{UNSEEN}]")


def json_line(value: Any, encoding: str | None = None, default: Callable[[Any], Any] | None = None) -> str:
    r"""Return a value as one line of JSON, from which it can be read back as it is.

    Parameters
    ----------
    encoding
        Encoding of the output. Text is in ASCII if the encoding lacks one of its characters.
    default
        As in :func:`json.dumps`.

    Examples
    --------
    >>> print(json_line("\u202ea \udcff ≤")), print(json_line("≤", "ascii"))
    "\u202ea \udcff ≤"
    "\u2264"
    (None, None)
    """
    text = json.dumps(value, default=default, ensure_ascii=False, allow_nan=False)
    text = _ESCAPED.sub(lambda match: json.dumps(match.group())[1:-1], text)
    try:
        text.encode(encoding or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(value, default=default, allow_nan=False)
    return text.replace("##", r"#\u0023")  # only strings hold the character; "##[" begins a command in a workflow's log
