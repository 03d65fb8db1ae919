"""Keys follow from the code that computes an utterance: no module that runs is missing, and none stands there idle."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import align_eval
from align_eval.options import Plan
from align_eval.signature import computing_modules, plan_facts
from align_eval.systems import parse_system

PREPARE = (
    *("options", "systems"),  # the settings of the plan and the specs of its systems are in a key
)

PROCESS_ONE = """
import sys
from dataclasses import replace
from pathlib import Path
from align_eval.engine.batch import process_many
from align_eval.engine.utterance import Result, process_each
from align_eval.model.load import load_model
from align_eval.systems import parse_system
from align_eval.records import AudioSpan, Utterance, Word
from align_eval.options import Plan, RunOptions
from align_eval.relevance.source import SOURCE_OPTIONS

model = load_model("tiny.en").requires_grad_(False)
words = tuple(Word(text, i / 4, (i + 1) / 4) for i, text in enumerate(["bobby", "ripped", "the", "ledger"]))
utterance = Utterance("u", AudioSpan(Path(sys.argv[1])), words, "bobby ripped the ledger", "en", None, "u", 1.2)
cheap = {
    "spes": "masks=6",
    "saliency": "reduce=l2",
    "input-x-gradient": "reduce=l2",
    "smoothgrad": "n_samples=1",
    "integrated-gradients": "steps=1",
    "gradient-shap": "n_samples=1",
    "occlusion": "window_s=0.5",
    "kernel-shap": "window_s=0.4,n_samples=3",
}
sources = [f"{name}:at=encoder-output,{cheap[name]}" if name in cheap else name for name in SOURCE_OPTIONS]
aligns = ("dtw", "viterbi", "dtw:silence=suppressed")
every_system = [parse_system(source, align) for source in sources for align in aligns]
one_system = [parse_system("attention", "dtw")]
for text, batch, systems, language in [
    ("words", 1, every_system, "en"),
    ("words", 2, one_system, "en"),
    ("words", 1, one_system, "auto"),
    ("transcript", 1, one_system, "en"),
    ("hypothesis", 1, one_system, "en"),
]:
    spoken = replace(utterance, language=language)
    process = process_each if batch == 1 else process_many
    (outcome,) = process([spoken], Plan("m", tuple(systems), RunOptions(text=text, batch=batch)), model)
    assert isinstance(outcome, Result), outcome
print(*sorted(name for name in sys.modules if name.partition(".")[0] == "align_eval"), sep="\\n")
"""


@pytest.mark.slow
def test_the_modules_of_a_key_are_those_that_run_when_an_utterance_is_processed(clip, tmp_path):
    """Every source, alignment and kind of text on one utterance, in a process that imports nothing else of ours.

    The interpreter's own list of modules is the independent witness of what imports say.
    """
    audio = tmp_path / clip.audio.path.name
    shutil.copy(clip.audio.path, audio)
    audio.with_suffix(".txt").write_text("Bobby ripped the ledger.")
    command = [sys.executable, "-c", PROCESS_ONE, str(audio)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    running = set(done.stdout.split()) - {f"align_eval.{name}" for name in PREPARE}
    assert running == set(computing_modules(Path(align_eval.__file__).parents[1]))


def test_a_new_version_with_the_same_computing_code_keeps_its_keys():
    facts = plan_facts(Plan("m", (parse_system("attention", "dtw"),)), "0" * 64)
    assert "align-eval" not in facts["packages"]
    assert {"torch", "openai-whisper", "numpy", "dtw-python"} < facts["packages"].keys()
