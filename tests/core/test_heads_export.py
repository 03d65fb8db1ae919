"""Heads exported to other systems: the rules of those systems read the same heads back."""

import base64
import gzip
import json
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from align_eval.errors import InputError
from align_eval.formats.heads_export import FORMS, export_heads, parse_heads, write_heads

TINY_EN = ((1, 0), (2, 0), (2, 5), (3, 0), (3, 1), (3, 2), (3, 3), (3, 4))
SHAPE = (4, 6)


@given(st.sets(st.tuples(st.integers(0, 3), st.integers(0, 5)), min_size=1))
def test_every_set_is_read_back_from_every_form(chosen):
    heads = sorted(chosen)
    assert parse_heads("+".join(f"{layer}.{head}" for layer, head in heads)) == tuple(heads)
    packed = base64.b85decode(export_heads(heads, SHAPE, "openai"))
    mask = np.frombuffer(gzip.decompress(packed), dtype=bool).reshape(SHAPE)  # as Whisper.set_alignment_heads reads it
    assert np.argwhere(mask).tolist() == [list(head) for head in heads]
    for form in ("transformers", "ctranslate2"):
        assert json.loads(export_heads(heads, SHAPE, form)) == {"alignment_heads": [list(head) for head in heads]}


def test_the_list_for_whisper_cpp_is_an_array_of_its_pairs_with_their_number():
    text = export_heads(TINY_EN, SHAPE, "whisper.cpp")
    assert "{{1, 0}, {2, 0}, {2, 5}, {3, 0}, {3, 1}, {3, 2}, {3, 3}, {3, 4}};" in text.splitlines()[0]
    assert "dtw_aheads = { 8, alignment_heads }" in text


def test_heads_are_sorted_without_repeats():
    assert json.loads(export_heads([(3, 1), (0, 2), (3, 1)], SHAPE, "transformers"))["alignment_heads"] == [
        [0, 2],
        [3, 1],
    ]


def test_an_existing_config_keeps_its_other_entries(tmp_path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"lang_ids": [1, 2], "alignment_heads": [[0, 0]], "ünïcode": "ß"}), encoding="utf-8")
    write_heads(path, TINY_EN, SHAPE, "ctranslate2")
    expected = {"lang_ids": [1, 2], "alignment_heads": [list(head) for head in TINY_EN], "ünïcode": "ß"}
    assert json.loads(path.read_text(encoding="utf-8")) == expected
    assert list(json.loads(path.read_text(encoding="utf-8"))) == list(expected)


def test_a_new_file_holds_the_entry_alone(tmp_path):
    for form in FORMS:
        write_heads(tmp_path / "new" / form, TINY_EN, SHAPE, form)
        assert (tmp_path / "new" / form).read_text() == export_heads(TINY_EN, SHAPE, form) + "\n"


@pytest.mark.parametrize(
    ("heads", "form", "match"),
    [
        (TINY_EN, "onnx", r"form 'onnx': is unknown; known: transformers, ctranslate2, whisper\.cpp, openai"),
        ((), "openai", "heads: there are none"),
        (((4, 0),), "openai", "there is no layer 4, head 0; layers are 0 to 3, heads 0 to 5"),
        (((0, 6),), "transformers", "there is no layer 0, head 6"),
        (((-1, 0),), "openai", "there is no layer -1, head 0"),
    ],
)
def test_an_unknown_form_and_heads_that_a_model_lacks_are_refused(heads, form, match):
    with pytest.raises(InputError, match=match):
        export_heads(heads, SHAPE, form)


@pytest.mark.parametrize("text", ["", "3", "a.b", "1.2.3", "1.2+"])
def test_text_that_is_not_heads_is_refused(text):
    with pytest.raises(InputError, match="are not heads"):
        parse_heads(text)


@pytest.mark.parametrize(
    ("content", "match"), [(b"[1]", "holds no JSON object"), (b"{", "is not JSON"), (b"\xff", "is not JSON")]
)
def test_another_file_is_refused_and_left_unchanged(tmp_path, content, match):
    path = tmp_path / "generation_config.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=f"^{re.escape(str(path))}: {match}"):
        write_heads(path, TINY_EN, SHAPE, "transformers")
    assert path.read_bytes() == content


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"file/heads: cannot be written"):
        write_heads(tmp_path / "file" / "heads", TINY_EN, SHAPE, "openai")
