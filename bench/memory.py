"""Growth of memory with the size of a corpus: whole runs on very short utterances with a tiny random model.

Each size is a separate process of `align-eval run`, whose peak resident memory the system reports. Prints a table; with
--json PATH, also writes it as JSON.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile
import torch
from whisper.model import ModelDimensions, Whisper

from align_eval.formats.textgrids import write_words
from align_eval.records import Word

WORDS = ("two", "plus", "seven")
DURATION_S = 0.5
DIMENSIONS = ModelDimensions(80, 1500, 16, 2, 1, 51864, 448, 16, 2, 1)
SYSTEMS = ("--source", "attention:heads=all", "--align", "dtw", "--align", "viterbi", "--context", "fit")


def write_model(path: Path) -> None:
    """Write a checkpoint of one encoder and one decoder block with random weights."""
    generator = torch.Generator().manual_seed(0)
    model = Whisper(DIMENSIONS)
    for parameter in model.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator) * 0.1
    torch.save({"dims": vars(DIMENSIONS), "model_state_dict": model.state_dict()}, path)


def write_corpus(folder: Path, n_utterances: int) -> None:
    """Write a corpus of a hundred speakers; each utterance is half a second of noise with three words."""
    rng = np.random.default_rng(0)
    for i in range(n_utterances):
        stem = folder / f"s{i % 100:02}" / f"u{i:06}"
        stem.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(stem.with_suffix(".wav"), rng.standard_normal(round(DURATION_S * 16000)) * 0.1, 16000)
        words = [Word(text, DURATION_S * j / 3, DURATION_S * (j + 1) / 3) for j, text in enumerate(WORDS)]
        write_words(stem.with_suffix(".TextGrid"), {"words": words}, DURATION_S)


def run(corpus: Path, model: Path, out: Path) -> dict[str, float]:
    """Peak resident memory in MB, processor seconds and wall-clock seconds of one run."""
    command = [sys.executable, "-m", "align_eval", "run", str(corpus), "--model", str(model), "--out", str(out)]
    began = time.perf_counter()
    process = subprocess.Popen([*command, *SYSTEMS], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"the run on {corpus} ended with status {status}")
    return {"peak_mb": used.ru_maxrss / 1024, "cpu_s": used.ru_utime + used.ru_stime, "s": time.perf_counter() - began}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sizes", type=int, nargs="*", default=[2000, 20000])
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        write_model(Path(folder) / "model.pt")
        for size in arguments.sizes:
            corpus = Path(folder) / f"corpus{size}"
            write_corpus(corpus, size)
            rows.append({"utterances": size} | run(corpus, Path(folder) / "model.pt", Path(folder) / f"out{size}"))
            print("  ".join(f"{name}={value:.5g}" for name, value in rows[-1].items()), flush=True)
    for few, many in itertools.pairwise(rows):
        grown_kb = 1024 * (many["peak_mb"] - few["peak_mb"]) / (many["utterances"] - few["utterances"])
        print(f"from {few['utterances']} to {many['utterances']} utterances: {grown_kb:.2f} kB per utterance")
    script_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"(this script alone, with torch imported: {script_mb:.0f} MB)")
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
