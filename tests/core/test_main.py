"""Exit codes of `align-eval`: an unexpected error is 70, and 1 is a check that failed.

Checks that fail are a regression (compare), and lint findings that were to fail (lint --fail, score --lint fail).
"""

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

# A process of its own in which a verb, `list`, meets the error that the last argument makes.
BROKEN = """
import sys
from align_eval import cli
from align_eval.errors import InputError
from align_eval.reporting.terminal import list as listing
statement = sys.argv.pop()
def broken(what):
    exec(statement)
    yield what
listing.listing = broken
cli.main()
"""


def ends_with(monkeypatch, error: BaseException) -> int:
    """The exit code of a verb that raises."""

    def broken(_):
        raise error

    monkeypatch.setattr(listing, "listing", broken)
    monkeypatch.setattr(sys, "argv", ["align-eval", "list", "sources"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return ended.value.code


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (IndexError("list index out of range"), EXIT_BUG),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), EXIT_BUG),
        (EOFError("cut short"), EXIT_BUG),  # typer aborts with 1 on it
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
def test_an_error_ends_with_its_code(monkeypatch, error, code):
    assert ends_with(monkeypatch, error) == code


def test_a_bug_is_said_to_be_one_with_its_traceback_on_standard_error(monkeypatch, capsys):
    ends_with(monkeypatch, IndexError("list index out of range"))
    printed = capsys.readouterr()
    message, first, *rest = printed.err.splitlines()
    assert message == (
        "error: a bug in align-eval (IndexError: list index out of range); "
        "report it to the developers with the command, `align-eval --version` and this:"
    )
    assert first == "Traceback (most recent call last):"
    assert rest[-1] == "IndexError: list index out of range"
    assert printed.out == ""


def start_broken(statement: str) -> subprocess.CompletedProcess[str]:
    return start("-c", BROKEN, "list", "sources", statement)


def test_a_process_that_meets_a_bug_ends_with_70():
    done = start_broken("[][0]")
    assert (done.returncode, done.stdout) == (70, "")
    assert done.stderr.startswith("error: a bug in align-eval (IndexError: list index out of range); report it")


def test_a_process_that_is_interrupted_ends_with_130():
    # A process that is started in the background inherits that interrupts are ignored.
    heeded = "import os, signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    done = start_broken(f"{heeded}os.kill(os.getpid(), signal.SIGINT)")
    assert done.returncode == 130
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such pipes")
@pytest.mark.parametrize("arguments", [["list", "sources"], ["corpus", "check", "demo"], ["lint", "no"], ["--help"]])
def test_a_reader_that_goes_away_ends_it_quietly_with_141(arguments):
    """The pipe's other end is closed before anything is written; an error has its own code still."""
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


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such pipes")
@pytest.mark.parametrize(("statement", "code"), [("[][0]", 70), ("raise InputError('a', 'b', 'c')", 2)])
def test_an_error_that_nobody_reads_keeps_its_code(statement, code):
    """As with `2>&1 | head`: rich would end with 1, and so would Python where it prints a traceback."""
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-c", BROKEN, "list", "sources", statement]
    done = subprocess.run(command, stdout=writing, stderr=writing, check=False)
    os.close(writing)
    assert done.returncode == code


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the device that is full is Linux's")
def test_standard_output_on_a_full_disk_is_said_and_is_no_bug():
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "align_eval", "list", "sources"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    message = "error: No space left on device; make room and give the same command again\n"
    assert (done.returncode, done.stderr) == (2, message)


def test_the_docs_have_every_exit_code_once():
    rows = [f"| {code} | {meaning} |" for code, meaning in EXIT_CODES.items()]
    text = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    assert [text.count(row) for row in rows] == [1] * len(rows)
    named = {value for name, value in vars(errors).items() if name.startswith("EXIT_") and isinstance(value, int)}
    assert set(EXIT_CODES) == named


def test_an_input_error_is_caught_as_a_value_error():
    with pytest.raises(ValueError, match="here: is wrong; mend it"):
        raise InputError("here", "is wrong", "mend it")
