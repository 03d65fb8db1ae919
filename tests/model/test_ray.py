"""Ray's actors give the bytes of a local run, also when one of them dies in the middle of it."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from align_eval.corpus.bundled import load_corpus
from align_eval.engine.utterance import Result, process
from align_eval.engine.workers import results
from align_eval.errors import InputError
from align_eval.model.load import load_model, model_checksum
from align_eval.options import Plan, RunOptions
from align_eval.signature import plan_facts
from align_eval.systems import parse_system
from tests.helpers.command_line import align_eval
from tests.helpers.tiny_run import OPTIONS, files_of, write_corpus, write_model

pytestmark = pytest.mark.peers
SYSTEMS = (parse_system("attention:heads=all", "dtw"), parse_system("gradient:at=encoder-output", "viterbi"))


def test_a_run_by_ray_writes_the_same_bytes(tmp_path):
    asked = ("run", write_corpus(tmp_path / "corpus", 9), "--model", write_model(tmp_path / "model"), *OPTIONS)
    assert align_eval(*asked, "--out", tmp_path / "local").returncode == 0
    assert align_eval(*asked, "--out", tmp_path / "ray", "--engine", "ray", "--workers", "2").returncode == 0
    assert files_of(tmp_path / "ray") == files_of(tmp_path / "local")


def test_what_a_dead_worker_had_is_done_again_and_another_machine_is_refused(tmp_path):
    from align_eval.engine.ray_workers import ray_workers

    corpus = load_corpus(str(write_corpus(tmp_path / "corpus", 12)))
    model = load_model(str(write_model(tmp_path / "model")))
    plan = Plan("m", SYSTEMS, RunOptions(workers=2))
    facts = plan_facts(plan, model_checksum(model))
    local = [process(u, plan, model) for u in corpus.utterances]
    with ray_workers(model, plan, None, facts) as workers:
        computed = []
        for i, (_, result) in enumerate(results(corpus.utterances, workers, SYSTEMS)):
            assert isinstance(result, Result), result
            computed.append(result)
            if i == 1:  # others are under way
                os.kill(actor_pids()[0], signal.SIGKILL)
    assert computed == local
    match = "a worker differs from this machine in instructions; use machines of one kind"
    with (
        pytest.raises(InputError, match=match),
        ray_workers(model, plan, None, facts | {"instructions": "OTHER"}),
    ):
        pass


def actor_pids() -> list[int]:
    """Processes of our own Ray's actors: those that stem from this one."""

    def parent(pid: int) -> int:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])

    def is_ours(pid: int) -> bool:
        while pid > 1:
            pid = parent(pid)
            if pid == os.getpid():
                return True
        return False

    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if b"ray::Worker" in (path / "cmdline").read_bytes() and is_ours(int(path.name)):
                found.append(int(path.name))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found
