"""Write docs/cli.md from the command line itself.

Usage: write_cli_reference.py [FILE]
"""

from __future__ import annotations

import html
import subprocess
import sys
from pathlib import Path

FILE = Path(__file__).resolve().parents[1] / "docs" / "cli.md"
NAME = "align-eval"
HEAD = """<!-- Written by scripts/write_cli_reference.py: change the code and write it again. -->

"""


def reference() -> str:
    """What typer's own generator says of every verb, as Markdown."""
    command = [sys.executable, "-m", "typer", "align_eval.cli", "utils", "docs", "--name", NAME]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=True)
    return HEAD + html.unescape(done.stdout).rstrip() + "\n"


if __name__ == "__main__":
    if len(sys.argv) > 2:
        sys.exit(__doc__)
    (Path(sys.argv[1]) if len(sys.argv) == 2 else FILE).write_text(reference(), encoding="utf-8")
