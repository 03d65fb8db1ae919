"""One installed system on many clips, in an environment of its own that knows nothing of align-eval.

Usage: peer_worker.py JOB.json RESULT.json

The job names the system, the folder of weights and the clips (16 kHz float32 samples as .npy, and their text); the
result holds words with times and the seconds that each clip took, warm, by the processor's clock (on one thread) and
by that on the wall, the least of so many rounds, and versions.
A clip that fails has its error in place of words. Weights lie in the folder in each system's own form, made from the
same numbers: openai.pt with heads.txt (a mask in base85), ctranslate2/, and, made from these here, transformers/.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np

Words = list[tuple[str, float, float]]
Align = Callable[[np.ndarray, str], Words]
"""From samples at 16 kHz and the reference text, which a system that transcribes does not look at, to words."""

SAMPLE_RATE = 16000


def openai_model(weights: Path, device: str = "cpu", dtype: str = "float32"):
    import whisper

    model = whisper.load_model(str(weights / "openai.pt"), device=device)
    model.set_alignment_heads((weights / "heads.txt").read_bytes())
    return model.half() if dtype == "float16" else model


def openai_align(weights: Path, language: str, device: str = "cpu", dtype: str = "float32") -> Align:
    """The call that its transcription makes for word times, on the text that is given."""
    import torch
    import whisper
    from whisper.timing import find_alignment
    from whisper.tokenizer import get_tokenizer

    model = openai_model(weights, device, dtype)
    spoken = {"language": language, "task": "transcribe"} if model.is_multilingual else {}
    tokenizer = get_tokenizer(model.is_multilingual, num_languages=model.num_languages, **spoken)

    def align(samples: np.ndarray, text: str) -> Words:
        padded = whisper.pad_or_trim(torch.from_numpy(samples).to(device))
        mel = whisper.log_mel_spectrogram(padded, n_mels=model.dims.n_mels).to(getattr(torch, dtype))
        n_frames = len(samples) // whisper.audio.HOP_LENGTH
        found = find_alignment(model, tokenizer, tokenizer.encode(" " + text), mel, n_frames)
        return joined([(timing.word, timing.start, timing.end) for timing in found])

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

    model = openai_model(weights, device)  # which casts its inputs itself where it is told of half precision

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
    """The call that its transcription makes for word times, on the text that is given."""
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
        return joined([(w["word"], w["start"], w["end"]) for w in words])

    return align


def joined(pieces: Words) -> Words:
    """Pieces that no space divides, as marks and what hyphens join, put back to words."""
    words: Words = []
    for text, start, end in pieces:
        if words and not text.startswith(" "):
            words[-1] = (words[-1][0] + text, words[-1][1], end)
        else:
            words.append((text, start, end))
    return words


HF_NAMES = (
    (".blocks.", ".layers."),
    (".mlp.0.", ".fc1."),
    (".mlp.2.", ".fc2."),
    (".mlp_ln.", ".final_layer_norm."),
    (".cross_attn_ln.", ".encoder_attn_layer_norm."),
    (".cross_attn.", ".encoder_attn."),
    (".attn_ln.", ".self_attn_layer_norm."),
    (".attn.", ".self_attn."),
    ("attn.query.", "attn.q_proj."),
    ("attn.key.", "attn.k_proj."),
    ("attn.value.", "attn.v_proj."),
    ("attn.out.", "attn.out_proj."),
    (".ln_post.", ".layer_norm."),
    ("decoder.ln.", "decoder.layer_norm."),
    (".token_embedding.", ".embed_tokens."),
    (".positional_embedding", ".embed_positions.weight"),
)
"""openai-whisper's names of weights, and transformers'."""


def transformers_transcribe(weights: Path, language: str) -> Align:
    from transformers import AutomaticSpeechRecognitionPipeline, WhisperFeatureExtractor

    model, tokenizer, multilingual = transformers_model(weights)
    pipeline = AutomaticSpeechRecognitionPipeline(
        model=model, tokenizer=tokenizer, feature_extractor=WhisperFeatureExtractor(model.config.num_mel_bins)
    )
    spoken = {"language": language, "task": "transcribe"} if multilingual else {}

    def align(samples: np.ndarray, text: str) -> Words:
        del text
        found = pipeline(samples, return_timestamps="word", generate_kwargs=spoken)
        ends = [*(chunk["timestamp"][0] for chunk in found["chunks"][1:]), len(samples) / SAMPLE_RATE]
        return [
            (chunk["text"], chunk["timestamp"][0], chunk["timestamp"][1] or end)
            for chunk, end in zip(found["chunks"], ends, strict=True)
        ]

    return align


def transformers_model(weights: Path):
    """Transformers' own model with the numbers of openai.pt and the heads of heads.txt."""
    import torch
    from transformers import (
        GenerationConfig,
        WhisperConfig,
        WhisperForConditionalGeneration,
        WhisperTokenizerFast,
    )

    reference = openai_model(weights)
    dims, heads = reference.dims, reference.alignment_heads.indices().T.tolist()
    tokenizer = WhisperTokenizerFast(tokenizer_file=str(weights / "ctranslate2" / "tokenizer.json"))
    ids = {name: tokenizer.convert_tokens_to_ids(f"<|{name}|>") for name in ("endoftext", "startoftranscript")}
    config = WhisperConfig(
        vocab_size=dims.n_vocab, num_mel_bins=dims.n_mels, d_model=dims.n_audio_state,
        encoder_layers=dims.n_audio_layer, encoder_attention_heads=dims.n_audio_head,
        decoder_layers=dims.n_text_layer, decoder_attention_heads=dims.n_text_head,
        encoder_ffn_dim=4 * dims.n_audio_state, decoder_ffn_dim=4 * dims.n_text_state,
        max_source_positions=dims.n_audio_ctx, max_target_positions=dims.n_text_ctx,
        pad_token_id=ids["endoftext"], bos_token_id=ids["endoftext"], eos_token_id=ids["endoftext"],
        decoder_start_token_id=ids["startoftranscript"],
    )  # fmt: skip
    config._attn_implementation = "eager"  # the others yield no weights
    model = WhisperForConditionalGeneration(config)
    state = {}
    for name, tensor in reference.state_dict().items():
        renamed = f".{name}"
        for ours, theirs in HF_NAMES:
            renamed = renamed.replace(ours, theirs)
        state["model" + renamed] = tensor
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert set(missing) <= {"proj_out.weight"}, missing
    assert not unexpected, unexpected
    model.tie_weights()
    multilingual = dims.n_vocab >= 51865
    model.generation_config = GenerationConfig(
        alignment_heads=heads,
        is_multilingual=multilingual,
        no_timestamps_token_id=tokenizer.convert_tokens_to_ids("<|notimestamps|>"),
        decoder_start_token_id=ids["startoftranscript"],
        bos_token_id=ids["endoftext"], pad_token_id=ids["endoftext"], eos_token_id=ids["endoftext"],
        max_length=dims.n_text_ctx, return_timestamps=True, max_initial_timestamp_index=50,
        suppress_tokens=[], begin_suppress_tokens=[220, ids["endoftext"]],
        **({
            "lang_to_id": {t: tokenizer.convert_tokens_to_ids(t) for t in ("<|en|>", "<|ru|>")},
            "task_to_id": {t: tokenizer.convert_tokens_to_ids(f"<|{t}|>") for t in ("transcribe", "translate")},
        } if multilingual else {}),
    )  # fmt: skip
    with torch.no_grad():
        return model.eval(), tokenizer, multilingual


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
"""A system by name: the package, and what loads it."""


def main(job_path: str, result_path: str) -> None:
    job = json.loads(Path(job_path).read_text(encoding="utf-8"))
    package, load = SYSTEMS[job["system"]]
    where = {name: job[name] for name in ("device", "dtype") if name in job}
    align = load(Path(job["weights"]), job["language"], **where)
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
        except Exception as error:  # whatever a peer raises is told, and the other clips are scored
            results[clip["id"]] = {"error": f"{type(error).__name__}: {error}"}
            continue
        results[clip["id"]] = {"words": words, "seconds": min(seconds), "wall_s": min(wall_s)}
    packages = {name: version(name) for name in {package, "torch", "ctranslate2"}}
    Path(result_path).write_text(json.dumps({"packages": packages, "clips": results}, default=float), encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
