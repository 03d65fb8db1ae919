"""What a second worker is worth: whole runs on one and on two, start-up excluded.

Usage: workers.py [--model tiny.en] [--device cpu] [--engine shard|ray] [--copies 4] [--batch 1] [--json PATH]

A corpus of copies of the demo's clips, and one with three times as many: the difference of their times is what the
added utterances took, without what a run needs to start and end. By shards each worker is a process of its own, and on
GPUs has one of its own; either half has the same clips. Each worker has one thread on a CPU.
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
    """Which of two shards an utterance is in, as docs/scale.md has it."""
    return int.from_bytes(hashlib.sha256(id_.encode()).digest()[:8], "big") % 2


def write_corpus(folder: Path, copies: int) -> int:
    """Copies of the demo's English clips, as many of each in either shard; how many utterances."""
    folder.mkdir()
    n = 0
    for u in load_corpus("demo").utterances:
        grid = u.audio.path.with_suffix(".TextGrid")
        wanted, i = {0: copies, 1: copies}, 0
        while any(wanted.values()):
            stem, i = f"{u.id}x{i}", i + 1
            if wanted[shard_of(stem)]:
                wanted[shard_of(stem)] -= 1
                shutil.copyfile(u.audio.path, folder / f"{stem}{u.audio.path.suffix}")
                shutil.copyfile(grid, folder / f"{stem}.TextGrid")
                n += 1
    return n


def run_s(corpus: Path, out: Path, n_workers: int, arguments: argparse.Namespace) -> float:
    """Seconds from the start to the end of the last of the workers."""
    command = [sys.executable, "-m", "align_eval", "run", str(corpus), "--model", arguments.model, "--language", "en"]
    command += [*SYSTEMS, "--device", arguments.device, "--batch", str(arguments.batch), "--dtype", arguments.dtype]
    if arguments.engine == "ray":
        parts = [[*command, "--out", str(out), "--engine", "ray", "--workers", str(n_workers)]]
    else:
        parts = [[*command, "--out", str(out / str(i)), "--shard", f"{i}/{n_workers}"] for i in range(1, n_workers + 1)]
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    began = time.perf_counter()
    started = [
        subprocess.Popen(
            part,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=os.environ | {"OMP_NUM_THREADS": "1"} | ({"CUDA_VISIBLE_DEVICES": str(i)} if len(parts) > 1 else {}),
        )
        for i, part in enumerate(parts)
    ]
    for process in started:
        _, said = process.communicate()
        if process.returncode:
            raise SystemExit(said.decode())
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
        run_s(folder / "few", folder / "out", 1, arguments)  # compiles and fills caches of files
        for n_workers in (1, 2):
            times = [run_s(folder / name, folder / "out", n_workers, arguments) for name in ("few", "many")]
            rates[n_workers] = (many - few) / (times[1] - times[0])
            line = f"{few} utterances {times[0]:.1f} s, {many} {times[1]:.1f} s: {rates[n_workers]:.2f} a second"
            print(f"{n_workers} by {arguments.engine} on {arguments.device}: {line}", flush=True)
    print(f"two are {rates[2] / rates[1]:.2f} times one")
    if arguments.json:
        arguments.json.write_text(json.dumps({"rates": rates}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
