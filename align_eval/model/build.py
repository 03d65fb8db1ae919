"""Whisper modules from dimensions and weights of a file, which is not trusted: checked before memory is taken."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from whisper.model import ModelDimensions, Whisper

N_MELS = (80, 128)
"""Bands for which openai-whisper has filters."""

MISFITS = (AssertionError, AttributeError, IndexError, KeyError, OverflowError, RuntimeError, TypeError, ValueError)
"""Errors of :func:`build_whisper`, and of code that takes dimensions from weights of other shapes."""

State = Mapping[str, torch.Tensor]


def build_whisper(dims: ModelDimensions, state: State) -> Whisper:
    """Build a Whisper module in float32 with these weights.

    Raises
    ------
    RuntimeError, TypeError, ValueError
        If a dimension is none, or the weights do not fit the dimensions.
    """
    check_weights(state)
    _check_dimensions(dims, sum(tensor.numel() for tensor in state.values()))
    model = Whisper(dims)
    model.load_state_dict(dict(state))
    return model


def load_pickled(path: Path) -> Any:
    """Load tensors and plain values from a file of torch. Other objects are refused, and nothing is executed.

    Raises
    ------
    Exception
        Anything, as torch does on damaged files; ValueError if the file is a ZIP archive that would unpack to more.
    """
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            unpacked, size = sum(entry.file_size for entry in archive.infolist()), path.stat().st_size
        if unpacked > size:
            raise ValueError(f"{size} bytes unpack to {unpacked}")
    return torch.load(path, map_location="cpu", weights_only=True)


def check_weights(state: State) -> None:
    """Raise if a weight is no array of floats that a file holds.

    A pickle can repeat a few bytes as a tensor of any size, and name one tensor many times. A weight that is tied to
    another one is named twice.

    Raises
    ------
    TypeError, ValueError
        If one is.
    """
    held: dict[int, int] = {}
    n_bytes = 0
    for name, tensor in state.items():
        if not (isinstance(name, str) and isinstance(tensor, torch.Tensor)):
            raise TypeError(f"weight {name!a:.60} is a {type(tensor).__name__}")
        if tensor.layout != torch.strided or not tensor.is_floating_point() or tensor.device.type != "cpu":
            raise TypeError(f"weight {name!a:.60} is {tensor.layout}, {tensor.dtype}")
        storage = tensor.untyped_storage()
        if tensor.nbytes > storage.nbytes():
            raise ValueError(f"weight {name!a:.60} has {tensor.nbytes} bytes, of which the file has {storage.nbytes()}")
        held[storage.data_ptr()] = storage.nbytes()
        n_bytes += tensor.nbytes
    if n_bytes > 2 * sum(held.values()):
        raise ValueError(f"its weights have {n_bytes} bytes, of which the file has {sum(held.values())}")


def _check_dimensions(dims: ModelDimensions, n_values: int) -> None:
    """Raise if a dimension is none, or a model of these dimensions has more weights than there are values."""
    for name, size in asdict(dims).items():
        if type(size) is not int or not 0 < size < 2**31:
            raise ValueError(f"{name} is {size!a:.30}")
    for side in ("audio", "text"):
        state, head = getattr(dims, f"n_{side}_state"), getattr(dims, f"n_{side}_head")
        if state % head:
            raise ValueError(f"{head} heads do not divide n_{side}_state of {state}")
    if dims.n_mels not in N_MELS:
        raise ValueError(f"n_mels is {dims.n_mels}; Whisper has {N_MELS[0]} or {N_MELS[1]}")
    if dims.n_audio_state != dims.n_text_state or dims.n_audio_state % 2:
        raise ValueError(f"n_audio_state is {dims.n_audio_state}, n_text_state {dims.n_text_state}")
    needed = dims.n_audio_state * (
        dims.n_audio_layer * 12 * dims.n_audio_state
        + dims.n_text_layer * 16 * dims.n_text_state
        + dims.n_vocab + dims.n_audio_ctx + dims.n_text_ctx
    )  # fmt: skip
    if needed > n_values:
        raise ValueError(f"a model of these dimensions has {needed:,} weights, the file has {n_values:,}")
