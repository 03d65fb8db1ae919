"""Specs: what they accept, their one canonical form, and systems made of them."""

import re
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from align_eval.alignment.aligner import ALIGNER_OPTIONS, DtwOptions, ViterbiOptions
from align_eval.errors import InputError
from align_eval.relevance.options import AttentionOptions, GradientOptions
from align_eval.relevance.source import SOURCE_OPTIONS
from align_eval.spec import format_spec, parse_spec
from align_eval.systems import GRID_ALIGNS, GRID_SOURCES, make_systems, parse_system
from tests.helpers.maps import canonical_align, canonical_source


@dataclass(frozen=True, slots=True)
class HybridOptions:
    a: str = "(attention)"
    b: str = "(gradient)"
    alpha: float = 0.5
    steps: int = 20


NESTED = {"hybrid": HybridOptions}


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("attention", AttentionOptions()),
        ("  attention  ", AttentionOptions()),
        ("attention:heads=3.2+4.1", AttentionOptions(heads="3.2+4.1")),
        ("attention:softmax=full,heads=layer.3", AttentionOptions(heads="layer.3", softmax="full")),
        ("gradient:at=encoder.3/4,reduce=l1", GradientOptions(at="encoder.3/4", reduce="l1")),
    ],
)
def test_a_source_is_parsed_into_its_options(text, options):
    assert parse_spec(text, SOURCE_OPTIONS, "source") == (text.strip().partition(":")[0], options)


def test_a_number_is_parsed_and_one_left_out_is_the_default():
    assert parse_spec("viterbi:level=2.5", ALIGNER_OPTIONS, "align") == ("viterbi", ViterbiOptions(level=2.5))
    assert parse_spec("viterbi", ALIGNER_OPTIONS, "align")[1].level == 1
    assert parse_spec("dtw", ALIGNER_OPTIONS, "align") == ("dtw", DtwOptions())


CANONICAL_SOURCES = {
    "attention": "attention:heads=alignment",
    "attention:heads=alignment,prep=zscore-median,rows=text": "attention:heads=alignment",
    "attention:prep=log,heads=all": "attention:heads=all,prep=log",
    "gradient": "gradient:at=encoder-output",
    "gradient:reduce=l2,at=mel": "gradient:at=mel",
}


@pytest.mark.parametrize(("text", "canonical"), CANONICAL_SOURCES.items())
def test_a_source_has_one_canonical_form_that_says_what_it_is(text, canonical):
    assert canonical_source(text) == canonical
    assert canonical_source(canonical) == canonical


CANONICAL_ALIGNS = {
    "dtw:grid=edge": "dtw",
    "dtw:grid=index": "dtw:grid=index",
    "viterbi:end=own,silence=levels,boundary=median,states=letter": "viterbi",
    "viterbi:states=token,boundary=frame,silence=energy": "viterbi:silence=energy,boundary=frame,states=token",
    "viterbi:end=next,level=2.0": "viterbi:level=2,end=next",
    "viterbi:level=1e-3": "viterbi:level=0.001",
}


@pytest.mark.parametrize(("text", "canonical"), CANONICAL_ALIGNS.items())
def test_an_alignment_has_one_canonical_form_without_defaults(text, canonical):
    assert canonical_align(text) == canonical
    assert canonical_align(canonical) == canonical


def test_a_full_spec_writes_the_defaults_out_and_means_the_same():
    full = canonical_source("gradient:at=conv", full=True)
    assert full == "gradient:at=conv,reduce=l2,prep=zscore-median,unit=subword"
    assert canonical_source(full) == "gradient:at=conv"
    assert canonical_align("dtw", full=True) == ("dtw:grid=edge,rows=text,punctuation=kept,durations=free,silence=kept")


@settings(deadline=None)
@given(level=st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_keeps_every_digit_through_its_canonical_form(level):
    text = format_spec("viterbi", ViterbiOptions(level=level))
    assert parse_spec(text, ALIGNER_OPTIONS, "align") == ("viterbi", ViterbiOptions(level=level))


@pytest.mark.parametrize("value", ["(attention:heads=all,prep=log)", "(hybrid:a=(x,y),b=z)", "(,)"])
def test_commas_inside_parentheses_belong_to_the_value(value):
    name, options = parse_spec(f"hybrid:a={value},alpha=0.25", NESTED, "source")
    assert options == HybridOptions(a=value, alpha=0.25)
    assert parse_spec(format_spec(name, options), NESTED, "source") == (name, options)


@pytest.mark.parametrize("tail", ["a=(x", "a=x)", "a=)x(", "a=((x)"])
def test_unbalanced_parentheses_are_refused(tail):
    with pytest.raises(InputError, match=re.escape(f"source 'hybrid:{tail}': unbalanced parentheses; close every")):
        parse_spec(f"hybrid:{tail}", NESTED, "source")


SOURCE_REFUSALS = {
    "oracle": "source 'oracle': unknown source 'oracle'; known: attention, gradient",
    "": "source '': unknown source ''; known: attention, gradient",
    "Attention": "unknown source 'Attention'; did you mean attention or attention-norm? known: attention, gradient",
    "attention:head=all": "unknown key 'head=all'; did you mean heads? keys of attention: heads, prep, unit, softmax, "
    "rows, median, prompt, as key=value",
    "attention:heads": "unknown key 'heads'; keys of attention: heads, prep, unit, softmax, rows, median, "
    "prompt, as key=value",
    "attention:heads=all,": "unknown key ''; keys of attention: heads, prep, unit, softmax, rows, median, "
    "prompt, as key=value",
    "attention:heads=all,heads=all": "source 'attention:heads=all,heads=all': key 'heads' given twice",
    "attention:heads=some": "heads=some is none of alignment, all, all-L.H-L.H, layer.L, L.H+L.H, topN, nearestN",
    "attention:heads=3.2+": "heads=3.2+ is none of alignment, all, all-L.H-L.H, layer.L, L.H+L.H, topN, nearestN",
    "attention:heads=": "heads= is none of alignment, all, all-L.H-L.H, layer.L, L.H+L.H, topN, nearestN",
    "attention:prep=square": "source 'attention:prep=square', key 'prep': 'square' is not a choice; "
    "choose one of zscore-median, log, zscore, norm, mean-norm, mean",
    "gradient:reduce=L2": "key 'reduce': 'L2' is not a choice; did you mean l2? choose one of l2, l1, input",
    "gradient:at=decoder": "at=decoder is none of mel, conv, encoder.K, encoder.A/B, encoder-output",
}


@pytest.mark.parametrize(("text", "message"), SOURCE_REFUSALS.items())
def test_a_source_that_is_not_known_is_refused_with_what_is(text, message):
    with pytest.raises(InputError, match=re.escape(message)):
        canonical_source(text)


NUMBER_REFUSALS = {
    "alpha=half": "key 'alpha': 'half' is not a number; give a plain number",
    "alpha=": "key 'alpha': '' is not a number",
    "alpha=nan": "key 'alpha': 'nan' is not finite; give a finite number",
    "alpha=-inf": "key 'alpha': '-inf' is not finite",
    "alpha=1e999": "key 'alpha': '1e999' is not finite",
    "steps=2.5": "key 'steps': '2.5' is not a number",
}


@pytest.mark.parametrize(("tail", "message"), NUMBER_REFUSALS.items())
def test_a_value_that_is_no_finite_number_is_refused(tail, message):
    with pytest.raises(InputError, match=re.escape(f"source 'hybrid:{tail}', {message}")):
        parse_spec(f"hybrid:{tail}", NESTED, "source")


OPENAI = parse_system("attention:heads=alignment,rows=all", "dtw:grid=index")


def test_a_preset_is_its_literal_pair_whatever_else_is_asked_for():
    assert make_systems([], [], ["openai"]) == (OPENAI,)
    assert make_systems(["gradient"], ["viterbi"], ["openai"]) == (
        OPENAI,
        parse_system("gradient:at=encoder-output", "viterbi"),
    )


def test_an_alignment_named_after_a_preset_reads_attention_the_presets_way_and_leaves_the_rest():
    assert make_systems(["attention:prep=log", "attention:rows=all", "gradient"], ["openai"]) == (
        parse_system("attention:heads=alignment,prep=log,rows=all", "dtw:grid=index"),
        OPENAI,
        parse_system("gradient:at=encoder-output", "dtw:grid=index"),
    )


def test_every_source_meets_every_alignment_in_order():
    pairs = [(s.name.source, s.name.align) for s in make_systems(["gradient", "attention"], ["viterbi", "dtw"])]
    assert pairs == [
        ("gradient:at=encoder-output", "viterbi"),
        ("gradient:at=encoder-output", "dtw"),
        ("attention:heads=alignment", "viterbi"),
        ("attention:heads=alignment", "dtw"),
    ]


def test_what_means_the_same_is_one_system():
    one = make_systems(["attention", "attention:heads=alignment"], ["dtw", "dtw:grid=edge"])
    assert one == (parse_system("attention:heads=alignment", "dtw"),)
    assert make_systems(["attention"], ["openai"], ["openai", "openai"]) == (OPENAI,)


def test_the_grid_is_canonical_and_has_no_doubles():
    systems = make_systems(GRID_SOURCES, GRID_ALIGNS, ["openai"])
    assert len(systems) == len(GRID_SOURCES) * len(GRID_ALIGNS) + 1
    assert tuple(canonical_source(s) for s in GRID_SOURCES) == GRID_SOURCES


@pytest.mark.parametrize(
    ("align", "preset", "message"),
    [
        (
            "dtw",
            "whisperx",
            "preset 'whisperx': unknown preset; did you mean whisper.cpp or faster-whisper?",
        ),
        ("hmm", "openai", "align 'hmm': unknown align 'hmm'; known: dtw, viterbi, openai"),
        ("hmm:end=own", "openai", "align 'hmm:end=own': unknown align 'hmm'; known: dtw, viterbi, openai"),
        (
            "dtw:end=own",
            "openai",
            "align 'dtw:end=own': unknown key 'end=own'; keys of dtw: grid, rows, punctuation, "
            "durations, silence, as key=value",
        ),
    ],
)
def test_an_unknown_preset_or_alignment_is_refused_with_the_known_ones(align, preset, message):
    with pytest.raises(InputError, match=re.escape(message)):
        make_systems(["attention"], [align], [preset])
