"""Command reference in the docs, and JSON output of every command."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from align_eval.cli import app
from align_eval.corpus.bundled import bundled_path
from align_eval.corpus.kinds import KINDS
from tests.helpers.command_line import align_eval
from tests.helpers.hypothesis_files import CLIP, HYPOTHESES
from tests.helpers.planted_run import write_planted

ROOT = Path(__file__).resolve().parents[2]
WITHOUT_JSON = {"heads export"}
"""Commands whose output is a file in the format of another system."""


def commands(command, name=""):
    """Every command with its full name, including the commands of groups."""
    for sub_name, sub_command in getattr(command, "commands", {}).items():
        yield from commands(sub_command, f"{name} {sub_name}".strip())
    if not hasattr(command, "commands"):
        yield name, command


COMMANDS = dict(commands(get_command(app)))


def printed(*arguments):
    """The output of a command, parsed as one strict JSON document."""
    done = align_eval(*arguments)
    assert done.returncode == 0
    return json.loads(done.stdout, parse_constant=pytest.fail)


def test_the_reference_matches_the_code(tmp_path):
    script = ROOT / "scripts" / "write_cli_reference.py"
    subprocess.run([sys.executable, str(script), str(tmp_path / "cli.md")], check=True)
    assert (tmp_path / "cli.md").read_text("utf-8") == (ROOT / "docs" / "cli.md").read_text("utf-8")


def test_the_reference_has_every_command():
    heads = re.findall(r"^#+ `align-eval (.+)`$", (ROOT / "docs" / "cli.md").read_text("utf-8"), flags=re.MULTILINE)
    assert set(COMMANDS) <= set(heads)


@pytest.mark.parametrize("command", sorted(COMMANDS.keys() - WITHOUT_JSON))
def test_every_command_offers_json(command):
    assert any("--json" in parameter.opts for parameter in COMMANDS[command].params)


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_help_has_an_example(command):
    assert "Example" in (COMMANDS[command].help or "")


def test_a_list_is_an_array_of_its_lines():
    assert [line.partition(":")[0] for line in printed("list", "kinds", "--json")] == ["folder", *KINDS]


def test_a_corpus_check_counts_the_words_of_the_demo():
    document = printed("corpus", "check", "demo-ru", "--json")
    assert document["words_by_language"] == {"ru": document["n_words"]}
    assert document["problems"] == []


def test_words_of_another_system_are_scored_and_linted():
    assert printed("score", bundled_path("demo") / f"{CLIP}.TextGrid", HYPOTHESES / "stable-ts", "--json")["rows"]
    assert printed("lint", HYPOTHESES / "stable-ts", "--json")["form"] == "stable-ts"


@pytest.mark.parametrize("command", ["agree", "drift"])
def test_a_finding_is_printed_as_it_is_written(command, tmp_path):
    write_planted(tmp_path)
    assert printed(command, tmp_path, "--json") == json.loads((tmp_path / f"{command}.json").read_text("utf-8"))


def test_a_comparison_is_printed_as_it_is_written(tmp_path):
    baseline = ROOT / "corpora" / "demo" / "baseline"
    document = printed("compare", baseline, baseline, "--json", "--out", tmp_path)
    assert document == json.loads((tmp_path / "compare.json").read_text("utf-8"))
