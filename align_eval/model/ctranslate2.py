"""CTranslate2 Whisper folders (``model.bin``, ``config.json``) as ordinary ``whisper.model.Whisper`` modules.

``model.bin`` is a flat list of named arrays, little-endian: format version, name and revision of the specification,
then each variable's name, shape, type and bytes, then aliases (CTranslate2, ``specs/model_spec.py``). Linear layers
with the same input are fused: query, key and value of self-attention, key and value of cross-attention. A quantised
array has a second array ``<name>_scale``; the value is the integer divided by the scale of its row.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from whisper.model import ModelDimensions, Whisper

from align_eval.errors import InputError
from align_eval.formats.json_file import Kind, decode_json
from align_eval.model.build import MISFITS, build_whisper

FORMAT_VERSION = 6
SPECIFICATION = "WhisperSpec"
ALIASES_SINCE_VERSION = 3

_DTYPES = ("<f4", "<i1", "<i2", "<i4", "<f2", "bfloat16")
_MAX_RANK = 4

CONFIG_JSON = Kind("is no config of a model", "copy the file again")

SCALE = "_scale"
"""Suffix of the scales of a quantised array."""

Variables = dict[str, npt.NDArray[np.generic]]


def read_variables(data: bytes, place: object) -> Variables:
    """Read the named arrays of a ``model.bin``; quantised arrays are converted to float32.

    Parameters
    ----------
    data : bytes
        Content of the file.
    place : object
        The file or model, for error messages.

    Raises
    ------
    InputError
        If the bytes are incomplete, have a trailing part, or are another format or kind of model, or scales do not fit
        their array.
    """
    cursor = _Cursor(data, place)
    version = cursor.unpack("I")
    if not 1 < version <= FORMAT_VERSION:
        raise InputError(
            place,
            f"has CTranslate2 format {version}, not 2 to {FORMAT_VERSION}",
            "convert the model again",
        )
    specification = cursor.string()
    if specification != SPECIFICATION:
        raise InputError(place, f"contains a {specification!r}, not a {SPECIFICATION}", "use a Whisper model")
    cursor.unpack("I")  # revision of the specification
    stored = dict(cursor.variable() for _ in range(cursor.unpack("I")))
    variables = {
        name: _dequantise(name, array, stored, place) for name, array in stored.items() if not name.endswith(SCALE)
    }
    if version >= ALIASES_SINCE_VERSION:
        for _ in range(cursor.unpack("I")):
            alias, name = cursor.string(), cursor.string()
            if name not in stored:
                raise InputError(place, f"alias {alias!r} names the missing variable {name!r}", "copy the file again")
            if name in variables:
                variables[alias] = variables[name]
    if cursor.offset != len(data):
        raise InputError(place, f"{len(data) - cursor.offset} bytes follow the last variable", "copy the file again")
    return variables


def to_whisper(variables: Variables, place: object) -> Whisper:
    """Build an ordinary Whisper module in float32 from the variables of a ``model.bin``.

    Raises
    ------
    InputError
        If a weight is missing, has the wrong shape, or is not finite.
    """
    try:
        return _build(_Weights(variables, place))
    except InputError:
        raise
    except MISFITS as error:
        problem = f"does not fit a Whisper model ({' '.join(str(error).split())[:300]})"
        raise InputError(place, problem, "convert the model again") from error


def _build(weights: _Weights) -> Whisper:
    conv1, positions = weights["encoder/conv1/weight"], weights["encoder/position_encodings/encodings"]
    vocabulary, text_positions = (
        weights["decoder/embeddings/weight"],
        weights["decoder/position_encodings/encodings"],
    )
    n_audio_layer, n_text_layer = weights.n_layers("encoder"), weights.n_layers("decoder")
    state: dict[str, torch.Tensor] = {
        "encoder.positional_embedding": positions,
        "decoder.positional_embedding": text_positions,
        "decoder.token_embedding.weight": vocabulary,
        **weights.affine("encoder.conv1", "encoder/conv1"),
        **weights.affine("encoder.conv2", "encoder/conv2"),
        **weights.norm("encoder.ln_post", "encoder/layer_norm"),
        **weights.norm("decoder.ln", "decoder/layer_norm"),
    }
    for side, n_layer in (("encoder", n_audio_layer), ("decoder", n_text_layer)):
        for i in range(n_layer):
            block, layer = f"{side}.blocks.{i}", f"{side}/layer_{i}"
            state |= weights.fused(
                [f"{block}.attn.{p}" for p in ("query", "key", "value")], f"{layer}/self_attention/linear_0"
            )
            state |= weights.affine(f"{block}.attn.out", f"{layer}/self_attention/linear_1")
            state |= weights.norm(f"{block}.attn_ln", f"{layer}/self_attention/layer_norm")
            state |= weights.affine(f"{block}.mlp.0", f"{layer}/ffn/linear_0")
            state |= weights.affine(f"{block}.mlp.2", f"{layer}/ffn/linear_1")
            state |= weights.norm(f"{block}.mlp_ln", f"{layer}/ffn/layer_norm")
            if side == "decoder":
                state |= weights.affine(f"{block}.cross_attn.query", f"{layer}/attention/linear_0")
                state |= weights.fused(
                    [f"{block}.cross_attn.{p}" for p in ("key", "value")], f"{layer}/attention/linear_1"
                )
                state |= weights.affine(f"{block}.cross_attn.out", f"{layer}/attention/linear_2")
                state |= weights.norm(f"{block}.cross_attn_ln", f"{layer}/attention/layer_norm")
    dims = ModelDimensions(
        n_mels=conv1.shape[1],
        n_audio_ctx=positions.shape[0],
        n_audio_state=positions.shape[1],
        n_audio_head=int(weights["encoder/num_heads"]),
        n_audio_layer=n_audio_layer,
        n_vocab=vocabulary.shape[0],
        n_text_ctx=text_positions.shape[0],
        n_text_state=text_positions.shape[1],
        n_text_head=int(weights["decoder/num_heads"]),
        n_text_layer=n_text_layer,
    )
    return build_whisper(dims, state)


@dataclass(frozen=True, slots=True)
class _Config:
    alignment_heads: list[Any] | None = None


def set_alignment_heads(model: Whisper, config: bytes, place: object) -> bool:
    """Set the model's alignment heads from the content of a ``config.json``.

    Without the key ``alignment_heads``, the model keeps openai-whisper's default.

    Returns
    -------
    bool
        Whether the file has the key.

    Raises
    ------
    InputError
        If the content is not a JSON object, or the heads are an empty list or do not exist in the model.
    """
    heads = decode_json(config, _Config, place, CONFIG_JSON, partial=True).alignment_heads
    if heads is None:
        return False
    if not heads:
        raise InputError(place, "alignment_heads is empty", "list heads, or remove the key for the default")
    n_layers, n_heads = model.dims.n_text_layer, model.dims.n_text_head
    known = {(layer, head) for layer in range(n_layers) for head in range(n_heads)}
    mask = torch.zeros(n_layers, n_heads, dtype=torch.bool)
    for i, pair in enumerate(heads):
        if not (isinstance(pair, list) and [type(n) for n in pair] == [int, int] and tuple(pair) in known):
            problem = f"alignment head {pair!a:.60} is not a [layer, head] of {n_layers} layers with {n_heads} heads"
            raise InputError(f"{place}, $.alignment_heads[{i}]", problem, "correct alignment_heads")
        mask[tuple(pair)] = True
    model.register_buffer("alignment_heads", mask.to_sparse(), persistent=False)
    return True


@dataclass(slots=True)
class _Cursor:
    """Bytes with a read position."""

    data: bytes
    place: object
    offset: int = 0

    def take(self, size: int) -> bytes:
        if self.offset + size > len(self.data):
            raise InputError(
                self.place,
                f"is cut short: {len(self.data)} bytes, at least {self.offset + size} needed",
                "copy the file again, with all its parts",
            )
        self.offset += size
        return self.data[self.offset - size : self.offset]

    def unpack(self, code: str) -> int:
        return int(struct.unpack(f"<{code}", self.take(struct.calcsize(f"<{code}")))[0])

    def string(self) -> str:
        raw = self.take(self.unpack("H"))
        try:
            return raw.removesuffix(b"\x00").decode("ascii")
        except UnicodeDecodeError as error:
            raise InputError(
                self.place, f"byte {self.offset}: {raw[:20]!r} is not a name", "copy the file again"
            ) from error

    def variable(self) -> tuple[str, npt.NDArray[np.generic]]:
        name, rank = self.string(), self.unpack("B")
        if rank > _MAX_RANK:
            raise InputError(self.place, f"variable {name!r} has {rank} axes", "copy the file again")
        shape = tuple(self.unpack("I") for _ in range(rank))
        type_id, n_bytes = self.unpack("B"), self.unpack("I")
        if type_id >= len(_DTYPES):
            raise InputError(self.place, f"variable {name!r} has the unknown type {type_id}", "convert the model again")
        raw = self.take(n_bytes)
        dtype = _DTYPES[type_id]
        size = np.dtype("<u2" if dtype == "bfloat16" else dtype).itemsize * math.prod(shape)
        if size != n_bytes:
            raise InputError(
                self.place,
                f"variable {name!r} {shape} has {n_bytes} bytes, not {size}",
                "copy the file again",
            )
        if dtype == "bfloat16":  # the upper half of a float32
            return name, (np.frombuffer(raw, "<u2").astype(np.uint32) << 16).view(np.float32).reshape(shape)
        return name, np.frombuffer(raw, dtype).reshape(shape)


def _dequantise(name: str, array: npt.NDArray[np.generic], stored: Variables, place: object) -> npt.NDArray[np.generic]:
    scale = stored.get(f"{name}{SCALE}")
    if scale is None:
        return array
    rows = np.asarray(scale, dtype=np.float32)
    if rows.size != 1 and rows.shape != array.shape[: rows.ndim]:
        problem = f"variable {name!r} {array.shape} has scales of shape {rows.shape}"
        raise InputError(place, problem, "convert the model again")
    # int8 has one scale per row, int16 one per array; the row of a convolution is an output channel
    shape = rows.shape + (1,) * (array.ndim - rows.ndim) if rows.size != 1 else ()
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):  # values that are not finite are refused later
        return array.astype(np.float32) / rows.reshape(shape)


class _Weights:
    """Variables as float32 tensors under Whisper's parameter names."""

    def __init__(self, variables: Variables, place: object) -> None:
        self._variables = variables
        self._place = place

    def __getitem__(self, name: str) -> torch.Tensor:
        if name not in self._variables:
            raise InputError(self._place, f"has no variable {name!r}", "convert the model again")
        array = np.array(self._variables[name], dtype=np.float32)
        if not np.isfinite(array).all():
            raise InputError(self._place, f"variable {name!r} has values that are not finite", "copy the file again")
        return torch.from_numpy(array)

    def n_layers(self, side: str) -> int:
        names = {n.split("/")[1] for n in self._variables if n.startswith(f"{side}/layer_")} - {"layer_norm"}
        return len(names)

    def affine(self, target: str, source: str) -> dict[str, torch.Tensor]:
        return {f"{target}.weight": self[f"{source}/weight"], f"{target}.bias": self[f"{source}/bias"]}

    def norm(self, target: str, source: str) -> dict[str, torch.Tensor]:
        return {f"{target}.weight": self[f"{source}/gamma"], f"{target}.bias": self[f"{source}/beta"]}

    def fused(self, targets: Sequence[str], source: str) -> dict[str, torch.Tensor]:
        weights = self[f"{source}/weight"].chunk(len(targets))
        biases = self[f"{source}/bias"].chunk(len(targets))
        state: dict[str, torch.Tensor] = {}
        for target, weight, bias in zip(targets, weights, biases, strict=True):
            state[f"{target}.weight"] = weight
            if not target.endswith(".key"):
                state[f"{target}.bias"] = bias
            elif bias.any():
                raise InputError(
                    self._place,
                    f"{source}: the key projection has a bias; that of Whisper has none",
                    "convert the model again",
                )
        return state
