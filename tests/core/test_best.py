"""The heads that were chosen for weights, and the systems of the default run that are made with them."""

import re

import pytest

from align_eval.errors import InputError
from align_eval.formats.heads_export import export_heads, parse_heads
from align_eval.heuristics import HEURISTICS
from align_eval.options import RunOptions, specs_of
from align_eval.records import SystemName
from align_eval.systems import (
    AMOUNTS,
    BEST_OF_WEIGHTS,
    GRID_ALIGNS,
    GRID_SOURCES,
    PRESETS,
    chosen_heads,
    is_own,
    make_systems,
    names_best,
    parse_system,
    short_names,
    with_heads,
)

SHAPES = {"best-tiny.en": (4, 6), "best-base": (6, 8)}
"""Layers of the decoders, and heads per layer."""


def test_every_best_preset_is_that_of_weights_whose_heads_it_names():
    assert {name for name in PRESETS if name.startswith("best-")} == set(BEST_OF_WEIGHTS.values()) == set(SHAPES)
    assert len(BEST_OF_WEIGHTS) == len(SHAPES)
    for name, shape in SHAPES.items():
        heads = PRESETS[name].source.options.heads
        assert export_heads(parse_heads(heads), shape, "openai")  # refuses a head that is not there


@pytest.mark.parametrize("weights", BEST_OF_WEIGHTS)
def test_heads_are_found_by_the_whole_checksum(weights):
    assert re.fullmatch("[0-9a-f]{64}", weights)
    assert "+".join(chosen_heads(weights)) == PRESETS[BEST_OF_WEIGHTS[weights]].source.options.heads
    assert chosen_heads(weights[:12]) is None


@pytest.mark.parametrize("name", SHAPES)
def test_as_an_alignment_it_gives_attention_its_heads_and_preparation(name):
    (as_preset,) = make_systems([], [], [name])
    (as_align,) = make_systems(["attention"], [name])
    assert as_align == as_preset


@pytest.mark.parametrize("name", SHAPES)
def test_its_parts_can_be_switched_off(name):
    assert {h.key for h in HEURISTICS[name]} == {"heads", "prep", "silence", "boundary", "states", "unit"}


def test_best_and_rest_are_all_heads_once():
    assert with_heads("attention:heads=best,prep=log", ("0.3", "1.1")) == "attention:heads=0.3+1.1,prep=log"
    assert with_heads("attention:heads=rest", ("0.3", "1.1")) == "attention:heads=all-0.3-1.1"
    nested = "residual:of=(attention:heads=rest),to=(attention:heads=best),amount=0.5"
    written = "residual:of=(attention:heads=all-2.0),to=(attention:heads=2.0),amount=0.5"
    assert with_heads(nested, ("2.0",)) == written
    assert names_best(nested)
    assert not names_best(written)
    assert with_heads("attention:heads=best", "alignment") == "attention:heads=alignment"


@pytest.mark.parametrize("heads", ["best", "rest"])
def test_heads_that_depend_on_weights_are_refused_where_there_is_no_model(heads):
    with pytest.raises(InputError, match=f"heads={heads} depends on the model's weights: give it where a model is"):
        parse_system(f"attention:heads={heads}", "viterbi")


def default_systems(saliency=None):
    return specs_of(RunOptions(saliency=saliency)).with_heads(("0.3", "1.1")).systems()


def test_the_default_run_is_what_the_answer_needs_and_no_more():
    """openai's way, attention, the saliency, and two sources added to attention at each of seven amounts."""
    systems = default_systems()
    assert tuple(2.0**-k for k in range(6, -1, -1)) == AMOUNTS
    assert systems[:3] == (
        PRESETS["openai"],
        parse_system("attention:heads=0.3+1.1,prep=log", "viterbi"),
        parse_system("gradient:at=encoder-output,prep=log", "viterbi"),
    )
    added = [system.source.options for system in systems[3:]]
    assert [options.amount for options in added] == [*AMOUNTS, *AMOUNTS]
    assert [options.inner[0].text for options in added] == [
        *["gradient:at=encoder-output"] * 7,
        *["attention:heads=all-0.3-1.1"] * 7,
    ]
    assert {options.inner[1].text for options in added} == {"attention:heads=0.3+1.1"}
    assert {system.aligner.text for system in systems[1:]} == {"viterbi"}


def test_another_saliency_takes_the_place_of_the_gradient():
    spes = default_systems("spes:at=encoder-output")
    assert {s.source.options.inner[0].name for s in spes[3:]} == {"spes", "attention"}
    assert [s for s in spes if "gradient" in s.source.text] == []
    assert default_systems("gradient:prep=log") == default_systems()  # the answer prepares every map alike


def test_the_grid_is_asked_for_and_has_openais_way_and_eight_sources_by_two_paths():
    specs = specs_of(RunOptions(grid=True))
    assert (specs.sources, specs.aligns, specs.presets) == (GRID_SOURCES, GRID_ALIGNS, ("openai",))
    assert len(specs.systems()) == 17


@pytest.mark.parametrize("named", [{"sources": ["attention"]}, {"aligns": ["dtw"]}, {"presets": ["openai"]}])
def test_named_systems_replace_the_default_run_and_its_options(named):
    assert len(specs_of(RunOptions(**named)).systems()) in (1, 2, 8)
    for option in ({"grid": True}, {"saliency": "spes"}):
        with pytest.raises(InputError, match=r"chooses the systems of a run, as does --\w+; leave one of them out"):
            RunOptions(**named, **option)


def test_grid_and_saliency_are_two_choices():
    with pytest.raises(InputError, match="--saliency: chooses the systems of a run, as does --grid"):
        RunOptions(grid=True, saliency="spes")


def test_attention_is_no_saliency():
    with pytest.raises(InputError, match="--saliency attention:heads=all: is attention; name a saliency, as gradient"):
        specs_of(RunOptions(saliency="attention:heads=all"))


def test_files_of_other_programs_never_pass_as_ours():
    """A name that begins as one of our sources, or is one, but whose aligner is none of ours."""
    theirs = [SystemName(source, "given") for source in ("attention:mine", "gradient", "gradient:at=mel")]
    assert [is_own(name) for name in theirs] == [False] * 3
    assert list(short_names(theirs).values()) == ["attention:mine", "gradient", "gradient:at=mel"]


def test_presets_that_are_one_system_have_one_name_for_both():
    assert list(short_names([PRESETS["faster-whisper"].name]).values()) == ["openai-transcribe, faster-whisper"]


def test_short_names_are_those_of_the_answer():
    assert list(short_names(system.name for system in default_systems()).values()) == [
        "whisper",
        "attention",
        "gradient",
        *(f"attention+gradient {amount:g}" for amount in AMOUNTS),
        *(f"attention+other heads {amount:g}" for amount in AMOUNTS),
    ]


def test_two_systems_of_one_short_name_keep_their_specs():
    both = [SystemName("attention:heads=all", align) for align in ("dtw", "viterbi")]
    theirs = SystemName("whisperx", "given")
    assert list(short_names([*both, theirs]).values()) == [
        "attention:heads=all | dtw",
        "attention:heads=all | viterbi",
        "whisperx",
    ]
