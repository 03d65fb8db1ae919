"""A run killed at any moment goes on where it was, and ends with the bytes of one that nobody disturbed."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import sys
import time
from pathlib import Path

import pytest

from align_eval.engine.cache_folder import CacheFolder
from align_eval.engine.journal import FOLDER, NAME
from align_eval.systems import parse_system
from tests.helpers.command_line import align_eval, start
from tests.helpers.tiny_run import OPTIONS, files_of, write_corpus, write_model

N_UTTERANCES = 8


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A model, a corpus, and the folder of a run of it that was left in peace."""
    folder = tmp_path_factory.mktemp("resume")
    write_model(folder / "model")
    write_corpus(folder / "corpus", N_UTTERANCES)
    done = start("-m", "align_eval", *command(folder, "whole"))  # a process of its own, as the killed ones are
    assert done.returncode == 0, done.stderr
    return folder


def command(folder: Path, out: str, *others: str) -> list[str]:
    options = others or OPTIONS
    return ["run", str(folder / "corpus"), "--model", str(folder / "model"), "--out", str(folder / out), *options]


def call(arguments: list[str], cpu_s: Path | None = None) -> None:
    """Run `align-eval` in a process that has imported everything; ``cpu_s`` is told how long it computed."""
    code = align_eval(*arguments).returncode
    if cpu_s:
        cpu_s.write_text(str(time.process_time()))
    sys.exit(code)


def kill_when(process: multiprocessing.process.BaseProcess, is_due) -> None:
    """Kill a process once it is due, or let it end before."""
    while process.is_alive():
        if is_due():
            process.kill()
        process.join(0.002)
    process.join()


def cpu_s(process: multiprocessing.process.BaseProcess) -> float:
    """How long a process has computed: the same on a busy machine as on an idle one."""
    try:
        stat = Path(f"/proc/{process.pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):  # it ended meanwhile
        return 0.0
    ticks = stat.rpartition(")")[2].split()[11:13]  # in user mode and in the kernel
    return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


@pytest.fixture(scope="module")
def processes():
    """Real processes that start with torch imported: forty starts of Python would take minutes."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.model.test_resume", "tests.helpers.warm"])
    return context


def n_entries(run: Path) -> int:
    path = run / FOLDER / NAME
    return path.read_bytes().count(b"\n") if path.is_file() else 0


@pytest.mark.slow
@pytest.mark.parametrize("n_kills", [4, pytest.param(20, marks=pytest.mark.validate)])
def test_a_run_killed_at_random_moments_ends_with_the_same_bytes(workplace, processes, n_kills):
    whole = files_of(workplace / "whole")
    assert {"run.json", "words.parquet", "details.json", "textgrids/u00000.TextGrid", "maps/u00007.safetensors"} < set(
        whole
    )
    undisturbed = processes.Process(target=call, args=(command(workplace, f"again {n_kills}"), workplace / "cpu_s"))
    undisturbed.start()
    undisturbed.join()
    lasts_s = float((workplace / "cpu_s").read_text())
    assert files_of(workplace / f"again {n_kills}") == whole
    moments = random.Random(0)
    n_killed, entries = 0, []
    for i in range(n_kills):
        out = f"killed{i} of {n_kills}"
        killed = processes.Process(target=call, args=(command(workplace, out),))
        killed.start()
        if i % 2:  # while utterances are processed, which is a small part of so short a run
            n = moments.randrange(1, N_UTTERANCES)
            kill_when(killed, lambda out=out, n=n: n_entries(workplace / out) >= n)
        else:  # at any moment, one in each part: few must meet all of a run
            moment_s = (i + moments.random()) / n_kills * lasts_s
            kill_when(killed, lambda killed=killed, moment_s=moment_s: cpu_s(killed) >= moment_s)
        n_killed += killed.exitcode == -signal.SIGKILL
        entries.append(n_entries(workplace / out))
        goes_on = processes.Process(target=call, args=(command(workplace, out),))
        goes_on.start()
        goes_on.join()
        assert goes_on.exitcode == 0
        assert files_of(workplace / out) == whole, f"kill {i}, after {entries[-1]} utterances"
    assert n_killed > n_kills // 2
    assert any(0 < n < N_UTTERANCES for n in entries), entries


def test_a_run_that_was_cut_off_says_what_it_did_not_do_again(workplace, monkeypatch, capsys):
    """Interrupted after the fifth utterance, by the keyboard as by a kill."""
    from align_eval.engine import journal

    put, written = journal.Journal.put, []

    def interrupted(self, id_, key, aligned):
        put(self, id_, key, aligned)
        written.append(id_)
        if len(written) == 5:
            raise KeyboardInterrupt

    monkeypatch.setattr(journal.Journal, "put", interrupted)
    assert align_eval(*command(workplace, "interrupted")).returncode != 0
    assert align_eval(*command(workplace, "interrupted")).returncode == 0
    assert len(written) == N_UTTERANCES
    assert "5 utterances were processed before this run was interrupted" in capsys.readouterr().out
    assert files_of(workplace / "interrupted") == files_of(workplace / "whole")


def test_an_audio_file_that_changed_is_done_again(tmp_path):
    """Its key covers its bytes: what was found of the earlier ones is not taken for it."""
    from align_eval.corpus.bundled import load_corpus
    from align_eval.options import Plan
    from align_eval.signature import plan_facts, utterance_keys

    corpus = load_corpus(str(write_corpus(tmp_path / "c", 2)))

    def key_of(u):
        plan = Plan("m", (parse_system("gradient", "dtw"),))
        return utterance_keys(plan, plan_facts(plan, "0" * 64))(u)

    before = [key_of(u) for u in corpus.utterances]
    assert [key_of(u) for u in corpus.utterances] == before
    data = bytearray(corpus.utterances[1].audio.path.read_bytes())
    data[-1] ^= 1
    corpus.utterances[1].audio.path.write_bytes(data)
    assert [key == old for key, old in zip(map(key_of, corpus.utterances), before, strict=True)] == [True, False]
    corpus.utterances[1].audio.path.unlink()
    assert key_of(corpus.utterances[1]) is None


def test_another_alignment_takes_its_maps_from_the_cache_and_gives_the_same_bytes(workplace, monkeypatch):
    """The second run may not run the model at all, and must write what a run without a cache writes."""
    from align_eval.model import forward

    def run(out: str, align: str, *others: str) -> dict[str, bytes]:
        options = ("--source", "attention:heads=all", "--source", "gradient", "--align", align, *others)
        assert align_eval(*command(workplace, out, *options)).returncode == 0
        return files_of(workplace / out)

    cache = ("--cache", str(workplace / "cache"))
    run("first", "dtw", *cache)
    without = run("without", "viterbi")
    with monkeypatch.context() as patched:
        patched.setattr(forward, "encode", None)
        assert run("second", "viterbi", *cache) == without
    entries = [path for path in (workplace / "cache").rglob("*") if path.is_file()]
    assert len(entries) == 2 * N_UTTERANCES
    damaged = entries[3].read_bytes()
    entries[3].write_bytes(damaged[:-4] + b"\0\0\0\0")
    assert run("third", "viterbi", *cache) == without  # that one is made again
    assert entries[3].read_bytes() == damaged
    assert CacheFolder(workplace / "cache", 0).get(entries[0].name) is None  # a limit of nothing keeps nothing
