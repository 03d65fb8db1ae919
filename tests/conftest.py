"""What tests of every folder share."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.helpers.reported_run import write_reported


@pytest.fixture(scope="session")
def reported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder with everything that a report shows, written once: to be read."""
    return write_reported(tmp_path_factory.mktemp("reported") / "run")


@pytest.fixture
def reported_copy(reported: Path, tmp_path: Path) -> Path:
    """A copy of that run to write into."""
    return shutil.copytree(reported, tmp_path / "run")
