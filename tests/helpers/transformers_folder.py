"""An openai-whisper module written as transformers writes a checkpoint: what loading must undo."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from whisper.model import Whisper
from whisper.tokenizer import get_tokenizer

from align_eval.model.cross_attention import alignment_heads

BLOCK = {
    "attn.query": "self_attn.q_proj",
    "attn.key": "self_attn.k_proj",
    "attn.value": "self_attn.v_proj",
    "attn.out": "self_attn.out_proj",
    "attn_ln": "self_attn_layer_norm",
    "cross_attn.query": "encoder_attn.q_proj",
    "cross_attn.key": "encoder_attn.k_proj",
    "cross_attn.value": "encoder_attn.v_proj",
    "cross_attn.out": "encoder_attn.out_proj",
    "cross_attn_ln": "encoder_attn_layer_norm",
    "mlp.0": "fc1",
    "mlp.2": "fc2",
    "mlp_ln": "final_layer_norm",
}
OUTSIDE = {
    "encoder.conv1": "encoder.conv1",
    "encoder.conv2": "encoder.conv2",
    "encoder.ln_post": "encoder.layer_norm",
    "encoder.positional_embedding": "encoder.embed_positions.weight",
    "decoder.token_embedding": "decoder.embed_tokens",
    "decoder.positional_embedding": "decoder.embed_positions.weight",
    "decoder.ln": "decoder.layer_norm",
}


def theirs(name: str) -> str:
    """transformers' name of a parameter of openai-whisper's."""
    side, _, rest = name.partition(".blocks.")
    if rest:
        layer, _, inside = rest.partition(".")
        module, _, kind = inside.rpartition(".")
        return f"model.{side}.layers.{layer}.{BLOCK[module]}.{kind}"
    if name in OUTSIDE:
        return f"model.{OUTSIDE[name]}"
    module, _, kind = name.rpartition(".")
    return f"model.{OUTSIDE[module]}.{kind}"


def state_of(model: Whisper) -> dict[str, torch.Tensor]:
    """The parameters under transformers' names."""
    return {theirs(name): tensor.clone().contiguous() for name, tensor in model.state_dict().items()}


def config_of(model: Whisper) -> dict[str, object]:
    dims, tokenizer = model.dims, get_tokenizer(model.is_multilingual, num_languages=model.num_languages)
    return {
        "architectures": ["WhisperForConditionalGeneration"],
        "model_type": "whisper",
        "activation_function": "gelu",
        "num_mel_bins": dims.n_mels,
        "max_source_positions": dims.n_audio_ctx,
        "max_target_positions": dims.n_text_ctx,
        "vocab_size": dims.n_vocab,
        "d_model": dims.n_audio_state,
        "encoder_layers": dims.n_audio_layer,
        "encoder_attention_heads": dims.n_audio_head,
        "encoder_ffn_dim": 4 * dims.n_audio_state,
        "decoder_layers": dims.n_text_layer,
        "decoder_attention_heads": dims.n_text_head,
        "decoder_ffn_dim": 4 * dims.n_text_state,
        "decoder_start_token_id": tokenizer.sot,
        "bos_token_id": tokenizer.eot,
        "eos_token_id": tokenizer.eot,
        "pad_token_id": tokenizer.eot,
        "scale_embedding": False,
        "median_filter_width": 7,
        "torch_dtype": "float32",
    }


def write_folder(model: Whisper, folder: Path, *, n_shards: int = 1, heads: object = "own") -> Path:
    """A folder as ``save_pretrained`` leaves it; ``heads`` None writes no alignment heads."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = get_tokenizer(model.is_multilingual, num_languages=model.num_languages)
    generation = {
        "decoder_start_token_id": tokenizer.sot,
        "eos_token_id": tokenizer.eot,
        "pad_token_id": tokenizer.eot,
        "bos_token_id": tokenizer.eot,
        "no_timestamps_token_id": tokenizer.no_timestamps,
        "is_multilingual": model.is_multilingual,
        "max_length": model.dims.n_text_ctx,
    }
    if heads is not None:
        generation["alignment_heads"] = [list(h) for h in alignment_heads(model)] if heads == "own" else heads
    (folder / "config.json").write_text(json.dumps(config_of(model)))
    (folder / "generation_config.json").write_text(json.dumps(generation))
    state = state_of(model)
    if n_shards == 1:
        save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
        return folder
    names = sorted(state)
    weight_map = {}
    for shard in range(n_shards):
        file = f"model-{shard + 1:05d}-of-{n_shards:05d}.safetensors"
        save_file({name: state[name] for name in names[shard::n_shards]}, folder / file, metadata={"format": "pt"})
        weight_map |= dict.fromkeys(names[shard::n_shards], file)
    index = {"metadata": {"total_size": 0}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return folder
