"""Utterances per second from samples and a known text to word times: align-eval beside other systems.

Usage: throughput.py [--model tiny.en] [--corpus demo] [--device cpu] [--dtype float32] [--batch 1 16]
                     [--python .venv-peers/bin/python] [--copies 1] [--json PATH]

All systems use the same clips and weights in one run. Each other system runs in its own process. Times are the best of
three rounds, warm: wall-clock time on a GPU, processor time (one thread) on a CPU. Samples are in memory before the
clock starts. For align-eval this also prints the time of each stage. A system that is not installed, or cannot run
here, is listed with the reason.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from clock import clock_of
from peers import write_weights

from align_eval.alignment.energy import energy_at_columns
from align_eval.alignment.word_times import align_map
from align_eval.corpus.audio import read_audio
from align_eval.corpus.bundled import load_corpus
from align_eval.engine.batch import batches, process_speeches
from align_eval.model.forward import encode, forced_passes, mel_of
from align_eval.model.load import load_model
from align_eval.model.text import force_words
from align_eval.options import Plan, RunOptions
from align_eval.pipeline import Speech, maps_of_passes
from align_eval.records import Failure, Utterance
from align_eval.systems import PRESETS, System, parse_system

WORKER = Path(__file__).with_name("peer_worker.py")
PEERS = (
    "openai-whisper, given text",
    "stable-ts, given text",
    "whisper-timestamped, own text",
    "faster-whisper, given text",
)
OURS = {
    "as openai-whisper": PRESETS["openai"],
    "all heads, log, viterbi": parse_system("attention:heads=all,prep=log", "viterbi"),
}
ROUNDS = 3


def best_round_s(
    model: Any, utterances: Sequence[Utterance], clips: Sequence[Speech], system: System, batch: int, dtype: str
) -> float:
    """Seconds of the best round of one of our systems over all clips."""
    clock = clock_of(model.device.type)
    plan = Plan("", (system,), RunOptions(batch=batch, dtype=dtype))
    seconds = []
    for _ in range(ROUNDS + 1):
        began = clock()
        outcomes = process_speeches(utterances, dict(enumerate(clips)), plan, model)
        assert not any(isinstance(outcome, Failure) for outcome in outcomes.values())
        seconds.append(clock() - began)
    return min(seconds[1:])


def stages(model: Any, clips: Sequence[Speech], system: System, batch: int, dtype: str) -> dict[str, float]:
    """Seconds of each stage over all clips.

    The device is synchronised after each stage, so the sum is longer than an ordinary run.
    """
    clock = clock_of(model.device.type)
    seconds: dict[str, float] = {}

    def timed(name: str, work: Callable[[], Any]) -> Any:
        began = clock()
        result = work()
        if model.device.type == "cuda":
            torch.cuda.synchronize()
        seconds[name] = seconds.get(name, 0.0) + clock() - began
        return result

    for round_ in range(2):
        if round_:
            seconds.clear()  # the first round is the warm-up
        for chunk in batches(dict(enumerate(clips)), batch):
            group = list(chunk.values())
            mels = timed("mel", lambda group=group: [mel_of(model, s.samples, "full", dtype) for s in group])
            texts = timed("tokens", lambda group=group: [force_words(model, s.texts, s.language) for s in group])
            n_frames = [n for _, n in mels]
            taps = timed("encoder", lambda mels=mels: encode(model, torch.cat([mel for mel, _ in mels])))
            passes = timed("decoder", lambda a=(taps, texts, n_frames): forced_passes(model, *a))
            for spoken, shared in zip(group, passes, strict=True):
                maps = timed("map", lambda shared=shared: maps_of_passes(model, lambda _: shared)([system.source]))
                relevance = maps[system.source].relevance
                columns = relevance.values.shape[1], relevance.frame_s, relevance.start_s
                energy = timed("energy", lambda a=(spoken.samples, *columns): energy_at_columns(*a))
                timed("path", lambda a=(relevance, energy, system.aligner, spoken.samples): align_map(*a))
    return seconds


def peer_s(python: Path, name: str, job: dict[str, Any], folder: Path) -> float | str:
    """Seconds of the best rounds of another system over all clips, or its error message."""
    job_path, result_path = folder / "job.json", folder / "result.json"
    job_path.write_text(json.dumps({**job, "system": name}), encoding="utf-8")
    result_path.unlink(missing_ok=True)
    one_thread = {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}  # numba also sets the number of torch's threads
    threads = {} if job["device"] == "cuda" else one_thread
    done = subprocess.run(
        [str(python), str(WORKER), str(job_path), str(result_path)],
        capture_output=True, text=True, check=False, env={**os.environ, **threads},
    )  # fmt: skip
    if not result_path.is_file():
        return done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"exit code {done.returncode}"
    clips = json.loads(result_path.read_text(encoding="utf-8"))["clips"]
    failed = [clip["error"] for clip in clips.values() if "error" in clip]
    key = "wall_s" if job["device"] == "cuda" else "seconds"
    return failed[0] if failed else float(sum(clip[key] for clip in clips.values()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="tiny.en")
    parser.add_argument("--corpus", default="demo")
    parser.add_argument("--language", default="en")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", nargs="+", default=["float32"])
    parser.add_argument("--batch", nargs="+", type=int, default=[1])
    parser.add_argument("--most", type=int, help="largest number of clips, the first by id")
    parser.add_argument("--copies", type=int, default=1, help="copies of each clip for our batches, to fill them")
    parser.add_argument("--python", type=Path, default=Path(sys.executable))
    parser.add_argument("--json", type=Path)
    a = parser.parse_args()
    if a.device == "cpu":
        torch.set_num_threads(1)
    utterances = sorted(load_corpus(a.corpus, language=a.language).utterances, key=lambda u: u.id)[: a.most]
    clips = [Speech(read_audio(u.audio), tuple(w.text for w in u.words), u.language) for u in utterances]
    model = load_model(a.model, device=a.device)
    cpu = f"one thread, {torch.backends.cpu.get_cpu_capability()}"
    machine = torch.cuda.get_device_name() if a.device == "cuda" else cpu
    print(f"{a.model}, {len(clips)} clips of {a.corpus}, {machine}, torch {torch.__version__}", flush=True)
    rows: list[dict[str, Any]] = []

    def add(system: str, dtype: str, batch: int, n: int, seconds: float | str) -> None:
        rate = n / seconds if isinstance(seconds, float) else None
        rows.append({"system": system, "dtype": dtype, "batch": batch, "per_s": rate, "said": str(seconds)})
        print(f"{system:38s} {dtype:8s} batch {batch:3d}  " + (f"{rate:9.2f}/s" if rate else str(seconds)), flush=True)

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_weights(a.model, model.cpu(), folder / "weights")
        model.to(a.device)
        for i, clip in enumerate(clips):
            np.save(folder / f"{i}.npy", clip.samples)
        clip_jobs = [
            {"id": str(i), "samples": str(folder / f"{i}.npy"), "text": " ".join(c.texts)} for i, c in enumerate(clips)
        ]
        for dtype in a.dtype:
            job = {"weights": str(folder / "weights"), "language": a.language, "clips": clip_jobs}
            job |= {"device": a.device, "dtype": dtype, "rounds": ROUNDS}
            for name in PEERS:
                add(name, dtype, 1, len(clips), peer_s(a.python, name, job, folder))
            for name, system in OURS.items():
                for batch in a.batch:
                    copies = a.copies if batch > 1 else 1
                    seconds = best_round_s(model, utterances * copies, clips * copies, system, batch, dtype)
                    add(f"align-eval, {name}", dtype, batch, copies * len(clips), seconds)
    stage_s: dict[str, dict[str, float]] = {}
    for dtype in a.dtype:
        for name, system in OURS.items():
            copies = clips * (a.copies if a.batch[-1] > 1 else 1)
            seconds_of = stages(model, copies, system, a.batch[-1], dtype)
            total_s = sum(seconds_of.values())
            stage_s[f"{name}, {dtype}"] = seconds_of
            columns = ((stage, 1000 * s / len(copies), 100 * s / total_s) for stage, s in seconds_of.items())
            shares = ", ".join(f"{stage} {ms:.2f} ms ({share:.1f} %)" for stage, ms, share in columns)
            print(f"stages of {name}, {dtype}, batch {a.batch[-1]}: {shares}", flush=True)
    if a.json:
        content = {"model": a.model, "device": machine, "torch": torch.__version__, "rows": rows, "stages": stage_s}
        a.json.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
