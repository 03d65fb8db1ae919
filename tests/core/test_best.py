"""The best presets by weights: their names, their heads, and the refusal for other weights."""

import re

import pytest

from align_eval.errors import InputError
from align_eval.formats.heads_export import export_heads, parse_heads
from align_eval.heuristics import HEURISTICS
from align_eval.options import RunOptions, specs_of
from align_eval.systems import BEST_OF_WEIGHTS, PRESETS, best_preset, make_systems

SHAPES = {"best-tiny.en": (4, 6), "best-base": (6, 8)}
"""Layers of the decoders, and heads per layer."""


def test_every_best_preset_is_that_of_weights_whose_heads_it_names():
    assert {name for name in PRESETS if name.startswith("best-")} == set(BEST_OF_WEIGHTS.values()) == set(SHAPES)
    assert len(BEST_OF_WEIGHTS) == len(SHAPES)
    for name, shape in SHAPES.items():
        heads = PRESETS[name].source.options.heads
        assert export_heads(parse_heads(heads), shape, "openai")  # refuses a head that is not there


@pytest.mark.parametrize("weights", BEST_OF_WEIGHTS)
def test_it_is_found_by_the_whole_checksum(weights):
    assert re.fullmatch("[0-9a-f]{64}", weights)
    assert best_preset(weights) == BEST_OF_WEIGHTS[weights]
    with pytest.raises(InputError):
        best_preset(weights[:12])


@pytest.mark.parametrize("name", SHAPES)
def test_as_an_alignment_it_gives_attention_its_heads_and_preparation(name):
    (as_preset,) = make_systems([], [], [name])
    (as_align,) = make_systems(["attention"], [name])
    assert as_align == as_preset


@pytest.mark.parametrize("name", SHAPES)
def test_its_parts_can_be_switched_off(name):
    assert {h.key for h in HEURISTICS[name]} == {"heads", "prep", "silence", "boundary", "states", "unit"}


def test_other_weights_are_refused_with_what_to_do():
    message = (
        r"--best, weights 0123456789ab: no heads were chosen for these weights, only for those of tiny\.en, base; "
        r"search their heads \(align-eval heads search\) and give them: --source attention:heads="
    )
    with pytest.raises(InputError, match=message):
        best_preset("0123456789abcdef" * 4)


def test_it_joins_what_else_is_asked_for_and_replaces_the_default_table():
    assert specs_of(RunOptions(), "best-base").presets == ("best-base",)
    assert specs_of(RunOptions(), "best-base").sources == ()
    asked = RunOptions(sources=["attention:heads=all"], aligns=["dtw"], presets=["openai"])
    specs = specs_of(asked, "best-base")
    assert (specs.sources, specs.aligns) == (("attention:heads=all",), ("dtw",))
    assert specs.presets == ("openai", "best-base")
    assert PRESETS["best-base"] in specs.systems()
    assert PRESETS["best-base"] not in specs_of(asked).systems()
