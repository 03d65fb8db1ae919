"""The command line as a whole: its reference in the docs, and JSON from every verb."""

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
"""What it prints is a file's content in another system's form."""


def verbs(command, name=""):
    """Every verb by its full name, those of groups included."""
    for sub, found in getattr(command, "commands", {}).items():
        yield from verbs(found, f"{name} {sub}".strip())
    if not hasattr(command, "commands"):
        yield name, command


VERBS = dict(verbs(get_command(app)))


def printed(*arguments):
    """The one JSON document that a verb prints, and nothing else; no number that JSON lacks."""
    done = align_eval(*arguments)
    assert done.returncode == 0
    return json.loads(done.stdout, parse_constant=pytest.fail)


def test_the_reference_is_what_the_code_says(tmp_path):
    script = ROOT / "scripts" / "write_cli_reference.py"
    subprocess.run([sys.executable, str(script), str(tmp_path / "cli.md")], check=True)
    assert (tmp_path / "cli.md").read_text("utf-8") == (ROOT / "docs" / "cli.md").read_text("utf-8")


def test_the_reference_has_every_verb():
    heads = re.findall(r"^#+ `align-eval (.+)`$", (ROOT / "docs" / "cli.md").read_text("utf-8"), flags=re.MULTILINE)
    assert set(VERBS) <= set(heads)


@pytest.mark.parametrize("verb", sorted(VERBS.keys() - WITHOUT_JSON))
def test_every_verb_offers_json(verb):
    assert any("--json" in parameter.opts for parameter in VERBS[verb].params)


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_every_help_has_an_example(verb):
    assert "Example" in (VERBS[verb].help or "")


def test_lists_are_arrays_of_their_lines():
    assert [line.partition(":")[0] for line in printed("list", "kinds", "--json")] == ["folder", *KINDS]


def test_a_check_counts_what_the_demo_holds():
    found = printed("corpus", "check", "demo-ru", "--json")
    assert found["words_by_language"] == {"ru": found["n_words"]}
    assert found["problems"] == []


def test_given_words_are_scored_and_linted():
    assert printed("score", bundled_path("demo") / f"{CLIP}.TextGrid", HYPOTHESES / "stable-ts", "--json")["rows"]
    assert printed("lint", HYPOTHESES / "stable-ts", "--json")["form"] == "stable-ts"


@pytest.mark.parametrize("verb", ["agree", "drift"])
def test_a_finding_is_printed_as_it_is_written(verb, tmp_path):
    write_planted(tmp_path)
    assert printed(verb, tmp_path, "--json") == json.loads((tmp_path / f"{verb}.json").read_text("utf-8"))


def test_a_comparison_is_printed_as_it_is_written(tmp_path):
    baseline = ROOT / "corpora" / "demo" / "baseline"
    found = printed("compare", baseline, baseline, "--json", "--out", tmp_path)
    assert found == json.loads((tmp_path / "compare.json").read_text("utf-8"))
