"""SPES masks and token gradients per second on this machine, beside plain loops in the same run.

Usage: saliency.py [MODEL] [--device cuda] [--dtype float16] [--compiled yes] [--clip ID | --seconds S --tokens N]
                   [--json PATH]

MODEL is a name whose weights are installed, or random:tiny.en, random:base, ... for random weights of those dimensions.
The input is a clip of the demo, or noise. Compare ratios within one run. A *mask* is one masked window with all its
tokens scored. The plain loops process one window at a time and score it with the whole model:

plain loop of masks     masks a window, runs ``model(mel, tokens)``, and compares whole distributions
captum's plain loop     ``FeatureAblation`` as in its tutorial: one window and one token per call
captum's plain gradient ``Saliency`` as in its tutorial: one token per call

``of_matrix_rate`` is the rate of floating point operations (counted by torch) as a share of the rate of a large matrix
product in the same precision.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from captum.attr import FeatureAblation
from captum.attr import Saliency as CaptumSaliency
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode
from whisper.model import ModelDimensions, Whisper

from align_eval.corpus.audio import read_audio
from align_eval.corpus.bundled import load_corpus
from align_eval.model.forward import Pass, encoder_steps, shared_pass
from align_eval.model.load import load_model
from align_eval.model.text import force_words
from align_eval.relevance.captum_gradients import saliency
from align_eval.relevance.captum_options import SaliencyOptions
from align_eval.relevance.gradient import gradient
from align_eval.relevance.options import GradientOptions, SpesOptions
from align_eval.relevance.spes import sampler
from align_eval.relevance.spes_masks import segment
from align_eval.relevance.spes_passes import DTYPES, batch_size
from align_eval.units import FRAME_S

SIZES = {"tiny": (384, 6, 4), "base": (512, 8, 6), "small": (768, 12, 12), "large": (1280, 20, 32)}
"""Width, heads and layers of each model size."""

MATRIX = {"cpu": 2048, "cuda": 8192}
"""Size of the square matrices that give the rate of the machine, by device."""


def random_weights(name: str) -> Whisper:
    state, heads, layers = SIZES[name.removesuffix(".en").split("-")[0]]
    torch.manual_seed(0)
    dims = ModelDimensions(
        n_mels=128 if "-v3" in name else 80,
        n_audio_ctx=1500,
        n_audio_state=state,
        n_audio_head=heads,
        n_audio_layer=layers,
        n_vocab=51864 + (not name.endswith(".en")) + ("-v3" in name),
        n_text_ctx=448,
        n_text_state=state,
        n_text_head=heads,
        n_text_layer=layers,
    )
    model = Whisper(dims).eval()
    for parameter in model.parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=parameter[0].numel() ** -0.5)
    return model


def seconds_of(run: Callable[[], object], device: torch.device, repeats: int | None = None) -> float:
    """Median time of three runs on a GPU (synchronised) or of one run on a CPU, in seconds, after a warm-up run."""
    repeats = repeats or (3 if device.type == "cuda" else 1)
    times = []
    for _ in range(repeats + 1):
        began = time.perf_counter()
        run()
        if device.type == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - began)
    return statistics.median(times[1:])


@torch.no_grad()
def matrix_rate(device: torch.device, dtype: torch.dtype) -> float:
    """Floating point operations per second of a large matrix product."""
    size = MATRIX[device.type]
    a, b = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    return 2 * size**3 / seconds_of(lambda: a @ b, device)


@torch.no_grad()
def bare_encoder(model: Whisper, batch: int, dtype: torch.dtype, *, compiled: bool) -> dict[str, object]:
    """Windows per second through the encoder alone."""
    mel = torch.randn(batch, model.dims.n_mels, 3000, device=model.device, dtype=dtype)

    def encode(x: Tensor) -> Tensor:
        for step in encoder_steps(model):
            x = step(x)
        return x

    run = torch.compile(encode) if compiled else encode
    with FlopCounterMode(display=False) as flops:
        encode(mel[:1])
    rate = batch / seconds_of(lambda: [run(mel) for _ in range(4)], model.device) * 4
    return {"what": f"bare encoder{', compiled' if compiled else ''}", "per_s": rate, "flop": flops.get_total_flops()}


def spes_masks(model: Whisper, shared: Pass, options: SpesOptions, masks: int) -> dict[str, object]:
    """Masks per second with all stages except the segmentation, which runs once per clip."""
    _, draw = sampler(model, shared, options)
    seconds = seconds_of(lambda: draw(masks, torch.Generator().manual_seed(0)), model.device)
    with FlopCounterMode(display=False) as flops:
        sampler(model, shared, SpesOptions(at=options.at, dtype=options.dtype))[1](6, torch.Generator().manual_seed(0))
    kind = ", compiled" if options.compiled == "yes" else ""
    return {"what": f"spes:at={options.at}{kind}", "per_s": masks / seconds, "flop": flops.get_total_flops() / 6}


@torch.no_grad()
def plain_masks(model: Whisper, shared: Pass, masks: int) -> dict[str, object]:
    """Masks per second of the simplest loop: one window, one mask, the whole model, whole distributions."""
    mel, tokens = shared.taps[0], torch.tensor([shared.text.decoder_input], device=model.device)
    real = mel[0, :, : 2 * shared.n_frames]
    labels = torch.from_numpy(segment(real.float().cpu().numpy(), shared.n_frames * FRAME_S)[0]).to(model.device)
    value = real.mean(dim=1, keepdim=True)
    clean = model(mel, tokens).float().log_softmax(dim=-1)

    def loop() -> None:
        total = torch.zeros(tokens.shape[1], *labels.shape, device=model.device)
        for _ in range(masks):
            hidden = (torch.rand(int(labels.max()) + 1, device=model.device) < 0.5)[labels]
            masked = mel.clone()
            masked[0, :, : 2 * shared.n_frames] = torch.where(hidden, value, real)
            log_q = model(masked, tokens).float().log_softmax(dim=-1)
            total += (clean.exp() * (clean - log_q)).sum(dim=-1)[0, :, None, None] * hidden

    return {"what": "plain loop of masks", "per_s": masks / seconds_of(loop, model.device, 1)}


def whole_model(model: Whisper, shared: Pass) -> Callable[[Tensor], Tensor]:
    """Return a function from log-mels to the log-probability of every token, ``float32[batch, token]``."""
    tokens = torch.tensor([shared.text.decoder_input], device=model.device)
    first = shared.text.n_prefix

    def forward(mel: Tensor) -> Tensor:
        log_p = model(mel, tokens.expand(len(mel), -1)).float().log_softmax(dim=-1)
        return log_p[:, first:-1].gather(-1, tokens[:, first + 1 :, None].expand(len(mel), -1, 1))[..., 0]

    return forward


def captum_masks(model: Whisper, shared: Pass, evaluations: int) -> dict[str, object]:
    """Masks per second of captum's loop. Each call scores one token, so a mask takes one window for each token."""
    method, mel = FeatureAblation(whole_model(model, shared)), shared.taps[0]
    groups = torch.full(mel.shape, evaluations - 1, dtype=torch.long, device=model.device)
    groups[..., : 2 * shared.n_frames] = torch.arange(2 * shared.n_frames, device=model.device) % (evaluations - 1)
    run = lambda: method.attribute(mel, feature_mask=groups, target=0)  # noqa: E731
    with torch.no_grad():
        windows = (evaluations + 1) / seconds_of(run, model.device, 1)
    n_tokens = len(shared.text.tokens)
    return {"what": "captum's plain loop", "per_s": windows / n_tokens, "windows_per_s": windows}


def gradients(model: Whisper, shared: Pass, at: str, plain_tokens: int) -> list[dict[str, object]]:
    """Tokens per second of our gradients and of captum's loop, at the log-mel or the encoder output."""
    n_tokens = len(shared.text.tokens)
    gradient_s = seconds_of(lambda: gradient(model, shared, GradientOptions(at=at)), model.device)
    saliency_s = seconds_of(lambda: saliency(model, shared, SaliencyOptions(at=at)), model.device)
    rows: list[dict[str, object]] = [
        {"what": f"gradient:at={at}", "per_s": n_tokens / gradient_s},
        {"what": f"saliency:at={at} (captum, batched)", "per_s": n_tokens / saliency_s},
    ]
    tokens = torch.tensor([shared.text.decoder_input], device=model.device)
    first = shared.text.n_prefix

    def from_output(x: Tensor) -> Tensor:
        log_p = model.decoder(tokens.expand(len(x), -1), x).float().log_softmax(dim=-1)
        return log_p[:, first:-1].gather(-1, tokens[:, first + 1 :, None].expand(len(x), -1, 1))[..., 0]

    method = CaptumSaliency(whole_model(model, shared) if at == "mel" else from_output)
    x = shared.taps[0 if at == "mel" else -1].detach()

    def loop() -> None:
        for token in range(plain_tokens):
            method.attribute(x.clone().requires_grad_(), target=token)

    loop_s = seconds_of(loop, model.device, 1)
    return [*rows, {"what": f"captum's plain gradient at {at}", "per_s": plain_tokens / loop_s}]


def peak_mb(device: torch.device) -> float:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated() / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def pass_over(model: Whisper, clip_id: str | None, seconds: float, n_tokens: int) -> Pass:
    """Return a forced pass over a clip of the demo, or over noise with a text of ``n_tokens`` tokens."""
    if clip_id is None:
        samples = np.random.default_rng(0).standard_normal(round(seconds * 16_000)).astype(np.float32) * 0.1
        return shared_pass(model, samples, force_words(model, ["the"] * (n_tokens - 1), "en"))
    clip = next(u for u in load_corpus("demo").utterances if u.id == clip_id)
    return shared_pass(model, read_audio(clip.audio), force_words(model, [w.text for w in clip.words], "en"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", default="tiny.en")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32", choices=DTYPES)
    parser.add_argument("--compiled", default="no", choices=["no", "yes"])
    parser.add_argument("--clip", help="a clip of the demo; noise without it")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--tokens", type=int, default=40)
    parser.add_argument("--masks", type=int, help="default: 240 on a CPU, 9600 on a GPU")
    parser.add_argument("--json", type=Path)
    a = parser.parse_args()
    device, dtype = torch.device(a.device), DTYPES[a.dtype]
    on_gpu = device.type == "cuda"
    is_random = a.model.startswith("random:")
    model = random_weights(a.model.removeprefix("random:")) if is_random else load_model(a.model)
    model = model.to(device).requires_grad_(False)
    shared = pass_over(model, a.clip, a.seconds, a.tokens)
    masks = a.masks or (9600 if on_gpu else 240)
    rate = matrix_rate(device, dtype)
    n_tokens = len(shared.text.tokens)
    batch = batch_size(model, n_tokens, model.dims.n_mels * 2 * shared.n_frames)

    rows: list[dict[str, object]] = [bare_encoder(model, batch, dtype, compiled=False)]
    if a.compiled == "yes":
        rows.append(bare_encoder(model, batch, dtype, compiled=True))
    encoder_per_s = rows[-1]["per_s"]
    for at in ("mel", "encoder-output"):
        for compiled in ("no", "yes") if a.compiled == "yes" else ("no",):
            options = SpesOptions(at=at, dtype=a.dtype, compiled=compiled)  # type: ignore[arg-type]
            rows.append(spes_masks(model, shared, options, masks) | {"peak_mb": peak_mb(device)})
            if at == "mel":
                rows[-1]["of_bare_encoder"] = rows[-1]["per_s"] / encoder_per_s  # type: ignore[operator]
    rows += [plain_masks(model, shared, 400 if on_gpu else 12), captum_masks(model, shared, 400 if on_gpu else 12)]
    fastest = max(row["per_s"] for row in rows if str(row["what"]).startswith("spes:at=mel"))  # type: ignore[type-var]
    for row in rows[-2:]:
        row["spes_is_faster"] = fastest / row["per_s"]  # type: ignore[operator]
    for at in ("mel", "encoder-output"):
        gradient_rows = gradients(model, shared, at, min(n_tokens, 40 if on_gpu else 8))
        for row in gradient_rows[:2]:
            row["of_captum_plain"] = row["per_s"] / gradient_rows[2]["per_s"]  # type: ignore[operator]
        rows += gradient_rows
    for row in rows:
        if "flop" in row:
            row["of_matrix_rate"] = row["per_s"] * row["flop"] / rate  # type: ignore[operator]

    name = torch.cuda.get_device_name() if on_gpu else f"{torch.get_num_threads()} threads"
    settings = {"model": a.model, "device": name, "torch": torch.__version__, "dtype": a.dtype, "n_tokens": n_tokens}
    settings |= {"seconds": shared.n_frames * FRAME_S, "masks": masks, "batch": batch}
    settings |= {"matrix_tflop_per_s": rate / 1e12, "peak_mb": peak_mb(device)}
    print("  ".join(f"{key}={value}" for key, value in settings.items()))
    for row in rows:
        cells = (f"{k}={v:.4g}" if isinstance(v, float) else f"{k}={v}" for k, v in row.items() if k != "what")
        print(f"  {row['what']:42}", "  ".join(cells))
    if a.json:
        a.json.write_text(json.dumps({"settings": settings, "rows": rows}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
