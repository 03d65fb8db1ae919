"""Conversion of an openai-whisper model to transformers, for bench/peer_worker.py. Does not import align-eval."""

from __future__ import annotations

from pathlib import Path

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
"""Parts of weight names, openai-whisper's and transformers', in the order of replacement."""


def transformers_model(reference, tokenizer_file: Path):
    """Build transformers' model and tokenizer with the weights and alignment heads of an openai-whisper model."""
    import torch
    from transformers import (
        GenerationConfig,
        WhisperConfig,
        WhisperForConditionalGeneration,
        WhisperTokenizerFast,
    )

    dims, heads = reference.dims, reference.alignment_heads.indices().T.tolist()
    tokenizer = WhisperTokenizerFast(tokenizer_file=str(tokenizer_file))
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
    config._attn_implementation = "eager"  # the other implementations return no attention weights
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
        return model.eval(), tokenizer
