"""Exit codes of `align-eval` for expected and unexpected errors."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from align_eval import cli, errors
from align_eval.errors import (
    EXIT_BAD_INPUT,
    EXIT_BUG,
    EXIT_CLOSED_PIPE,
    EXIT_CODES,
    EXIT_INTERRUPTED,
    EXIT_NOT_COMPARABLE,
    InputError,
)
from align_eval.reporting.terminal import list as listing
from tests.helpers.command_line import start

ROOT = Path(__file__).resolve().parents[2]

# A program in which the command `list` raises the error of its last argument, a statement.
RAISING = """
import sys
from align_eval import cli
from align_eval.errors import InputError
from align_eval.reporting.terminal import list as listing
statement = sys.argv.pop()
def raising(what):
    exec(statement)
    yield what
listing.listing = raising
cli.main()
"""


def exit_code_of(monkeypatch, error: BaseException) -> int:
    """The exit code of a command that raises an error."""

    def raising(_):
        raise error

    monkeypatch.setattr(listing, "listing", raising)
    monkeypatch.setattr(sys, "argv", ["align-eval", "list", "sources"])
    with pytest.raises(SystemExit) as exit_:
        cli.main()
    return exit_.value.code


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (IndexError("list index out of range"), EXIT_BUG),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), EXIT_BUG),
        (EOFError("cut short"), EXIT_BUG),  # typer would exit with 1
        (ValueError("no such value"), EXIT_BUG),
        (PermissionError(13, "Permission denied"), EXIT_BUG),
        (InputError("here", "is wrong", "mend it"), EXIT_BAD_INPUT),
        (MemoryError(), EXIT_BAD_INPUT),
        (OSError(28, "No space left on device"), EXIT_BAD_INPUT),
        (KeyboardInterrupt(), EXIT_INTERRUPTED),
        (SystemExit(3), EXIT_NOT_COMPARABLE),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else str(value),
)
def test_each_error_has_its_exit_code(monkeypatch, error, code):
    assert exit_code_of(monkeypatch, error) == code


def test_a_bug_is_reported_with_its_traceback_on_standard_error(monkeypatch, capsys):
    exit_code_of(monkeypatch, IndexError("list index out of range"))
    printed = capsys.readouterr()
    message, first, *rest = printed.err.splitlines()
    assert message == (
        "error: a bug in align-eval (IndexError: list index out of range); "
        "report it to the developers with the command, `align-eval --version` and this:"
    )
    assert first == "Traceback (most recent call last):"
    assert rest[-1] == "IndexError: list index out of range"
    assert printed.out == ""


def start_raising(statement: str) -> subprocess.CompletedProcess[str]:
    return start("-c", RAISING, "list", "sources", statement)


def test_a_process_exits_with_70_on_a_bug():
    done = start_raising("[][0]")
    assert (done.returncode, done.stdout) == (70, "")
    assert done.stderr.startswith("error: a bug in align-eval (IndexError: list index out of range); report it")


def test_a_process_exits_with_130_on_an_interrupt():
    # A background process inherits that interrupts are ignored.
    default_handler = "import os, signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    done = start_raising(f"{default_handler}os.kill(os.getpid(), signal.SIGINT)")
    assert done.returncode == 130
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="pipes of POSIX systems")
@pytest.mark.parametrize("arguments", [["list", "sources"], ["corpus", "check", "demo"], ["lint", "no"], ["--help"]])
def test_a_closed_pipe_exits_quietly_with_141(arguments):
    """The reading end is closed before anything is written. An error keeps its exit code."""
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "align_eval", *arguments]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    if arguments[0] == "lint":
        assert (done.returncode, done.stderr.startswith("error: no: ")) == (2, True)
    else:
        assert (done.returncode, done.stderr) == (EXIT_CLOSED_PIPE, "")
    assert EXIT_CLOSED_PIPE == 128 + signal.SIGPIPE


@pytest.mark.skipif(sys.platform == "win32", reason="pipes of POSIX systems")
@pytest.mark.parametrize(("statement", "code"), [("[][0]", 70), ("raise InputError('a', 'b', 'c')", 2)])
def test_an_error_keeps_its_exit_code_where_standard_error_is_closed(statement, code):
    """As with `2>&1 | head`. rich would exit with 1, and so would Python when it prints a traceback."""
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-c", RAISING, "list", "sources", statement]
    done = subprocess.run(command, stdout=writing, stderr=writing, check=False)
    os.close(writing)
    assert done.returncode == code


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is a device of Linux")
def test_a_full_disk_under_standard_output_is_not_a_bug():
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "align_eval", "list", "sources"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    message = "error: No space left on device; make room and give the same command again\n"
    assert (done.returncode, done.stderr) == (2, message)


def test_the_docs_have_every_exit_code_once():
    rows = [f"| {code} | {meaning} |" for code, meaning in EXIT_CODES.items()]
    text = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    assert [text.count(row) for row in rows] == [1] * len(rows)
    exit_codes = {value for name, value in vars(errors).items() if name.startswith("EXIT_") and isinstance(value, int)}
    assert set(EXIT_CODES) == exit_codes


def test_an_input_error_is_caught_as_a_value_error():
    with pytest.raises(ValueError, match="here: is wrong; mend it"):
        raise InputError("here", "is wrong", "mend it")
