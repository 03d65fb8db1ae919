"""A name that is almost right: the message asks for the one that was meant."""

from __future__ import annotations

import shutil

import pytest

from align_eval.corpus.bundled import bundled_path
from align_eval.errors import did_you_mean
from align_eval.reporting.terminal.list import KINDS, OTHER_NAMES
from tests.helpers.command_line import align_eval

CLIP = "en_praatio_bobby"


@pytest.mark.parametrize(
    ("name", "known", "expected"),
    [
        ("Viterbi", ["dtw", "viterbi"], "did you mean viterbi? "),
        ("OPENAI", ["openai", "OpenAI-2"], "did you mean openai or OpenAI-2? "),
        ("zzz", ["dtw"], ""),
        ("", ["dtw"], ""),
        ("dtw", [], ""),
    ],
)
def test_the_nearest_names_are_asked_for_in_their_own_spelling(name, known, expected):
    assert did_you_mean(name, known) == expected


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A corpus of one clip, its run of a file, a file of protocols, and a file of heads that nobody made."""
    folder = tmp_path_factory.mktemp("place")
    (folder / "my_corpus").mkdir()
    for suffix in (".flac", ".TextGrid"):
        shutil.copy(bundled_path("demo") / f"{CLIP}{suffix}", folder / "my_corpus")
    assert align_eval("score", "my_corpus", "my_corpus", "--out", "runs/theirs", cwd=folder).returncode == 0
    (folder / "mine.toml").write_text('[mine]\nboundary = "starts"\n')
    (folder / "choice.toml").write_text('[mine]\nboundaries = "start"\n')
    return folder


RUN = ("run", "demo", "--out", "out")

CASES = [
    ((*RUN, "--source", "atention:heads=all"), "did you mean attention"),
    ((*RUN, "--source", "atention:heads=all"), "known: attention, gradient"),
    ((*RUN, "--source", "attention:head=all"), "did you mean heads? keys of attention"),
    ((*RUN, "--source", "gradient:prep=logg"), "did you mean log"),
    ((*RUN, "--source", "hybrid:a=(gradiant)"), "did you mean gradient"),
    ((*RUN, "--align", "vitebi"), "did you mean viterbi?"),
    ((*RUN, "--align", "opena"), "did you mean openai?"),
    ((*RUN, "--align", "dtw:grid=indx"), "did you mean index? choose one of edge, index"),
    ((*RUN, "--preset", "stable_ts"), "did you mean stable-ts?"),
    ((*RUN, "--language", "Englsh"), "did you mean English (en)"),
    ((*RUN, "--protocols", "mine.toml"), "did you mean boundaries?"),
    ((*RUN, "--protocols", "choice.toml"), "did you mean starts?"),
    ((*RUN, "--kind", "timitt"), "the bundled corpus demo is of kind folder; leave --kind out"),
    (("run", "my_corpus", "--kind", "timitt", "--out", "out"), "did you mean timit? use one of folder, mfa, timit"),
    (("run", "my_corpus", "--tier", "wrods", "--out", "out"), "did you mean words? name one with --tier"),
    (("run", "demoo", "--out", "out"), "demoo: there is no such folder; did you mean demo"),
    (("run", "my_corpsu", "--out", "out"), "my_corpsu: there is no such folder; did you mean my_corpus?"),
    (("corpus", "check", "demo-rus"), "did you mean demo-ru"),
    (("score", "my_corpus", "my_corpuss"), "did you mean my_corpus?"),
    (("score", "my_corpus", "my_corpus", "--format", "texgrid"), "did you mean textgrid?"),
    (("report", "runs/their"), "there is no such folder; did you mean theirs?"),
    (("report", "runs"), "runs: holds no run (no run.json); did you mean runs/theirs?"),
    (("report", "nowhere"), "nowhere: there is no such folder; give the folder that `align-eval run` or `score` wrote"),
    (("agree", "nowhere"), "nowhere: there is no such folder; give the folder that `align-eval run` or `score` wrote"),
    (("compare", "runs/their", "runs/theirs"), "there is no such folder"),
    (("compare", "runs/theirs", "runs/theirs", "--system", "textgrid -> givn"), "there is no system"),
    (("align", "my_corpus/en_praatio_boby.flac", "--text", "a"), f"did you mean {CLIP}.flac"),
    (("list", "presetts"), "did you mean presets?"),
    (("rnu", "demo"), "Did you mean 'run'?"),
    (("heads", "serch", "demo"), "Did you mean 'search'?"),
]


@pytest.mark.parametrize(("arguments", "message"), CASES, ids=[" ".join(arguments[-2:]) for arguments, _ in CASES])
def test_the_message_names_what_was_meant(place, arguments, message):
    done = align_eval(*arguments, cwd=place)
    assert done.returncode == 2
    assert message in done.stderr


@pytest.mark.parametrize("name", [*KINDS, *OTHER_NAMES, "Sources", "ALIGNMENTS"])
def test_a_list_has_its_other_names(name):
    asked = align_eval("list", name)
    assert asked.returncode == 0
    assert asked.stdout == align_eval("list", OTHER_NAMES.get(name.lower(), name.lower())).stdout
