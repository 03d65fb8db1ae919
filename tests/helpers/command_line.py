"""Command line in this process, with exit code and output as from a separate process.

:func:`align_eval` calls ``align_eval.cli.main``, which sets exit codes and messages. :func:`start` starts Python as a
separate process, for tests of imports and of the end of a process.
"""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from align_eval import cli

HEAVY = ("torch", "whisper", "ctranslate2")

LOADED = f"""
import sys
from align_eval.cli import main
try:
    main()
finally:
    print("loaded:", *(name for name in {HEAVY!r} if name in sys.modules))
"""
"""A program that runs the command line and prints, on its last line, the heavy packages that were loaded."""


@dataclass(frozen=True)
class Done:
    """Exit code and output of a command."""

    returncode: int
    stdout: str
    stderr: str


def align_eval(*arguments: object, cwd: Path | None = None) -> Done:
    """Run ``align-eval`` in this process with ``cwd`` as the current folder."""
    stdout, stderr, returncode = io.StringIO(), io.StringIO(), 0
    with (
        contextlib.chdir(cwd or Path.cwd()),
        contextlib.redirect_stdout(stdout),
        contextlib.redirect_stderr(stderr),
        mock.patch.object(sys, "argv", ["align-eval", *map(str, arguments)]),
        warnings.catch_warnings(),  # the command line replaces the display of warnings
    ):
        warnings.resetwarnings()
        try:
            cli.main()
        except SystemExit as exit_:
            returncode = int(exit_.code or 0)
    sys.stdout.write(stdout.getvalue())  # pytest shows this if the test fails
    sys.stderr.write(stderr.getvalue())
    return Done(returncode, stdout.getvalue(), stderr.getvalue())


def start(
    *arguments: object, cwd: Path | None = None, timeout: float | None = None
) -> subprocess.CompletedProcess[str]:
    """Run Python as a separate process for at most ``timeout`` seconds."""
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, encoding="utf-8", cwd=cwd, timeout=timeout, check=False
    )
