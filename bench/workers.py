"""Speed-up by a second worker: whole runs with one and with two, start-up excluded.

Usage: workers.py [--model tiny.en] [--device cpu] [--engine shard|ray] [--copies 4] [--batch 1] [--json PATH]

Runs a corpus of copies of the demo's clips and one with three times as many. The difference of the two times is the
time of the added utterances, without the start and end of a run. With `--engine shard` each worker is a separate
process with its own GPU, and both halves have the same clips. Each worker has one thread on a CPU.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from align_eval.corpus.bundled import load_corpus

SYSTEMS = ("--source", "attention:heads=all", "--align", "viterbi")


def shard_of(id_: str) -> int:
    """Return the shard of an utterance, 0 or 1, by the rule of docs/scale.md."""
    return int.from_bytes(hashlib.sha256(id_.encode()).digest()[:8], "big") % 2


def write_corpus(folder: Path, copies: int) -> int:
    """Write ``copies`` copies of each of the demo's clips for each of two shards; return the number of utterances."""
    folder.mkdir()
    n_utterances = 0
    for u in load_corpus("demo").utterances:
        grid = u.audio.path.with_suffix(".TextGrid")
        missing, i = {0: copies, 1: copies}, 0
        while any(missing.values()):
            stem, i = f"{u.id}x{i}", i + 1
            if missing[shard_of(stem)]:
                missing[shard_of(stem)] -= 1
                shutil.copyfile(u.audio.path, folder / f"{stem}{u.audio.path.suffix}")
                shutil.copyfile(grid, folder / f"{stem}.TextGrid")
                n_utterances += 1
    return n_utterances


def run_s(corpus: Path, out: Path, n_workers: int, arguments: argparse.Namespace) -> float:
    """Wall-clock seconds of a run, from the start of the first worker to the end of the last."""
    command = [sys.executable, "-m", "align_eval", "run", str(corpus), "--model", arguments.model, "--language", "en"]
    command += [*SYSTEMS, "--device", arguments.device, "--batch", str(arguments.batch), "--dtype", arguments.dtype]
    if arguments.engine == "ray":
        commands = [[*command, "--out", str(out), "--engine", "ray", "--workers", str(n_workers)]]
    else:
        shards = range(1, n_workers + 1)
        commands = [[*command, "--out", str(out / str(i)), "--shard", f"{i}/{n_workers}"] for i in shards]
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    began = time.perf_counter()
    processes = [
        subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=os.environ | {"OMP_NUM_THREADS": "1"} | ({"CUDA_VISIBLE_DEVICES": str(i)} if len(commands) > 1 else {}),
        )
        for i, command in enumerate(commands)
    ]
    for process in processes:
        _, errors = process.communicate()
        if process.returncode:
            raise SystemExit(errors.decode())
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="tiny.en")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--engine", choices=("shard", "ray"), default="shard")
    parser.add_argument("--copies", type=int, default=2)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rates: dict[int, float] = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        few = write_corpus(folder / "few", arguments.copies)
        many = write_corpus(folder / "many", 3 * arguments.copies)
        run_s(folder / "few", folder / "out", 1, arguments)  # warm-up: compiles code and fills the file cache
        for n_workers in (1, 2):
            times = [run_s(folder / name, folder / "out", n_workers, arguments) for name in ("few", "many")]
            rates[n_workers] = (many - few) / (times[1] - times[0])
            line = f"{few} utterances {times[0]:.1f} s, {many} {times[1]:.1f} s: {rates[n_workers]:.2f} per second"
            print(f"{n_workers} workers by {arguments.engine} on {arguments.device}: {line}", flush=True)
    print(f"two workers are {rates[2] / rates[1]:.2f} times as fast as one")
    if arguments.json:
        arguments.json.write_text(json.dumps({"rates": rates}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
