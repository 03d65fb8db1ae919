"""transformers' Whisper folders (``config.json`` and weights) as ordinary ``whisper.model.Whisper`` modules.

The weights are ``model.safetensors``, its shards with an index, or the older ``pytorch_model.bin``, which is read with
``weights_only=True``. Reading does not need transformers. The names of weights differ from openai-whisper's; the values
are equal.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from whisper.model import ModelDimensions, Whisper

from align_eval.errors import InputError, reason
from align_eval.formats.atomic import is_file_name
from align_eval.formats.json_file import Kind, read_json, read_limited
from align_eval.model.build import MISFITS, build_whisper, check_weights, load_pickled
from align_eval.model.ctranslate2 import CONFIG_JSON
from align_eval.model.vocabulary import check_vocabulary_size

WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")
"""Files with the weights of a folder, in order of preference."""

_MODULES = {
    "conv1": "conv1",
    "conv2": "conv2",
    "embed_positions.weight": "positional_embedding",
    "embed_tokens": "token_embedding",
    "self_attn.q_proj": "attn.query",
    "self_attn.k_proj": "attn.key",
    "self_attn.v_proj": "attn.value",
    "self_attn.out_proj": "attn.out",
    "self_attn_layer_norm": "attn_ln",
    "encoder_attn.q_proj": "cross_attn.query",
    "encoder_attn.k_proj": "cross_attn.key",
    "encoder_attn.v_proj": "cross_attn.value",
    "encoder_attn.out_proj": "cross_attn.out",
    "encoder_attn_layer_norm": "cross_attn_ln",
    "fc1": "mlp.0",
    "fc2": "mlp.2",
    "final_layer_norm": "mlp_ln",
}
_LAST_NORM = {"encoder": "ln_post", "decoder": "ln"}
_NAME = re.compile(r"(?:model\.)?(encoder|decoder)\.(?:layers\.(\d+)\.)?(.+)")

State = dict[str, torch.Tensor]

INDEX_JSON = Kind("has no weight_map", "copy the file again")


@dataclass(frozen=True, slots=True)
class _Config:
    encoder_attention_heads: int
    decoder_attention_heads: int
    model_type: Any = None
    activation_function: Any = "gelu"
    scale_embedding: Any = False


@dataclass(frozen=True, slots=True)
class _Index:
    weight_map: dict[str, str]


def is_transformers_folder(folder: Path) -> bool:
    """True if a folder has a file of weights with one of transformers' names."""
    return any((folder / name).is_file() for name in WEIGHTS)


def read_transformers_folder(folder: Path) -> Whisper:
    """Build an ordinary Whisper module in float32 with the weights of a folder.

    The folder can be a fine-tuned or distilled checkpoint (with fewer decoder layers). Adapters must be merged first.

    Raises
    ------
    InputError
        If the folder is another kind of model, a file is damaged, or a weight is missing or unexpected.
    """
    place = folder / "config.json"
    config = read_json(place, _Config, CONFIG_JSON, partial=True)
    if config.model_type != "whisper":
        raise InputError(place, f"model_type is {config.model_type!a:.40}, not 'whisper'", "use a Whisper model")
    for key, expected in (("activation_function", "gelu"), ("scale_embedding", False)):
        found = getattr(config, key)
        if found != expected:
            problem = f"{key} is {found!a:.40}"
            raise InputError(place, problem, f"use a model with {expected!r}, the value of Whisper")
    try:
        transformers_state = _read_state(folder)
        check_weights(transformers_state)
        state = _renamed(transformers_state, folder)
        model = build_whisper(_dimensions(state, config), state)
    except InputError:
        raise
    except MISFITS as error:
        raise InputError(
            folder, f"does not fit a Whisper model ({reason(error)})", "save the whole model again"
        ) from error
    check_vocabulary_size(model, folder)
    return model


def generation_config(folder: Path) -> tuple[bytes, Path]:
    """Content and path of the file that can name alignment heads: ``generation_config.json``, else ``config.json``."""
    path = folder / "generation_config.json"
    if not path.is_file():
        path = folder / "config.json"
    return read_limited(path, CONFIG_JSON), path


def _dimensions(state: State, config: _Config) -> ModelDimensions:
    def n_layers(side: str) -> int:
        return len({name.split(".")[2] for name in state if name.startswith(f"{side}.blocks.")})

    audio, text = state["encoder.positional_embedding"], state["decoder.positional_embedding"]
    return ModelDimensions(
        n_mels=state["encoder.conv1.weight"].shape[1],
        n_audio_ctx=audio.shape[0],
        n_audio_state=audio.shape[1],
        n_audio_head=config.encoder_attention_heads,
        n_audio_layer=n_layers("encoder"),
        n_vocab=state["decoder.token_embedding.weight"].shape[0],
        n_text_ctx=text.shape[0],
        n_text_state=text.shape[1],
        n_text_head=config.decoder_attention_heads,
        n_text_layer=n_layers("decoder"),
    )


def _renamed(transformers_state: State, folder: Path) -> State:
    """Weights under openai-whisper's names, in float32."""
    projection = transformers_state.pop("proj_out.weight", None)
    state: State = {}
    for name, tensor in transformers_state.items():
        openai_name = _openai_name(name)
        if openai_name is None:
            remedy = "merge adapters into the model and save it whole"
            raise InputError(folder, f"has a weight {name!r} that Whisper does not have", remedy)
        state[openai_name] = tensor.float()
    embedding = state.get("decoder.token_embedding.weight")
    if projection is not None and embedding is not None and not torch.equal(projection.float(), embedding):
        raise InputError(folder, "its output projection differs from its token embedding", "tie the two weights")
    return state


def _openai_name(name: str) -> str | None:
    match = _NAME.fullmatch(name)
    if not match:
        return None
    side, layer, path = match.groups()
    if layer is None and path.startswith("layer_norm."):
        return f"{side}.{_LAST_NORM[side]}.{path.removeprefix('layer_norm.')}"
    module, _, kind = path.rpartition(".")
    target = _MODULES[path] if path in _MODULES else f"{_MODULES[module]}.{kind}" if module in _MODULES else None
    return target and (f"{side}.{target}" if layer is None else f"{side}.blocks.{layer}.{target}")


def _read_state(folder: Path) -> State:
    file = next(folder / name for name in WEIGHTS if (folder / name).is_file())
    read: Callable[[Path], State] = _read_safetensors if "safetensors" in file.name else _read_pickled
    if file.suffix != ".json":
        return read(file)
    shards = read_json(file, _Index, INDEX_JSON, partial=True).weight_map
    state: State = {}
    for shard in dict.fromkeys(shards.values()):
        path = folder / shard
        if not is_file_name(shard) or "/" in shard or not path.is_file():
            raise InputError(file, f"names the missing shard {shard!a:.60}", "copy the folder again")
        state |= read(path)
    _require(shards, state, file)
    return state


def _require(names: Iterable[str], state: State, place: Path) -> None:
    missing = [name for name in names if name not in state]
    if missing:
        raise InputError(place, f"names {missing[0]!r}, which is missing in its shard", "copy the folder again")


def _read_safetensors(path: Path) -> State:
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # not a mapping
    except Exception as error:  # of a damaged header, anything
        raise InputError(path, f"cannot be read as safetensors ({reason(error)})", "copy the file again") from error


def _read_pickled(path: Path) -> State:
    try:
        state = load_pickled(path)
        return {str(name): tensor for name, tensor in state.items() if isinstance(tensor, torch.Tensor)}
    except Exception as error:  # of a damaged pickle, anything
        problem = f"has no weights, or other objects than weights ({reason(error)})"
        raise InputError(path, problem, "save it as safetensors") from error
