"""Rules of the Makefile, checked on the output of ``make --dry-run``."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
UV = ".venv-core/bin/uv"


@pytest.mark.parametrize("target", [".venv-core/.done", ".venv/.test", ".venv/.dev", ".venv-peers/.done"])
def test_every_environment_installs_uv_before_it_uses_it(tmp_path, target):
    """Any part of .ci/run may be the first on a new machine, as in the workflow."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt", "lowest.txt"):
        shutil.copy(ROOT / name, tmp_path)
    command = ["make", "--dry-run", f"UV={UV}", target]
    lines = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout.splitlines()
    first_use = next(i for i, line in enumerate(lines) if line.startswith(UV))
    assert any(line.startswith(".venv-core/bin/pip install") and line.endswith(" uv") for line in lines[:first_use])
