"""Runs of a model, and the error budget, on a disk that is full, fails once, or loses the process.

A run that saves its maps takes none from `--cache`. The encoder's output and the stacks of both plans are therefore
made once, by the real model, and remembered in memory.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from align_eval.model import forward
from align_eval.relevance import stack
from tests.helpers.command_line import align_eval
from tests.helpers.faults import Verb, agrees, compares, try_faults
from tests.helpers.planted_run import SPEAKERS, write_planted

CLIPS = ("en_praatio_bobby", "en_praatio_damon")
PLAN = ("--source", "attention:heads=all", "--source", "gradient:at=encoder-output", "--align", "dtw")
OTHER_PLAN = ("--source", "attention:heads=all", "--source", "gradient:at=mel", "--align", "viterbi")

pytestmark = [
    pytest.mark.usefixtures("few_draws"),
    pytest.mark.skipif(not (hasattr(os, "fork") and Path("/proc/self/fd").is_dir()), reason="needs fork and /proc"),
]


def run(place: Path, out: Path, plan: tuple[str, ...] = PLAN) -> tuple[object, ...]:
    return ("run", place / "corpus", *plan, "--keep", "heads", "--out", out, "--force")


def once_per_audio(encode: Callable[..., Any]) -> Callable[..., Any]:
    remembered: dict[bytes, Any] = {}

    def encode_once(model: Any, mel: Any) -> Any:
        audio = mel.numpy().tobytes()
        if audio not in remembered:
            remembered[audio] = encode(model, mel)
        return remembered[audio]

    return encode_once


def once_per_text(stacks_of: Callable[..., Any]) -> Callable[..., Any]:
    """Each utterance has another text."""
    remembered: dict[Any, Any] = {}

    def stacks_once(model: Any, shared: Any) -> Callable[[Any], Any]:
        stack_of = stacks_of(model, shared)

        def stack_of_once(source: Any) -> Any:
            key = source, tuple(shared.text.tokens)
            if key not in remembered:
                remembered[key] = stack_of(source)
            return remembered[key]

        return stack_of_once

    return stacks_once


@pytest.fixture(scope="module")
def workplace(few_draws, tiny_en, demo, tmp_path_factory) -> Iterator[Path]:  # noqa: ARG001
    """Two utterances, and a finished run of another plan with a finding and a report."""
    place = tmp_path_factory.mktemp("workplace")
    (place / "corpus").mkdir()
    for utterance in demo.utterances:
        if utterance.id in CLIPS:
            for path in (utterance.audio.path, utterance.audio.path.with_suffix(".TextGrid")):
                shutil.copy(path, place / "corpus")
    old = place / "old"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("align_eval.engine.journal.FLUSH_S", 0.0)  # the number of operations does not depend on the time
        patch.setattr("align_eval.model.load.load_model", lambda *_, **__: tiny_en)
        patch.setattr("align_eval.model.forward.encode", once_per_audio(forward.encode))
        patch.setattr("align_eval.relevance.stack.stacks_of", once_per_text(stack.stacks_of))
        for command in (
            run(place, place / "first"), run(place, old, OTHER_PLAN), ("agree", old), ("report", old, "--no-audio")
        ):  # fmt: skip
            assert align_eval(*command).returncode == 0
        yield place


def run_anew(place: Path, workplace: Path) -> Verb:
    return Verb(place / "run", None, run(workplace, place / "run"), readers=(compares, agrees))


def rerun(place: Path, workplace: Path) -> Verb:
    """Another plan over a finished run: its maps, its finding and its report go with it."""
    return Verb(place / "run", workplace / "old", run(workplace, place / "run"), readers=(compares, agrees))


def budget(place: Path, _: Path) -> Verb:
    old = write_planted(place / "old", SPEAKERS[:2])
    assert align_eval("budget", old, "--seed", 1).returncode == 0
    return Verb(place / "run", old, ("budget", place / "run"), readers=(compares,), group=("budget.png", "budget.json"))


@pytest.mark.parametrize(
    ("verb", "every"),
    [
        (rerun, False),
        *(pytest.param(verb, True, marks=pytest.mark.validate) for verb in (run_anew, rerun, budget)),
    ],
)
def test_a_disk_that_fails_leaves_the_old_the_new_or_what_is_refused(tmp_path, workplace, verb, every):
    tally = try_faults(verb(tmp_path, workplace), every, verb.__name__)
    assert tally.n_faults > 3
