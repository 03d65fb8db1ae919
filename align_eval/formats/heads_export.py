"""Alignment heads in the formats of other systems. Heads are pairs (layer, head), counted from 0.

transformers
    The entry ``alignment_heads`` of ``generation_config.json``: a list of pairs.
ctranslate2
    The same entry in the ``config.json`` of a converted model folder, which faster-whisper reads.
whisper.cpp
    An array of ``whisper_ahead`` for ``whisper_context_params.dtw_aheads``, with the preset ``WHISPER_AHEADS_CUSTOM``.
openai
    The argument of ``Whisper.set_alignment_heads``: a mask ``bool[n_layers, n_heads]``, compressed by gzip, in base85.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from align_eval.errors import InputError, did_you_mean
from align_eval.formats.atomic import write_text, writing

Head = tuple[int, int]
Shape = tuple[int, int]
"""Number of layers, and of heads per layer."""


def parse_heads(text: str) -> tuple[Head, ...]:
    """Read heads written as ``2.1+3.0``, as in the key ``heads`` of the source ``attention``.

    Raises
    ------
    InputError
        If the text has another form.
    """
    try:
        pairs = [pair.split(".") for pair in text.split("+")]
        return tuple((int(layer), int(head)) for layer, head in pairs)
    except ValueError as error:
        raise InputError(f"heads {text!r}", "are not heads", "write them as 2.1+3.0: layer.head, from 0") from error


def json_entry(heads: Sequence[Head], shape: Shape) -> str:
    """A JSON object with the entry of transformers and CTranslate2."""
    del shape
    return json.dumps({"alignment_heads": [list(head) for head in heads]})


def whisper_cpp_list(heads: Sequence[Head], shape: Shape) -> str:
    """C code of the array for ``whisper_aheads``, with the settings that use it."""
    del shape
    listed = ", ".join(f"{{{layer}, {head}}}" for layer, head in heads)
    return (
        f"static const whisper_ahead alignment_heads[] = {{{listed}}};\n"
        "// params.dtw_token_timestamps = true; params.dtw_aheads_preset = WHISPER_AHEADS_CUSTOM;\n"
        f"// params.dtw_aheads = {{ {len(heads)}, alignment_heads }}; turn flash attention off: it yields no weights"
    )


def openai_mask(heads: Sequence[Head], shape: Shape) -> str:
    """The mask of openai-whisper in base85; equal heads give equal text."""
    mask = np.zeros(shape, dtype=np.bool_)
    for head in heads:
        mask[head] = True
    return base64.b85encode(gzip.compress(mask.tobytes(), mtime=0)).decode("ascii")


FORMS: Mapping[str, Callable[[Sequence[Head], Shape], str]] = {
    "transformers": json_entry,
    "ctranslate2": json_entry,
    "whisper.cpp": whisper_cpp_list,
    "openai": openai_mask,
}
JSON_FORMS = ("transformers", "ctranslate2")


def export_heads(heads: Sequence[Head], shape: Shape, form: str) -> str:
    """Format heads for another system, sorted and without repeats.

    Parameters
    ----------
    form
        A name of :data:`FORMS`.

    Raises
    ------
    InputError
        If the form is unknown, there are no heads, or the model lacks one of them.
    """
    if form not in FORMS:
        raise InputError(f"form {form!r}", "is unknown", f"{did_you_mean(form, FORMS)}known: {', '.join(FORMS)}")
    if not heads:
        raise InputError("heads", "there are none", "choose at least one")
    check_heads(heads, shape)
    return FORMS[form](sorted(set(heads)), shape)


def check_heads(heads: Iterable[Head], shape: Shape) -> None:
    """Raise if a model of that shape lacks one of the heads.

    Raises
    ------
    InputError
        If it does.
    """
    for layer, head in heads:
        if not (0 <= layer < shape[0] and 0 <= head < shape[1]):
            problem = f"there is no layer {layer}, head {head}"
            raise InputError("heads", problem, f"layers are 0 to {shape[0] - 1}, heads 0 to {shape[1] - 1}")


def write_heads(path: Path, heads: Sequence[Head], shape: Shape, form: str) -> None:
    """Write heads for another system (see :func:`export_heads`). An existing JSON file keeps its other entries.

    Raises
    ------
    InputError
        As in :func:`export_heads`, and if the file holds something else or cannot be written.
    """
    text = export_heads(heads, shape, form)
    with writing(path):
        if form in JSON_FORMS and path.exists():
            text = json.dumps({**_read_object(path, form), **json.loads(text)}, ensure_ascii=False, indent=2)
        write_text(path, text + "\n")


def _read_object(path: Path, form: str) -> dict[str, Any]:
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(
            path, f"is not JSON in UTF-8 ({error})", "name the model's config file, or a new file"
        ) from error
    if not isinstance(config, dict):
        raise InputError(path, "holds no JSON object", f"name the config of the {form} model, or a new file")
    return config
