"""Word times of one other system on many clips. Runs in that system's environment, without align-eval.

Usage: peer_worker.py JOB.json RESULT.json

The job names the system, the folder of weights and the clips (16 kHz float32 samples as .npy, and their text). The
result holds the words with their times, the seconds of each clip, and the versions. Seconds are processor time (one
thread) and wall-clock time of a warm model, the least of some rounds. A clip that fails has its error in place of
words.

The folder has the same weights in the format of each system: openai.pt with heads.txt (a mask in base85), and
ctranslate2/. The model of transformers is made from these.

tests/helpers/peer_systems.py drives the same systems another way: it forces the tokens of a preset through their inner
functions without rounding, to compare with the preset. This module calls them as users do.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
from peer_transformers import transformers_model

Words = list[tuple[str, float, float]]
Align = Callable[[np.ndarray, str], Words]
"""From samples at 16 kHz and the reference text to words. Systems that transcribe ignore the text."""

SAMPLE_RATE = 16000


def openai_model(weights: Path, device: str = "cpu", dtype: str = "float32"):
    import whisper

    model = whisper.load_model(str(weights / "openai.pt"), device=device)
    model.set_alignment_heads((weights / "heads.txt").read_bytes())
    return model.half() if dtype == "float16" else model


def openai_align(weights: Path, language: str, device: str = "cpu", dtype: str = "float32") -> Align:
    """Align the reference text with the function that openai-whisper's transcription calls."""
    import torch
    import whisper
    from whisper.timing import find_alignment
    from whisper.tokenizer import get_tokenizer

    model = openai_model(weights, device, dtype)
    prompt = {"language": language, "task": "transcribe"} if model.is_multilingual else {}
    tokenizer = get_tokenizer(model.is_multilingual, num_languages=model.num_languages, **prompt)

    def align(samples: np.ndarray, text: str) -> Words:
        padded = whisper.pad_or_trim(torch.from_numpy(samples).to(device))
        mel = whisper.log_mel_spectrogram(padded, n_mels=model.dims.n_mels).to(getattr(torch, dtype))
        n_frames = len(samples) // whisper.audio.HOP_LENGTH
        timings = find_alignment(model, tokenizer, tokenizer.encode(" " + text), mel, n_frames)
        return join_pieces([(timing.word, timing.start, timing.end) for timing in timings])

    return align


def openai_transcribe(weights: Path, language: str) -> Align:
    model = openai_model(weights)

    def align(samples: np.ndarray, text: str) -> Words:
        del text
        result = model.transcribe(samples, language=language, word_timestamps=True, fp16=False)
        return [(w["word"], w["start"], w["end"]) for s in result["segments"] for w in s["words"]]

    return align


def whisper_timestamped_transcribe(weights: Path, language: str, device: str = "cpu", dtype: str = "float32") -> Align:
    import whisper_timestamped

    model = openai_model(weights, device)  # with fp16=True, it casts its inputs

    def align(samples: np.ndarray, text: str) -> Words:
        del text
        result = whisper_timestamped.transcribe(model, samples, language=language, fp16=dtype == "float16")
        return [(w["text"], w["start"], w["end"]) for s in result["segments"] for w in s.get("words", [])]

    return align


def stable_model(weights: Path, device: str = "cpu", dtype: str = "float32"):
    import stable_whisper

    model = stable_whisper.load_model(str(weights / "openai.pt"), device=device)
    model.set_alignment_heads((weights / "heads.txt").read_bytes())
    return model.half() if dtype == "float16" else model


def stable_transcribe(weights: Path, language: str) -> Align:
    model = stable_model(weights)

    def align(samples: np.ndarray, text: str) -> Words:
        del text
        result = model.transcribe(samples, language=language, fp16=False, verbose=None)
        return [(w.word, w.start, w.end) for w in result.all_words()]

    return align


def stable_align(weights: Path, language: str, device: str = "cpu", dtype: str = "float32") -> Align:
    model = stable_model(weights, device, dtype)

    def align(samples: np.ndarray, text: str) -> Words:
        result = model.align(samples, text, language=language, verbose=None, original_split=True)
        if result is None:
            raise RuntimeError("no alignment")
        return [(w.word, w.start, w.end) for w in result.all_words()]

    return align


def faster_model(weights: Path, device: str = "cpu", dtype: str = "float32"):
    from faster_whisper import WhisperModel

    return WhisperModel(str(weights / "ctranslate2"), device=device, compute_type=dtype, cpu_threads=1)


def faster_transcribe(weights: Path, language: str) -> Align:
    model = faster_model(weights)

    def align(samples: np.ndarray, text: str) -> Words:
        del text
        segments, _ = model.transcribe(samples, language=language, word_timestamps=True)
        return [(w.word, w.start, w.end) for s in segments for w in s.words]

    return align


def faster_align(weights: Path, language: str, device: str = "cpu", dtype: str = "float32") -> Align:
    """Align the reference text with the function that faster-whisper's transcription calls."""
    from faster_whisper.audio import pad_or_trim
    from faster_whisper.tokenizer import Tokenizer

    model = faster_model(weights, device, dtype)
    tokenizer = Tokenizer(model.hf_tokenizer, model.model.is_multilingual, "transcribe", language)

    def align(samples: np.ndarray, text: str) -> Words:
        features = model.feature_extractor(samples)
        encoded = model.encode(pad_or_trim(features))
        n_frames = min(features.shape[-1], len(samples) // model.feature_extractor.hop_length)
        tokens = tokenizer.encode(" " + text)
        (words,) = model.find_alignment(tokenizer, [tokens], encoded, n_frames)
        return join_pieces([(w["word"], w["start"], w["end"]) for w in words])

    return align


def join_pieces(pieces: Words) -> Words:
    """Join pieces without a space between them, such as punctuation marks and parts around a hyphen, to words."""
    words: Words = []
    for text, start, end in pieces:
        if words and not text.startswith(" "):
            words[-1] = (words[-1][0] + text, words[-1][1], end)
        else:
            words.append((text, start, end))
    return words


def transformers_transcribe(weights: Path, language: str) -> Align:
    from transformers import AutomaticSpeechRecognitionPipeline, WhisperFeatureExtractor

    model, tokenizer = transformers_model(openai_model(weights), weights / "ctranslate2" / "tokenizer.json")
    pipeline = AutomaticSpeechRecognitionPipeline(
        model=model, tokenizer=tokenizer, feature_extractor=WhisperFeatureExtractor(model.config.num_mel_bins)
    )
    prompt = {"language": language, "task": "transcribe"} if model.generation_config.is_multilingual else {}

    def align(samples: np.ndarray, text: str) -> Words:
        del text
        chunks = pipeline(samples, return_timestamps="word", generate_kwargs=prompt)["chunks"]
        ends = [*(chunk["timestamp"][0] for chunk in chunks[1:]), len(samples) / SAMPLE_RATE]
        return [
            (chunk["text"], chunk["timestamp"][0], chunk["timestamp"][1] or end)
            for chunk, end in zip(chunks, ends, strict=True)
        ]

    return align


SYSTEMS: dict[str, tuple[str, Callable[..., Align]]] = {
    "openai-whisper, own text": ("openai-whisper", openai_transcribe),
    "openai-whisper, given text": ("openai-whisper", openai_align),
    "whisper-timestamped, own text": ("whisper-timestamped", whisper_timestamped_transcribe),
    "stable-ts, own text": ("stable-ts", stable_transcribe),
    "stable-ts, given text": ("stable-ts", stable_align),
    "faster-whisper, own text": ("faster-whisper", faster_transcribe),
    "faster-whisper, given text": ("faster-whisper", faster_align),
    "transformers, own text": ("transformers", transformers_transcribe),
}
"""Package and loader of each system, by name."""


def main(job_path: str, result_path: str) -> None:
    job = json.loads(Path(job_path).read_text(encoding="utf-8"))
    package, load = SYSTEMS[job["system"]]
    options = {name: job[name] for name in ("device", "dtype") if name in job}
    align = load(Path(job["weights"]), job["language"], **options)
    results = {}
    for i, clip in enumerate(job["clips"]):
        samples = np.load(clip["samples"], allow_pickle=False)
        seconds, wall_s = [], []
        try:
            if i == 0 or "rounds" in job:
                align(samples, clip["text"])
            for _ in range(job.get("rounds", 1)):
                began = time.process_time(), time.perf_counter()
                words = align(samples, clip["text"])
                seconds.append(time.process_time() - began[0])
                wall_s.append(time.perf_counter() - began[1])
        except Exception as error:  # any error of another system is reported, and the other clips are scored
            results[clip["id"]] = {"error": f"{type(error).__name__}: {error}"}
            continue
        results[clip["id"]] = {"words": words, "seconds": min(seconds), "wall_s": min(wall_s)}
    packages = {name: version(name) for name in {package, "torch", "ctranslate2"}}
    Path(result_path).write_text(json.dumps({"packages": packages, "clips": results}, default=float), encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
