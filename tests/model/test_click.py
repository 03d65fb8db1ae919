"""Time axis of every source, tested by a click at a known sample.

The model is made by hand: its encoder transmits the loudness of each frame without its neighbours, and its decoder
attends to loud frames. Attention and gradient must therefore peak in the column of the click, at every tap.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from whisper.model import Whisper

from align_eval.alignment.energy import energy_at_columns
from align_eval.model.forward import shared_pass
from align_eval.model.text import force_words
from align_eval.units import FRAME_S, SAMPLE_RATE, START_S
from tests.helpers.maps import relevance_maps
from tests.helpers.models import small_dims

SOURCES = [
    "attention:heads=alignment,prep=log",
    "attention:heads=all,prep=log",
    "attention:heads=all,rows=all,softmax=full,prep=log",
    *(f"gradient:at={at},prep=log" for at in ("mel", "conv", "encoder.0", "encoder.1", "encoder.2", "encoder-output")),
    "gradient:at=mel,reduce=l1,prep=log",
    "gradient:at=encoder-output,reduce=input,prep=log",
]

CLICK_SAMPLES = [8000, 8100, 8130, 8155, 12345, 15999]


@pytest.fixture(scope="module")
def loudness_model():
    model = Whisper(small_dims(n_audio_state=8, n_text_state=8))
    for parameter in model.parameters():
        parameter.data.zero_()
    encoder, decoder = model.encoder, model.decoder
    encoder.positional_embedding.zero_()
    # conv1: mean over mel bins of the middle frame, lifted above zero so that GELU passes it
    encoder.conv1.weight.data[0, :, 1] = 1 / 80
    encoder.conv1.bias.data[0] = 4.0
    # conv2: the middle frame again; a constant feature, so that the last norm keeps how loud it is
    encoder.conv2.weight.data[0, 0, 1] = 1.0
    encoder.conv2.bias.data[1] = 8.0
    for norm in (encoder.ln_post, decoder.ln, *(b.cross_attn_ln for b in decoder.blocks)):
        norm.weight.data.fill_(1.0)
    generator = torch.Generator().manual_seed(1)
    decoder.token_embedding.weight.data = torch.randn(51864, 8, generator=generator)
    for block in decoder.blocks:  # all queries are one constant; keys and values read loudness
        attention = block.cross_attn
        attention.query.bias.data.fill_(1.0)
        attention.key.weight.data[:, 0] = 4.0
        attention.value.weight.data[:, 0] = 1.0
        attention.out.weight.data = torch.randn(8, 8, generator=generator)
    return model.eval().requires_grad_(False)


def click(at: int) -> np.ndarray:
    samples = np.zeros(20000, np.float32)
    samples[at] = 1.0
    return samples


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("at", CLICK_SAMPLES)
def test_every_source_peaks_within_half_a_frame_of_a_click(loudness_model, source, at):
    shared = shared_pass(loudness_model, click(at), force_words(loudness_model, ["click"], "en"))
    relevance = relevance_maps(loudness_model, shared, [source])[source]
    column = int(relevance.values[0].argmax())
    centre_s = relevance.start_s + (column + 0.5) * relevance.frame_s
    assert abs(centre_s - at / SAMPLE_RATE) <= relevance.frame_s / 2


@pytest.mark.parametrize("at", CLICK_SAMPLES)
def test_energy_peaks_in_the_same_column_as_the_maps(loudness_model, at):
    shared = shared_pass(loudness_model, click(at), force_words(loudness_model, ["click"], "en"))
    energy = energy_at_columns(click(at), shared.n_frames, FRAME_S, START_S)
    relevance = relevance_maps(loudness_model, shared, [SOURCES[0]])[SOURCES[0]]
    assert int(energy.argmax()) == int(relevance.values[0].argmax())
