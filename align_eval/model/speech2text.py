"""transformers' Speech2Text (fairseq S2T; Wang et al. 2020) behind :class:`~align_eval.model.interface.SpeechModel`.

A single-task encoder-decoder: Kaldi filter banks, two strided convolutions to 40 ms a state, no window of fixed length,
no prompt. The module is given loaded, with eager attention; nothing is loaded here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from whisper.model import ModelDimensions

from align_eval.errors import InputError
from align_eval.model.text import ForcedText
from align_eval.records import EOT_WORD

FBANK_STEP_S, FBANK_WINDOW_S = 0.01, 0.025


class Speech2Text:
    """A loaded ``Speech2TextForConditionalGeneration``.

    Filter bank frame i covers 25 ms from 10 i ms on, and convolutions of odd width with stride 2 keep every other
    frame's centre, so that state j is centred at 40 j + 12.5 ms.

    Raises
    ------
    InputError
        Where its attention is not eager: no other gives weights.
    """

    def __init__(self, module: Any) -> None:
        config = module.config
        if config._attn_implementation != "eager":
            remedy = 'load it with attn_implementation="eager"'
            raise InputError("model", f"its attention is {config._attn_implementation}, which gives no weights", remedy)
        self.module = module.eval().requires_grad_(False)
        self.stride = 2**config.num_conv_layers
        self.frame_s = self.stride * FBANK_STEP_S
        self.start_s = FBANK_WINDOW_S / 2 - self.frame_s / 2
        self.dims = ModelDimensions(
            n_mels=config.input_feat_per_channel * config.input_channels,
            n_audio_ctx=config.max_source_positions // self.stride,
            n_audio_state=config.d_model,
            n_audio_head=config.encoder_attention_heads,
            n_audio_layer=config.encoder_layers,
            n_vocab=config.vocab_size,
            n_text_ctx=config.max_target_positions,
            n_text_state=config.d_model,
            n_text_head=config.decoder_attention_heads,
            n_text_layer=config.decoder_layers,
        )

    @property
    def device(self) -> torch.device:
        """Where it runs."""
        device: torch.device = self.module.device
        return device

    @property
    def alignment_heads(self) -> Tensor:
        """None are known."""
        raise InputError(
            "source attention:heads=alignment", "no alignment heads are known of Speech2Text", "use heads=all"
        )

    def encoder_steps(self) -> list[Callable[[Tensor], Tensor]]:
        """Convolutions, positions, each block, the last norm."""
        encoder = self.module.model.encoder

        def convolve(features: Tensor) -> Tensor:
            convolved: Tensor = encoder.embed_scale * encoder.conv(features.transpose(1, 2))
            return convolved

        def add_positions(x: Tensor) -> Tensor:
            no_padding = torch.zeros(x.shape[:2], dtype=torch.long, device=x.device)
            positioned: Tensor = x + encoder.embed_positions(no_padding)
            return positioned

        def block(layer: Any) -> Callable[[Tensor], Tensor]:
            def run(x: Tensor) -> Tensor:
                out = layer(x, None)
                states: Tensor = out[0] if isinstance(out, tuple) else out
                return states

            return run

        return [convolve, add_positions, *map(block, encoder.layers), encoder.layer_norm]

    def decoder_hidden(self, decoder_input: Tensor, encoded: Tensor) -> Tensor:
        """Hidden states after the decoder's last norm."""
        hidden: Tensor = self.module.model.decoder(
            input_ids=decoder_input, encoder_hidden_states=encoded, use_cache=False
        ).last_hidden_state
        return hidden

    def token_log_prob(self, hidden: Tensor, tokens: Tensor) -> Tensor:
        """Log-probability of ``tokens[i]`` given ``hidden[i]``."""
        logits: Tensor = self.module.lm_head(hidden).float()
        return logits.log_softmax(dim=-1).gather(-1, tokens[:, None])[:, 0]

    def cross_projections(self) -> list[tuple[nn.Module, nn.Module]]:
        """Projections of each layer's queries and keys."""
        layers = self.module.model.decoder.layers
        return [(layer.encoder_attn.q_proj, layer.encoder_attn.k_proj) for layer in layers]

    def force_tokens(self, words: Sequence[Sequence[int]]) -> ForcedText:
        """The tokens of each word to what the decoder is forced through; there is no prompt but the start token."""
        config = self.module.config
        text = [token for word in words for token in word]
        word_of_token = [i for i, word in enumerate(words) for _ in word]
        if not text or not all(words):
            raise InputError("text", "a word gives no token, or there are no words", "give the text that is spoken")
        return ForcedText(
            decoder_input=(config.decoder_start_token_id, *text, config.eos_token_id),
            n_prefix=0,
            tokens=(*text, config.eos_token_id),
            word_of_token=np.array([*word_of_token, EOT_WORD], dtype=np.int32),
        )
