"""The commit-msg hook of .pre-commit-config.yaml, on messages that it accepts and refuses."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def refused():
    """The pattern of a refused message, compiled as pre-commit's `pygrep` with --multiline compiles it."""
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    (hook,) = (hook for repo in config["repos"] for hook in repo["hooks"] if hook["id"] == "subject")
    assert (hook["language"], hook["args"], hook["stages"]) == ("pygrep", ["--multiline"], ["commit-msg"])
    return re.compile(hook["entry"].encode(), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(
    "message",
    ["x" * 71 + "\n", "One change\n\n" + "x" * 200 + "\n", "One change\n# Please enter the commit message.\n"],
)
def test_a_short_subject_with_any_body_is_accepted(refused, message):
    assert refused.search(message.encode()) is None


@pytest.mark.parametrize("message", ["x" * 72 + "\n", "x" * 72, "One change\nthat goes on in the next line\n"])
def test_a_subject_that_is_long_or_runs_on_is_refused(refused, message):
    assert refused.search(message.encode())
