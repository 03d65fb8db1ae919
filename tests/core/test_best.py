"""The best presets by model: their names, their heads, and the refusal for other models."""

import pytest

from align_eval.errors import InputError
from align_eval.formats.heads_export import export_heads, parse_heads
from align_eval.heuristics import HEURISTICS
from align_eval.systems import BEST, PRESETS, best_preset, make_systems

SHAPES = {"tiny.en": (4, 6), "base": (6, 8)}
"""Layers of the decoders, and heads per layer."""


def test_every_best_aligner_is_of_a_model_whose_heads_it_names():
    assert {name for name in PRESETS if name.startswith(BEST)} == {f"{BEST}{model}" for model in SHAPES}
    for model, shape in SHAPES.items():
        options = PRESETS[best_preset(model)].source.options
        assert export_heads(parse_heads(options.heads), shape, "openai")  # refuses a head that is not there


@pytest.mark.parametrize("model", SHAPES)
def test_as_an_alignment_it_gives_attention_its_heads_and_preparation(model):
    (as_preset,) = make_systems([], [], [best_preset(model)])
    (as_align,) = make_systems(["attention"], [best_preset(model)])
    assert as_align == as_preset


@pytest.mark.parametrize("model", SHAPES)
def test_its_parts_can_be_switched_off(model):
    keys = {"heads", "prep", "silence", "boundary", "states", "unit"}
    assert {heuristic.key for heuristic in HEURISTICS[best_preset(model)]} == keys


def test_a_model_without_one_is_refused_with_what_to_do():
    with pytest.raises(InputError, match=r"model small: none was chosen for it, only for tiny\.en, base; search"):
        best_preset("small")
