"""The command line in this process: arguments in, exit code and both streams out, as a process would give them.

:func:`align_eval` calls ``align_eval.cli.main``, in which exit codes and messages are made. :func:`start` starts a
Python of its own, for what only a process shows: what it imports, that it ends.
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
"""A program that runs the command line and prints last which heavy packages that loaded."""


@dataclass(frozen=True)
class Done:
    """Exit code and output of a command."""

    returncode: int
    stdout: str
    stderr: str


def align_eval(*arguments: object, cwd: Path | None = None) -> Done:
    """Run ``align-eval`` in this process, in folder ``cwd``."""
    stdout, stderr, returncode = io.StringIO(), io.StringIO(), 0
    with (
        contextlib.chdir(cwd or Path.cwd()),
        contextlib.redirect_stdout(stdout),
        contextlib.redirect_stderr(stderr),
        mock.patch.object(sys, "argv", ["align-eval", *map(str, arguments)]),
        warnings.catch_warnings(),  # the command line sets how warnings are shown
    ):
        warnings.resetwarnings()
        try:
            cli.main()
        except SystemExit as ended:
            returncode = int(ended.code or 0)
    sys.stdout.write(stdout.getvalue())  # shown where the test fails
    sys.stderr.write(stderr.getvalue())
    return Done(returncode, stdout.getvalue(), stderr.getvalue())


def start(
    *arguments: object, cwd: Path | None = None, timeout: float | None = None
) -> subprocess.CompletedProcess[str]:
    """Run Python with some arguments in a process of its own, ``timeout`` seconds at most."""
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, encoding="utf-8", cwd=cwd, timeout=timeout, check=False
    )
