"""Time of the gradient by chunk size, and of the path by implementation, on this machine.

Compare ratios within one run; absolute times depend on the machine. Prints tables; with --json PATH, also writes them
as JSON.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import time
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
import whisper.timing

from align_eval.alignment.aligner import parse_aligner
from align_eval.alignment.dtw import dtw_path
from align_eval.alignment.word_times import align_map
from align_eval.corpus.audio import read_audio
from align_eval.corpus.bundled import load_corpus
from align_eval.model.forward import shared_pass
from align_eval.model.load import load_model
from align_eval.model.text import force_words
from align_eval.records import EOT_WORD, RelevanceMap
from align_eval.relevance import gradient as gradient_module
from align_eval.relevance.options import GradientOptions
from align_eval.units import FRAME_S, START_S

REPEATS = 3


def median_s(run: Callable[[], object]) -> float:
    """Median time of a few runs in seconds, after a warm-up run."""
    run()
    times = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        run()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def gradient_chunks(clip_id: str = "en_librivox_sense_0870") -> list[dict[str, object]]:
    model = load_model("tiny.en")
    clip = next(u for u in load_corpus("demo").utterances if u.id == clip_id)
    shared = shared_pass(model, read_audio(clip.audio), force_words(model, [w.text for w in clip.words], "en"))
    default_chunk_tokens = gradient_module.chunk_tokens
    rows = []
    try:
        for at in ("encoder-output", "encoder.3/4"):
            for chunk in (1, 2, 4, 8):
                gradient_module.chunk_tokens = lambda *_, chunk=chunk: chunk
                seconds = median_s(lambda at=at: gradient_module.gradient(model, shared, GradientOptions(at=at)))
                peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
                n = len(shared.text.tokens)
                rows.append({"at": at, "chunk": chunk, "tokens_per_s": n / seconds, "peak_mb_so_far": peak_mb})
    finally:
        gradient_module.chunk_tokens = default_chunk_tokens
    return rows


def path_times(n_tokens: int = 448, n_frames: int = 1500) -> list[dict[str, object]]:
    values = np.random.default_rng(0).standard_normal((n_tokens, n_frames)).astype(np.float32)
    words = np.append(np.arange(n_tokens - 1) // 2, EOT_WORD).astype(np.int32)
    energy = np.random.default_rng(1).random(n_frames)
    relevance = RelevanceMap(values, FRAME_S, START_S, words, "random", letters=np.append(np.full(n_tokens - 1, 1), 0))
    runs: dict[str, Callable[[], object]] = {
        "dtw-python": lambda: dtw_path(-values.astype(np.float64)),
        "openai-whisper (numba)": lambda: whisper.timing.dtw_cpu(-values.astype(np.float64)),
        "viterbi, best path": lambda: align_map(relevance, energy, parse_aligner("viterbi:boundary=frame")),
        "viterbi, best path and medians": lambda: align_map(relevance, energy, parse_aligner("viterbi")),
    }
    if find_spec("librosa"):
        librosa = import_module("librosa")
        runs["librosa"] = lambda: librosa.sequence.dtw(C=-values.astype(np.float64), backtrack=True)
    else:
        print("librosa is not installed: run `pip install librosa` to time its path as well")
    return [{"path": name, "size": f"{n_tokens}x{n_frames}", "seconds": median_s(run)} for name, run in runs.items()]


def show(title: str, rows: list[dict[str, object]]) -> None:
    print(title)
    for row in rows:
        print(
            "  "
            + "  ".join(
                f"{key}={value:.4g}" if isinstance(value, float) else f"{key}={value}" for key, value in row.items()
            )
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    results = {"gradient": gradient_chunks(), "paths": path_times(), "threads": torch.get_num_threads()}
    show(f"gradient, tiny.en, 26 tokens, {results['threads']} threads", results["gradient"])
    show("paths", results["paths"])
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
