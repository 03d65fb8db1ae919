"""Verbs that write, on a disk that is full, fails once, or loses the process, at each of its operations.

Afterwards the folder is the old state, the new one, or one that every reader refuses, and the same command completes.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
import soundfile

from align_eval.corpus.folder import corpus_checksum
from align_eval.engine.job import Shard
from align_eval.engine.shard_file import ShardFacts, write_shard
from align_eval.findings.heads.records import HeadSearch, HeadStratum, SetRow
from align_eval.formats.run.audio_spans import write_audio_spans
from align_eval.formats.run.finding_json import write_finding
from align_eval.formats.run.folder import WORDS_NAME, place_run
from align_eval.formats.run.map_checksums import write_checksums
from align_eval.formats.run.maps import maps_path, write_maps
from align_eval.formats.run.staging import staging
from align_eval.formats.run.words_file import write_words_table
from align_eval.formats.run.words_table import words_table
from align_eval.formats.textgrids import write_words
from align_eval.options import Plan
from align_eval.records import AudioSpan, Utterance
from align_eval.run_record import Figure, Run
from align_eval.scoring.protocols import PROTOCOLS
from align_eval.scoring.summary import score_table
from align_eval.signature import run_signature
from align_eval.systems import parse_system
from tests.helpers.command_line import align_eval
from tests.helpers.faults import Trial, Verb, agrees, compares, reports, try_faults
from tests.helpers.planted_run import FRAME_S, SIGNATURE, SPEAKERS, Planted, maps_of
from tests.helpers.reported_run import ATTENTION, GRADIENT, write_reported

pytestmark = [
    pytest.mark.usefixtures("few_draws"),
    pytest.mark.skipif(not (hasattr(os, "fork") and Path("/proc/self/fd").is_dir()), reason="needs fork and /proc"),
]

FOUND = ("compare.json", "summary.md", "junit.xml", "benchmark.json")


@pytest.fixture(scope="module")
def old(few_draws, tmp_path_factory) -> Path:  # noqa: ARG001
    """A finished run with maps, findings and a report."""
    run = write_reported(tmp_path_factory.mktemp("old") / "run", SPEAKERS[:2])
    for command in (("agree", run, "--seed", 1), ("report", run, "--no-audio")):
        assert align_eval(*command).returncode == 0
    return run


def write_part(out: Path, planted: Planted, shard: Shard, audio: Path) -> Path:
    """A shard of one utterance, with its maps."""
    plan = Plan("tiny.en", (parse_system("attention:heads=all", "dtw"), parse_system("gradient", "viterbi")))
    words = planted.words()
    text = " ".join(word.text for word in words)
    u = Utterance(
        planted.id, AudioSpan(audio), words, text, "en", planted.speaker, planted.id, planted.n_frames * FRAME_S + 1,
        "manual",
    )  # fmt: skip
    signature = run_signature(
        plan,
        model_checksum="0" * 64,
        corpus="c",
        corpus_checksum=corpus_checksum((u,)),
        settings={"shard": [shard.number, shard.count]},
        protocols=PROTOCOLS,
    )
    systems = tuple(system.name for system in plan.systems)
    table = words_table([u], systems, {u.id: dict.fromkeys(systems, words)})
    with staging(out) as new:
        write_words_table(new / WORDS_NAME, table)
        write_audio_spans(new, {u.id: u.audio})
        write_shard(new, ShardFacts(shard, (), (), ()), (u,))
        write_checksums(new, {u.id: write_maps(maps_path(new, u.id), maps_of(planted))})
        place_run(out, new, Run(2, signature, score_table(table)))
    return out


def scored(place: Path, old: Path | None) -> Verb:
    for i, planted in enumerate(SPEAKERS[:2]):
        words = planted.words()
        write_words(place / "reference" / f"{planted.id}.TextGrid", {"words": words}, 3.0)
        late = [type(w)(w.text, w.start_s + 0.01 * (i + 1), w.end_s + 0.01 * (i + 1)) for w in words]
        write_words(place / "hypothesis" / f"{planted.id}.TextGrid", {"words": late}, 3.0)
    command = ("score", place / "reference", place / "hypothesis", "--out", place / "run", "--force")
    return Verb(place / "run", old, command, readers=(compares, agrees, reports))


def score(place: Path, old: Path) -> Verb:
    return scored(place, old)


def score_anew(place: Path, _: Path) -> Verb:
    return scored(place, None)


def report(place: Path, old: Path) -> Verb:
    command = ("report", place / "run", "--max-mb", "3", "--margin-ms", "9", "--baseline", old)
    return Verb(place / "run", old, command, readers=(compares,))


def merge(place: Path, old: Path) -> Verb:
    parts = []
    for number, planted in enumerate(SPEAKERS[:2], start=1):
        audio = place / f"{planted.id}.wav"
        soundfile.write(audio, [number / 100] * 1600, 16000)
        parts.append(write_part(place / f"part{number}", planted, Shard(number, 2), audio))
    return Verb(place / "run", old, ("merge", *parts, "--out", place / "run", "--force"), readers=(compares, agrees))


def accept(place: Path, old: Path) -> Verb:
    """The baseline of a run whose words are 10 ms later takes the place of the one of the old run."""
    late_s = {ATTENTION: 0.070, GRADIENT: 0.030}
    run = write_reported(place / "late", SPEAKERS[:2], late_s=late_s)
    assert align_eval("compare", old, old, "--accept", place / "old").returncode == 0
    command = ("compare", place / "old", run, "--accept", place / "run")
    return Verb(place / "run", place / "old", command, readers=(compares,))


def compare(place: Path, old: Path) -> Verb:
    assert align_eval("compare", old, old, "--out", place / "old").returncode == 0
    command = ("compare", old, old, "--margin-ms", 9, "--out", place / "gate")
    return Verb(place / "gate", place / "old", command, is_run=False, group=(*FOUND[1:], FOUND[0]))


def export(place: Path, _: Path) -> Verb:
    """The user's config keeps its other entries."""
    figure = Figure(1.0, None, None)
    sets = (SetRow("greedy by agreement", ("1.0", "2.3"), False, figure, None, None, None, {}),)
    stratum = HeadStratum("manual", 1, 1, "speakers", 1, 1.0, (), sets, {}, {})
    signature = {"finding": "heads", "id": "0", "run": SIGNATURE["id"], "seed": 0}
    write_finding(place / "heads.json", HeadSearch(1, signature, SIGNATURE, 4, 6, (stratum,)))
    (place / "old").mkdir()
    (place / "old" / "config.json").write_text(json.dumps({"alignment_heads": [[0, 0]], "lang_ids": list(range(9999))}))
    command = ("heads", "export", place / "heads.json", "--form", "ctranslate2", "--out", place / "model/config.json")
    return Verb(place / "model", place / "old", command, is_run=False)


def agree(place: Path, old: Path) -> Verb:
    return Verb(place / "run", old, ("agree", place / "run"), readers=(reports,))


def drift(place: Path, old: Path) -> Verb:
    run = shutil.copytree(old, place / "old")
    assert align_eval("drift", run, "--seed", 1).returncode == 0
    return Verb(place / "run", run, ("drift", place / "run"), readers=(reports,), group=("drift.png", "drift.json"))


def settle(place: Path, old: Path) -> Verb:
    """A reader that finishes the placing of a new run, whose process was lost when the first file was to be removed."""
    verb = scored(place, old)
    n = 1 + next(i for i, line in enumerate(Trial(verb).log) if line.startswith("unlink run/run.json"))
    verb.kill_at(n)
    decided = verb.folder.rename(place / "decided")
    return Verb(place / "run", decided, compares(place / "run"), readers=(agrees,))


CHEAP = (score, score_anew, settle, report, accept, compare, export, agree)
"""Merged shards are placed as scores are; drift is written as a comparison is."""


@pytest.mark.parametrize(
    ("verb", "every"),
    [
        *((verb, False) for verb in CHEAP),
        *(pytest.param(verb, True, marks=pytest.mark.validate) for verb in (*CHEAP, merge, drift)),
    ],
)
def test_a_disk_that_fails_leaves_the_old_the_new_or_what_is_refused(tmp_path, old, verb, every):
    tally = try_faults(verb(tmp_path, old), every, verb.__name__)
    assert tally.n_faults > 3
