"""The issue forms of .github/ISSUE_TEMPLATE, held to the rules that GitHub states for them."""

from pathlib import Path

import yaml

FOLDER = Path(__file__).resolve().parents[2] / ".github" / "ISSUE_TEMPLATE"


def read(name):
    return yaml.safe_load((FOLDER / name).read_text(encoding="utf-8"))


def test_the_bug_form_is_valid_and_asks_for_what_a_bug_needs():
    """GitHub shows no form at all where a key is missing, an id appears twice or a type is unknown."""
    form = read("bug.yml")
    assert {"name", "description", "body"} <= set(form)
    fields = [field for field in form["body"] if field["type"] != "markdown"]
    assert all(field["type"] in {"textarea", "input"} and field["attributes"]["label"] for field in fields)
    ids = [field["id"] for field in fields]
    assert len(set(ids)) == len(ids)
    assert {"command", "output", "signature", "version", "platform"} <= set(ids)


def test_the_links_beside_the_form_have_all_three_parts():
    for link in read("config.yml")["contact_links"]:
        assert set(link) == {"name", "url", "about"}
        assert link["url"].startswith("https://")
