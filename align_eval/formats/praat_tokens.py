"""Free-standing tokens of Praat's text files, each with its line.

Praat reads its text files as a stream of free-standing tokens: numbers, strings in double quotes (a doubled quote
means one), and flags such as ``<exists>``. Everything else (``xmin =``, ``intervals [3]:``) is decoration, and ``!``
starts a comment that ends with its line. One scanner therefore reads long, short, one-line and hand-edited files (Praat
manual, "TextGrid file formats").
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from align_eval.errors import InputError, shorten

_TOKEN = re.compile(
    r"""
    (?P<space>\s+)
  | (?P<comment>![^\n\r]*)
  | (?P<string>"(?:[^"]|"")*")
  | (?P<open>")
  | (?P<flag><\w+>(?=\s|$))
  | (?P<number>[+-]?(?:[0-9]++(?:\.[0-9]*+)?|\.[0-9]++)(?:[eE][+-]?[0-9]++)?%?(?=\s|$))
  | (?P<nonfinite>(?:[+-]?(?:nan|inf(?:inity)?)|--undefined--)(?=\s|$))
  | (?P<bad_number>[+-]?\.?[0-9][^\s"]*)
  | (?P<other>[^\s"]+)
    """,
    re.VERBOSE | re.IGNORECASE,
)

Kind = Literal["string", "flag", "number", "nonfinite"]


@dataclass(frozen=True, slots=True)
class Token:
    """A free-standing token and the line it starts on."""

    kind: Kind
    text: str
    line: int


def scan(text: str, place: object) -> Iterator[Token]:
    """Yield the free-standing tokens of a Praat text file, each with its line."""
    line, position, free = 1, 0, True
    while position < len(text):
        match = _TOKEN.match(text, position)
        assert match is not None  # the last two alternatives match every character
        kind = match.lastgroup
        where = f"{place}, line {line}"
        if kind == "open":
            raise InputError(where, "a string is opened and never closed", "add the missing quote")
        if kind == "string" and not (match.end() == len(text) or text[match.end()].isspace()):
            raise InputError(
                where,
                f"{text[match.end()]!r} follows the string {shorten(match.group())}",
                "double the quotes inside a text",
            )
        if kind == "bad_number" and free:
            raise InputError(where, f"{shorten(match.group())!r} is not a number", "correct the number")
        # A number right after decoration, as 3 in "[3]:" or 2 in "x2", is no token. A string always is one.
        if kind == "string" or (free and kind in ("flag", "number", "nonfinite")):
            raw = match.group()
            yield Token(kind, raw[1:-1].replace('""', '"') if kind == "string" else raw, line)  # type: ignore[arg-type]
        free = kind in ("space", "comment", "string")
        line += len(re.findall(r"\r\n|\r|\n", match.group()))
        position = match.end()


class TokenReader:
    """Takes the expected tokens off the stream; its errors name the file, the line and the expected value."""

    def __init__(self, text: str, path: object, *, any_times: bool = False) -> None:
        self.any_times = any_times
        self._tokens = scan(text, path)
        self._path = path
        self._peeked: Token | None = None
        self.line = 1

    def peek(self) -> Token | None:
        """Return the next token without taking it, or None at the end."""
        if self._peeked is None:
            self._peeked = next(self._tokens, None)
        return self._peeked

    def take(self, kind: Kind, what: str, place: str = "") -> str:
        """Take the text of a token of this kind; errors call it ``what``."""
        token = self.peek()
        where = f"{self._path}{place}"
        if token is None:
            raise InputError(
                f"{where}, line {self.line}",
                f"the file ends before {what}",
                "write the file again: it is cut short, or declares more than it holds",
            )
        self.line = token.line
        if token.kind == "nonfinite" and kind == "number":
            raise InputError(f"{where}, line {token.line}", f"{what} is {token.text}", "write a finite number")
        if token.kind != kind:
            raise InputError(
                f"{where}, line {token.line}",
                f"found {shorten(token.text)!r} instead of {what} (a {kind})",
                "check that the declared counts (size) match the file",
            )
        self._peeked = None
        return token.text

    def number(self, what: str, place: str = "") -> float:
        """Take a finite number."""
        text = self.take("number", what, place)
        value = float(text.rstrip("%")) / (100 if text.endswith("%") else 1)
        if not math.isfinite(value):
            raise InputError(f"{self._path}{place}, line {self.line}", f"{what} is {value}", "write a finite number")
        return value

    def time(self, what: str, place: str) -> float:
        """Take a number; with ``any_times`` also one that is not finite."""
        token = self.peek()
        if not self.any_times or token is None or token.kind not in ("number", "nonfinite"):
            return self.number(what, place)
        text = self.take(token.kind, what, place)
        if text.lower() == "--undefined--":
            return math.nan
        return float(text.rstrip("%")) / (100 if text.endswith("%") else 1)

    def count(self, what: str, place: str = "") -> int:
        """Take a whole number, 0 or more."""
        value = self.number(what, place)
        if value < 0 or value != int(value):
            raise InputError(
                f"{self._path}{place}, line {self.line}",
                f"{what} is {value:g}",
                "write a whole number, 0 or more",
            )
        return int(value)
