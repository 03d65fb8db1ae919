"""Every installed system and every preset on the same audio with the same weights, in one table per corpus.

Usage: peers.py CORPUS... [--model tiny.en] [--python .venv-peers/bin/python] [--out runs/peers] [--jobs 1]
                [--only SYSTEM...] [--reuse]

Peers, the other systems, run in their own environment (`make peers`), one process per system. A peer that is not
installed, or fails, is listed with the reason and left out. A system that accepts a text gets the reference text. For
the other systems, the recognised words are paired with the reference, and coverage is the share of words with both
times. Seconds per audio second are processor time on one thread, with a warm model, each system alone. Prints Markdown;
writes board.md and board.json.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from peer_tables import Timed, board, markdown, remarks
from peer_worker import SYSTEMS

from align_eval.corpus.audio import read_audio
from align_eval.corpus.bundled import load_corpus
from align_eval.corpus.folder import Corpus, corpus_checksum
from align_eval.errors import InputError
from align_eval.formats.heads_export import export_heads
from align_eval.model.cross_attention import alignment_heads
from align_eval.model.load import load_model, model_checksum, weights_checksum
from align_eval.pipeline import Speech, align_speech
from align_eval.records import Word
from align_eval.scoring.pairing import pair_words
from align_eval.signature import package_version, signature_id
from align_eval.systems import BEST_OF_WEIGHTS, PRESETS, System, make_systems
from align_eval.weights import WEIGHT_PACKAGES

WORKER = Path(__file__).with_name("peer_worker.py")

PACKAGES = ("align-eval", "torch", "numpy", "dtw-python", "numba", "openai-whisper")


def write_weights(name: str, model: Any, folder: Path) -> None:
    """Write the model's weights in the formats that peers read, and its alignment heads."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.save({"dims": vars(model.dims), "model_state_dict": model.state_dict()}, folder / "openai.pt")
    shape = model.dims.n_text_layer, model.dims.n_text_head
    (folder / "heads.txt").write_text(export_heads(alignment_heads(model), shape, "openai"), encoding="ascii")
    target = folder / "ctranslate2"
    if name in WEIGHT_PACKAGES:
        package = WEIGHT_PACKAGES[name]
        target.mkdir(exist_ok=True)
        parts = [_installed(part.package) / part.path for part in package.parts]
        (target / "model.bin").write_bytes(b"".join(part.read_bytes() for part in parts))
        source = (_installed(package.config.package) / package.config.path).parent
        for path in (*source.glob("*.json"), *source.glob("vocabulary.*")):
            (target / path.name).write_bytes(path.read_bytes())
    elif Path(name).is_dir() and not target.exists():
        target.symlink_to(Path(name).resolve())


def _installed(package: str) -> Path:
    spec = find_spec(package)
    assert spec is not None
    assert spec.submodule_search_locations
    return Path(next(iter(spec.submodule_search_locations)))


def run_preset(model: Any, corpus: Corpus, system: System) -> Timed:
    """Run one of our systems on every utterance, alone."""
    words: dict[str, tuple[Word, ...]] = {}
    failed: dict[str, str] = {}
    seconds = audio_s = 0.0
    for i, u in enumerate(corpus.utterances):
        spoken = Speech(read_audio(u.audio), tuple(word.text for word in u.words), u.language)
        try:
            if i == 0:
                align_speech(model, spoken, [system])
            began = time.process_time()
            words[u.id] = align_speech(model, spoken, [system])[system]
        except InputError as error:
            failed[u.id] = str(error)
            continue
        seconds += time.process_time() - began
        audio_s += u.duration_s
    return Timed(words, {}, seconds, audio_s, failed, {})


def run_peer(python: Path, name: str, corpus: Corpus, weights: Path, samples: Path, *, reuse: bool) -> Timed | str:
    """Run a peer on every utterance in its own environment; return its result, or its error message."""
    languages = {u.language or "en" for u in corpus.utterances}
    job = {
        "system": name,
        "weights": str(weights.resolve()),
        "language": languages.pop() if len(languages) == 1 else "en",
        "clips": [
            {"id": u.id, "samples": str((samples / f"{u.id}.npy").resolve()), "text": " ".join(w.text for w in u.words)}
            for u in corpus.utterances
        ],
    }
    folder = samples / name.replace(", ", "-").replace(" ", "-")
    folder.mkdir(exist_ok=True)
    job_path, result_path = folder / "job.json", folder / "result.json"
    if not (reuse and result_path.is_file()):
        job_path.write_text(json.dumps(job), encoding="utf-8")
        result_path.unlink(missing_ok=True)
        environment = {**os.environ, "PYTHONPATH": "", "OMP_NUM_THREADS": "1"}
        command = [str(python), str(WORKER), str(job_path), str(result_path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        if done.returncode or not result_path.is_file():
            return done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"exit code {done.returncode}"
    result = json.loads(result_path.read_text(encoding="utf-8"))
    done_clips = {id_: clip for id_, clip in result["clips"].items() if "words" in clip}
    words = {id_: tuple(_word(*word) for word in clip["words"]) for id_, clip in done_clips.items()}
    utterances = {u.id: u for u in corpus.utterances}
    pairings = {
        id_: pair_words([w.text for w in utterances[id_].words], [w.text for w in clip_words], utterances[id_].language)
        for id_, clip_words in words.items()
    }
    return Timed(
        words,
        pairings,
        sum(clip["seconds"] for clip in done_clips.values()),
        sum(utterances[id_].duration_s for id_ in done_clips),
        {id_: clip["error"] for id_, clip in result["clips"].items() if "error" in clip},
        result["packages"],
    )


def _word(text: str, start_s: float, end_s: float) -> Word:
    """Return a peer's word; a word that ends before its start gets no length."""
    return Word(text.strip() or text, start_s, max(start_s, end_s))


def all_timed(
    model: Any,
    corpus: Corpus,
    peers: Sequence[str],
    presets: Mapping[str, System],
    python: Path,
    out: Path,
    *,
    jobs: int,
    reuse: bool,
) -> tuple[dict[str, Timed], dict[str, str]]:
    """Run every peer and every preset on a corpus; return the results, and the reason for each system without one."""
    folder = out / corpus.name
    folder.mkdir(parents=True, exist_ok=True)
    for u in corpus.utterances:
        np.save(folder / f"{u.id}.npy", read_audio(u.audio))
    results: dict[str, Timed | str] = dict.fromkeys(peers, f"{python} does not exist: run `make peers`")
    if python.is_file():
        with ThreadPoolExecutor(jobs) as pool:
            timings = pool.map(lambda n: run_peer(python, n, corpus, out / "weights", folder, reuse=reuse), peers)
            results = dict(zip(peers, timings, strict=True))
    results |= {name: run_preset(model, corpus, system) for name, system in presets.items()}
    timed = {name: result for name, result in results.items() if isinstance(result, Timed) and result.words}
    left_out = {
        name: result if isinstance(result, str) else next(iter(result.failed.values()), "no words")
        for name, result in results.items()
        if name not in timed
    }
    return timed, left_out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpora", nargs="+")
    parser.add_argument("--model", default="tiny.en")
    parser.add_argument("--language", default="en")
    parser.add_argument("--python", type=Path, default=Path(".venv-peers/bin/python"))
    parser.add_argument("--out", type=Path, default=Path("runs/peers"))
    parser.add_argument("--jobs", type=int, default=1, help="number of peers to run at the same time")
    parser.add_argument("--only", nargs="+", help="names of peers and presets; default: all")
    parser.add_argument("--reuse", action="store_true", help="reuse the results of peers in --out from an earlier call")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    model = load_model(arguments.model)
    write_weights(arguments.model, model, arguments.out / "weights")
    best_of_others = {name for weights, name in BEST_OF_WEIGHTS.items() if weights != weights_checksum(model)}
    names = [name for name in PRESETS if name not in best_of_others]
    selected = arguments.only or [*SYSTEMS, *names]
    if unknown := set(selected) - {*SYSTEMS, *names}:
        raise InputError(f"--only {sorted(unknown)}", "unknown system", f"use one of {', '.join([*SYSTEMS, *names])}")
    peers = [name for name in SYSTEMS if name in selected]
    presets = {name: make_systems([], [], [name])[0] for name in names if name in selected}
    text, data = "", []
    for corpus_name in arguments.corpora:
        corpus = load_corpus(corpus_name, language=arguments.language)
        timed, left_out = all_timed(
            model,
            corpus,
            peers,
            presets,
            arguments.python,
            arguments.out,
            jobs=arguments.jobs,
            reuse=arguments.reuse,
        )
        lines = board(corpus, timed, {name: system.name for name, system in presets.items()})
        packages = {name: package_version(name) for name in PACKAGES}
        for result in timed.values():
            packages |= {f"peers/{name}": version for name, version in result.packages.items()}
        conditions = {
            "board": 1,
            "model": arguments.model,
            "model_checksum": model_checksum(model),
            "corpus": corpus.name,
            "corpus_checksum": corpus_checksum(corpus.utterances),
            "systems": {
                **{name: name for name in peers},
                **{name: [s.name.source, s.name.align] for name, s in presets.items()},
            },
            "packages": packages,
        }
        signature = {"id": signature_id(conditions), **conditions}
        tables = markdown(corpus.name, lines, signature) + remarks(timed, left_out)
        print(tables, flush=True)
        text += tables + "\n"
        data.append({"corpus": corpus.name, "signature": signature, "lines": lines, "left_out": left_out})
    (arguments.out / "board.md").write_text(text, encoding="utf-8")
    (arguments.out / "board.json").write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
