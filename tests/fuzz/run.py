"""Damage good files, let the readers read them, and keep every case that fails.

Usage: python -m tests.fuzz.run --cases 10000 --seed 0
       python -m tests.fuzz.run --replay runs/fuzz/0-1234.json

The seed decides all cases. They run in a second process, which is started again if a native decoder ends it.
"""

from __future__ import annotations

import argparse
import base64
import json
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random

SILENT_S = 120
"""Longest time without a word of the process that runs the cases, after which it is ended."""

WEIGHTS = {"word times": 28, "TextGrids": 8, "scores": 4, "corpora": 28, "lhotse": 10, "audio": 14}
WEIGHTS |= {"specs": 4, "protocols": 4}
"""How often cases go through each target."""

PENDING: dict[str, int] = {"runs": 12, "findings": 4, "maps": 4, "cache": 4, "journal": 4, "models": 8}
"""Targets that run only when they are named, or with ``--all``."""

NEEDED = {"lhotse": "lhotse", "models": "torch", "specs": "torch"}
"""Packages without which a target is left out."""


@dataclass(frozen=True)
class Case:
    """A damaged file: the target, the number of its good file and the bytes in its place."""

    target: str
    fixture: int
    data: bytes


@dataclass(frozen=True)
class Finding:
    """A case that failed, with its seed and number, the reader, and the reason."""

    seed: int
    number: int
    target: str
    fixture: int
    read: str
    reason: str
    data: str = ""


def runnable(names: Sequence[str]) -> dict[str, int]:
    """The weights of those of the targets whose packages are installed."""
    weights = {name: weight for name, weight in (WEIGHTS | PENDING).items() if name in names}
    return {name: weight for name, weight in weights.items() if name not in NEEDED or find_spec(NEEDED[name])}


class Bench:
    """The good files of targets, made in a folder, and the cases drawn from them."""

    def __init__(self, names: Sequence[str], folder: Path) -> None:
        from tests.fuzz.mutations import pool_of
        from tests.fuzz.own_targets import OWN
        from tests.fuzz.targets import READERS

        self._folder = folder
        self.targets = {name: (READERS | OWN)[name] for name in names}
        self.fixtures = {}
        for name, target in self.targets.items():
            place = folder / "good" / name.replace(" ", "-")
            place.mkdir(parents=True)
            self.fixtures[name] = list(target.make(place))
        self._pools = {
            name: pool_of([(good.folder / good.name).read_bytes() for good in fixtures])
            for name, fixtures in self.fixtures.items()
        }

    def case(self, seed: int, number: int, weights: dict[str, int]) -> Case:
        """Draw a case."""
        from tests.fuzz.mutations import damaged

        rng = Random(f"{seed}/{number}")
        name = rng.choices(list(weights), list(weights.values()))[0]
        fixture = rng.randrange(len(self.fixtures[name]))
        good = self.fixtures[name][fixture]
        data = damaged(rng, (good.folder / good.name).read_bytes(), self._pools[name])
        return Case(name, fixture, data)

    def good(self, name: str, fixture: int) -> Case:
        """The case of a good file as it is."""
        good = self.fixtures[name][fixture]
        return Case(name, fixture, (good.folder / good.name).read_bytes())

    def failure(self, case: Case) -> tuple[str, str] | None:
        """Run a case in a new folder; the name of the reader that fails and the reason, or None."""
        from tests.fuzz.oracle import finding_of

        good = self.fixtures[case.target][case.fixture]
        with tempfile.TemporaryDirectory(dir=self._folder) as place:
            folder = Path(place) / good.folder.name
            shutil.copytree(good.folder, folder, copy_function=os.link)
            file = folder / good.name
            file.unlink()
            file.write_bytes(case.data)
            for read in self.targets[case.target].reads:
                if reason := finding_of(lambda read=read: read(folder, file)):
                    return read.__name__, reason.replace(place, "")
        return None


def findings_of(n_cases: int, seed: int, names: Sequence[str], folder: Path) -> Iterator[Finding | int]:
    """Run cases; yield each finding, and the number of each case that is done."""
    context = multiprocessing.get_context("fork")
    number = 0
    while number < n_cases:
        ours, theirs = context.Pipe()
        worker = context.Process(target=_work, args=(theirs, range(number, n_cases), seed, names, folder))
        worker.start()
        theirs.close()
        try:
            while number < n_cases and ours.poll(SILENT_S):
                found = ours.recv()
                if found:
                    yield Finding(**found)
                number += 1
                yield number
        except EOFError:
            pass
        if number < n_cases:
            worker.kill()
            worker.join()
            yield _crash(number, seed, names, folder, worker.exitcode)
            number += 1
        worker.join()


def _crash(number: int, seed: int, names: Sequence[str], folder: Path, code: int | None) -> Finding:
    with tempfile.TemporaryDirectory(dir=folder) as place:
        case = Bench(names, Path(place)).case(seed, number, runnable(names))
    return _finding(seed, number, case, "any", f"the process ended with exit code {code}")


def _finding(seed: int, number: int, case: Case, read: str, reason: str) -> Finding:
    data = base64.b64encode(case.data).decode()
    return Finding(seed, number, case.target, case.fixture, read, reason, data)


def _work(pipe: Connection, numbers: range, seed: int, names: Sequence[str], folder: Path) -> None:
    """Run cases and send what is found, or None, for each. What decoders print is dropped."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)
    with tempfile.TemporaryDirectory(dir=folder) as place:
        bench = Bench(names, Path(place))
        for name in bench.targets:  # loads what is loaded late, which no case has to pay for
            bench.failure(bench.good(name, 0))
        for number in numbers:
            case = bench.case(seed, number, runnable(names))
            failed = bench.failure(case)
            pipe.send(asdict(_finding(seed, number, case, *failed)) if failed else None)


def keep(finding: Finding, out: Path) -> Path:
    """Write a finding to a file that ``--replay`` takes."""
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"{finding.seed}-{finding.number}.json"
    path.write_text(json.dumps(asdict(finding), indent=1), encoding="utf-8")
    return path


def replay(path: Path) -> int:
    """Run a kept case again and print what is found."""
    kept = Finding(**json.loads(path.read_text(encoding="utf-8")))
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench([kept.target], Path(folder))
        failed = bench.failure(Case(kept.target, kept.fixture, base64.b64decode(kept.data)))
    print(f"{kept.target}, {failed[0]}: {failed[1]}" if failed else "passes")
    return 1 if failed else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=10_000, help="number of damaged files")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--target", action="append", choices=[*WEIGHTS, *PENDING], help="only these, by default all")
    parser.add_argument("--all", action="store_true", help="also the targets that are pending")
    parser.add_argument("--out", type=Path, default=Path("runs/fuzz"), help="folder for the cases that fail")
    parser.add_argument("--replay", type=Path, help="run a case that was kept")
    options = parser.parse_args()
    if options.replay:
        return replay(options.replay)
    names = list(runnable(options.target or [*WEIGHTS, *(PENDING if options.all else ())]))
    n_found, start_s = 0, time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        for found in findings_of(options.cases, options.seed, names, Path(folder)):
            if isinstance(found, Finding):
                n_found += 1
                reason = found.reason.partition("\n")[0][:160]
                print(f"{found.target}, {found.read}: {reason}")
                print(f"  python -m tests.fuzz.run --replay {keep(found, options.out)}", flush=True)
            elif found % 1000 == 0:
                print(f"{found} cases, {n_found} findings, {time.monotonic() - start_s:.0f} s", flush=True)
    print(f"{options.cases} cases of {', '.join(names)}: {n_found} findings")
    return 1 if n_found else 0


if __name__ == "__main__":
    sys.exit(main())
