"""Fixtures that tests of every folder share."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from align_eval.gate.checks import weights_of
from tests.helpers.reported_run import write_reported

settings.register_profile("shared machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared machine")


@contextmanager
def a_tenth_of_the_draws() -> Iterator[None]:
    """200 draws of the bootstrap, which are remembered neither from before nor afterwards."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("align_eval.scoring.statistics.N_DRAWS", 200)
        weights_of.cache_clear()
        yield
    weights_of.cache_clear()


@pytest.fixture(scope="module")
def few_draws() -> Iterator[None]:
    """A tenth of the bootstrap's draws: for tests that ask whether intervals are there, not how wide they are."""
    with a_tenth_of_the_draws():
        yield


@pytest.fixture(scope="session")
def reported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder with everything that a report shows, written once and with few draws: to be read."""
    with a_tenth_of_the_draws():
        return write_reported(tmp_path_factory.mktemp("reported") / "run")


@pytest.fixture
def reported_copy(reported: Path, tmp_path: Path) -> Path:
    """A copy of that run to write into."""
    return shutil.copytree(reported, tmp_path / "run")
