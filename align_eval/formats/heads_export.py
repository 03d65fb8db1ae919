"""Sets of alignment heads in the forms that other systems read them in. Pairs are (layer, head), counted from 0.

transformers
    The entry ``alignment_heads`` of ``generation_config.json``: a list of pairs.
ctranslate2
    The entry ``alignment_heads`` of the ``config.json`` of a converted folder, which faster-whisper reads: the same.
whisper.cpp
    An array of ``whisper_ahead`` for ``whisper_context_params.dtw_aheads``, with the preset ``WHISPER_AHEADS_CUSTOM``.
openai
    What ``Whisper.set_alignment_heads`` takes: a mask ``(layer, head)`` of bytes, compressed by gzip, in base85.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from align_eval.errors import InputError
from align_eval.formats.atomic import writing

Head = tuple[int, int]
Shape = tuple[int, int]
"""How many layers, and heads a layer."""


def format_heads(heads: Sequence[Head]) -> str:
    """Heads as the key ``heads`` of the source ``attention`` takes them: ``2.1+3.0``."""
    return "+".join(f"{layer}.{head}" for layer, head in heads)


def parse_heads(text: str) -> tuple[Head, ...]:
    """Read ``2.1+3.0``.

    Raises
    ------
    InputError
        Where it is something else.
    """
    try:
        pairs = [pair.split(".") for pair in text.split("+")]
        return tuple((int(layer), int(head)) for layer, head in pairs)
    except ValueError as error:
        raise InputError(f"heads {text!r}", "are no heads", "give them as 2.1+3.0: layer and head, from 0") from error


def json_entry(heads: Sequence[Head], shape: Shape) -> str:
    """The JSON entry of transformers and CTranslate2, an object with that one key."""
    del shape
    return json.dumps({"alignment_heads": [list(head) for head in heads]})


def whisper_cpp_list(heads: Sequence[Head], shape: Shape) -> str:
    """A C array for ``whisper_aheads`` and how it is given."""
    del shape
    listed = ", ".join(f"{{{layer}, {head}}}" for layer, head in heads)
    return (
        f"static const whisper_ahead alignment_heads[] = {{{listed}}};\n"
        "// params.dtw_token_timestamps = true; params.dtw_aheads_preset = WHISPER_AHEADS_CUSTOM;\n"
        f"// params.dtw_aheads = {{ {len(heads)}, alignment_heads }}; and flash attention off, which yields no weights"
    )


def openai_mask(heads: Sequence[Head], shape: Shape) -> str:
    """A mask in base85; the same bytes each time."""
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
    """Heads in the form of another system, layer by layer.

    Raises
    ------
    InputError
        Where the form is unknown, or there is no head, or one that the model does not have.
    """
    if form not in FORMS:
        raise InputError(f"form {form!r}", "is unknown", f"known: {', '.join(FORMS)}")
    if not heads:
        raise InputError("heads", "there are none", "give at least one")
    for layer, head in heads:
        if not (0 <= layer < shape[0] and 0 <= head < shape[1]):
            problem = f"there is no layer {layer}, head {head}"
            raise InputError("heads", problem, f"layers are 0 to {shape[0] - 1}, heads 0 to {shape[1] - 1}")
    return FORMS[form](sorted(set(heads)), shape)


def write_heads(path: Path, heads: Sequence[Head], shape: Shape, form: str) -> None:
    """Write heads in the form of another system; a JSON file that is there keeps all its other entries.

    Raises
    ------
    InputError
        As of :func:`export_heads`, and where the file holds something else or cannot be written.
    """
    text = export_heads(heads, shape, form)
    with writing(path):
        if form in JSON_FORMS and path.exists():
            text = json.dumps({**_read_object(path, form), **json.loads(text)}, ensure_ascii=False, indent=2)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n", encoding="utf-8")


def _read_object(path: Path, form: str) -> dict[str, Any]:
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(path, f"is no JSON in UTF-8 ({error})", "give the model's own file, or a new one") from error
    if not isinstance(config, dict):
        raise InputError(path, "holds no JSON object", f"give the model's own file, or a new one, to {form}")
    return config
