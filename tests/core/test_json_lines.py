"""JSON tables with one entry per line: valid JSON, read one entry at a time, refused if cut short."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from align_eval.errors import InputError
from align_eval.formats.atomic import is_file_name
from align_eval.formats.json_file import Kind
from align_eval.formats.run.json_lines import entries_writer, read_entries

KIND = Kind("is no table", "write it again")

values = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


ids = st.text(st.characters(exclude_categories=["C", "Zl", "Zp"]), min_size=1).filter(is_file_name)


@given(entries=st.dictionaries(ids, values))
def test_a_table_is_valid_json_and_is_read_back_in_order(tmp_path_factory, entries):
    path = tmp_path_factory.getbasetemp() / "entries.json"  # one file for all cases: one folder per case takes longer
    with entries_writer(path, '{"schema": 1, "table": {', "}}") as put:
        for key, value in entries.items():
            put({key: value})
    assert json.loads(path.read_text(encoding="utf-8")) == {"schema": 1, "table": entries}
    assert list(read_entries(path, Any, KIND)) == list(entries.items())


def test_a_missing_file_has_no_entries(tmp_path):
    assert list(read_entries(tmp_path / "none.json", Any, KIND)) == []


@pytest.mark.parametrize("text", ["", "{", '{"a": 1}\n', '{\n"a": 1,\n', '{\n"a": 1', '{\n"a": \n}\n'])
def test_a_table_that_is_cut_short_or_on_one_line_is_refused(tmp_path, text):
    (tmp_path / "table.json").write_text(text)
    with pytest.raises(InputError, match=r"table\.json.*: is no table \(.*(does not end in|is cut short|no JSON)"):
        list(read_entries(tmp_path / "table.json", Any, KIND))


def test_an_id_that_cannot_name_a_file_is_refused_and_other_entries_are_read(tmp_path):
    (tmp_path / "table.json").write_text('{\n"a": 1,\n"../b": 2\n}\n')
    entries = read_entries(tmp_path / "table.json", Any, KIND)
    assert next(entries) == ("a", 1)
    with pytest.raises(InputError, match=r"table\.json, line 3: the name '\.\./b' cannot name a file"):
        next(entries)


def test_a_table_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "taken").write_text("a file, where a folder is needed")
    match = r"table\.json: cannot be written \("
    with pytest.raises(InputError, match=match), entries_writer(tmp_path / "taken" / "table.json"):
        pass
