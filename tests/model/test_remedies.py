"""Remedies of commands that load a model: what a message tells to type works when it is typed."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest

from align_eval.corpus.bundled import bundled_path
from align_eval.formats.textgrids import write_words
from align_eval.records import Word
from tests.helpers.command_line import align_eval
from tests.helpers.tiny_run import write_model

BOBBY = [Word(text, i / 4, (i + 1) / 4) for i, text in enumerate(("bobby", "ripped", "the", "ledger"))]
LATER = [Word(word.text, word.start_s + 0.02, word.end_s + 0.02) for word in BOBBY]
RUN = "run c --out o --model m --language en --source attention:heads=all --align dtw"


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A model of random weights, and corpora of one clip: of several tiers, of two kinds, and of another tier."""
    folder = tmp_path_factory.mktemp("remedies")
    write_model(folder / "m")
    for name, tiers in {
        "c": {"words": BOBBY, "x": LATER, "x2": LATER},
        "several": {"a - words": LATER, "word": LATER},
        "other": {"ORT": BOBBY},
    }.items():
        (folder / name).mkdir()
        shutil.copy(bundled_path("demo") / "en_praatio_bobby.flac", folder / name / "1.flac")
        grid = folder / name / "1.TextGrid"
        write_words(grid, tiers, 2.0)
        grid.write_text(grid.read_text().replace('"x2"', '"x"'))
    shutil.copytree(folder / "c", folder / "kinds")
    (folder / "kinds" / "1.WRD").write_text("1600 6400 bobby\n")
    (folder / "one").mkdir()
    shutil.copy(folder / "c" / "1.TextGrid", folder / "one")
    return folder


@pytest.mark.parametrize(
    ("command", "message", "remedied"),
    [
        (
            f"{RUN} --second-reference x",
            "2 tiers fit as tier 'x': 'x', 'x'; name another with --second-reference, by its number if names are "
            "equal; the tiers are 'words', 'x', 'x'",
            f"{RUN} --second-reference 3",
        ),
        (
            f"{RUN} --second-reference y",
            "no tier 'y'; name another with --second-reference, by its number if names are equal; the tiers are",
            f"{RUN} --second-reference words",
        ),
        (
            f"{RUN} --second-reference several",
            "give TextGrids with one tier named words; the tiers are 'a - words', 'word'",
            f"{RUN} --second-reference one",
        ),
        (f"{RUN} --batch 2 --text hypothesis", "use --batch 1", f"{RUN} --batch 1 --text hypothesis"),
        (f"{RUN} --keep maps --text hypothesis", "keep maps with --text words", f"{RUN} --keep maps --text words"),
        (f"{RUN} --text transcript", "or use another --text", f"{RUN} --text words"),
        (f"{RUN} --toggle", "name one as --align or --preset: openai,", f"{RUN} --toggle --align openai"),
        (RUN.replace(" c ", " kinds "), "name one with --kind", RUN.replace(" c ", " kinds --kind folder ")),
        (RUN.replace(" c ", " other "), "name one with --tier", RUN.replace(" c ", " other --tier ORT ")),
        (
            "explain c/1.flac --text 'bobby ripped' --out e.png --model m --language en --reference other/1.TextGrid",
            "name one with --tier; the tiers are 'ORT'",
            "explain c/1.flac --text 'bobby ripped' --out e.png --model m --language en --source attention:heads=all "
            "--reference other/1.TextGrid --tier ORT",
        ),
    ],
)
def test_a_remedy_works_when_it_is_typed(command, message, remedied, place, tmp_path):
    shutil.copytree(place, tmp_path, dirs_exist_ok=True)
    failed = align_eval(*shlex.split(command), cwd=tmp_path)
    assert failed.returncode == 2
    assert message in re.sub(r"\s+", " ", failed.stderr + failed.stdout)
    remedied_run = align_eval(*shlex.split(remedied), cwd=tmp_path)
    assert remedied_run.returncode == 0, remedied_run.stderr


def test_heads_search_takes_the_kind_that_its_message_asks_for(place, tmp_path):
    """The search itself needs several recordings, which one clip is not: it starts, and says so."""
    shutil.copytree(place, tmp_path, dirs_exist_ok=True)
    search = "heads search kinds --out h.json --model m --language en"
    assert "name one with --kind" in align_eval(*shlex.split(search), cwd=tmp_path).stderr
    assert "--kind" not in align_eval(*shlex.split(f"{search} --kind folder"), cwd=tmp_path).stderr
