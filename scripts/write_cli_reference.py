"""Write docs/cli.md from the command line itself.

Usage: write_cli_reference.py [FILE]
"""

from __future__ import annotations

import html
import subprocess
import sys
from pathlib import Path

from align_eval.errors import EXIT_CODES

FILE = Path(__file__).resolve().parents[1] / "docs" / "cli.md"
NAME = "align-eval"
EXIT_CODES_HEAD = """## Exit codes

An error is one line on standard error: the place, the problem, the remedy. An unexpected error is a bug in align-eval.
In one utterance it ends that utterance: the others are done, the run is written, and the traceback is in `tracebacks/`
beside `run.json`, or in `NAME.tracebacks/` beside a finding `NAME.json`. Elsewhere it ends the command, and the
traceback follows the message. Please report it with the traceback and the signature, or the command and
`align-eval --version`.

| code | meaning |
|---|---|
"""
HEAD = """<!-- Written by scripts/write_cli_reference.py: change the code and write it again. -->

"""


def reference() -> str:
    """What typer's own generator says of every verb, as Markdown."""
    command = [sys.executable, "-m", "typer", "align_eval.cli", "utils", "docs", "--name", NAME]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=True)
    return HEAD + html.unescape(done.stdout).rstrip() + "\n\n" + exit_codes()


def exit_codes() -> str:
    """The table of exit codes, as Markdown."""
    rows = [f"| {code} | {meaning} |\n" for code, meaning in EXIT_CODES.items()]
    return "".join([EXIT_CODES_HEAD, *rows])


if __name__ == "__main__":
    if len(sys.argv) > 2:
        sys.exit(__doc__)
    (Path(sys.argv[1]) if len(sys.argv) == 2 else FILE).write_text(reference(), encoding="utf-8")
