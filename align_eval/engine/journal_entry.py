"""Results of utterances from the JSON of the journal. A result that does not fit its utterance is refused."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from align_eval.engine.utterance import Result
from align_eval.records import FlatRows, Pairing, Unit, Utterance, Word
from align_eval.systems import System


def unpack(plain: Any, utterance: Utterance, systems: Sequence[System]) -> Result:
    """Read a result of all systems on an utterance.

    Raises
    ------
    ValueError
        Where it is none: types, systems, numbers of words, texts of the reference, finite times in order.
    """
    try:
        json.dumps(plain, allow_nan=False)  # raises for numbers that are not finite
        by_name = {(system.source.text, system.aligner.text): system for system in systems}
        names = [(source, align) for source, align in plain["systems"]]
        if sorted(names) != sorted(by_name):
            raise ValueError(f"is of the systems {names}")
        timed = {
            by_name[name]: tuple(_word(*word) for word in words)
            for name, words in zip(names, plain["words"], strict=True)
        }
        pairing = None if plain["pairing"] is None else _pairing(plain["pairing"], utterance, timed)
        if pairing is None:
            _check_texts(utterance, timed)
        details = {source: _table(of) for source, of in _table(plain["details"]).items()}
        flat_rows = tuple(_flat_rows(**rows) for rows in plain["flat_rows"])
    except (LookupError, TypeError, AttributeError, ArithmeticError, RecursionError) as error:
        raise ValueError(f"holds no result ({error})") from error
    return Result(words=timed, details=details, pairing=pairing, flat_rows=flat_rows)


def _word(text: Any, start_s: Any, end_s: Any, confidence: Any) -> Word:
    numbers = [start_s, end_s] if confidence is None else [start_s, end_s, confidence]
    if type(text) is not str or any(type(number) not in (int, float) for number in numbers):
        raise ValueError(f"word {text!r} is of other types")
    return Word(text, start_s, end_s, confidence)


def _check_texts(utterance: Utterance, timed: dict[System, tuple[Word, ...]]) -> None:
    texts = [word.text for word in utterance.words]
    if any([word.text for word in words] != texts for words in timed.values()):
        raise ValueError("holds other words than the reference")


def _pairing(plain: dict[str, Any], utterance: Utterance, timed: dict[System, tuple[Word, ...]]) -> Pairing:
    """The pairing of the reference with the words, which are the same for all systems."""
    texts = {tuple(word.text for word in words) for words in timed.values()}
    n_hypothesis = len(next(iter(texts)))
    if len(texts) != 1 or (plain["n_reference"], plain["n_hypothesis"]) != (len(utterance.words), n_hypothesis):
        raise ValueError("its pairing is of other words")
    units = tuple(Unit(_indices(u["reference"]), _indices(u["hypothesis"]), u["same"]) for u in plain["units"])
    if not all(unit.reference and unit.hypothesis and type(unit.same) is bool for unit in units):
        raise ValueError("a unit of its pairing holds no words")
    listed = {name: _indices(plain[name]) for name in ("deleted", "inserted", "ignored")}
    return Pairing(units, n_reference=len(utterance.words), n_hypothesis=n_hypothesis, **listed)


def _indices(plain: Any) -> tuple[int, ...]:
    if not isinstance(plain, list) or any(type(index) is not int for index in plain):
        raise ValueError(f"{plain!r:.40} is no list of indices")
    return tuple(plain)


def _flat_rows(source: Any, n_flat: Any, n_rows: Any) -> FlatRows:
    if type(source) is not str or type(n_flat) is not int or type(n_rows) is not int or not 0 <= n_flat <= n_rows:
        raise ValueError(f"{n_flat!r:.40} of {n_rows!r:.40} rows of {source!r:.40} are flat")
    return FlatRows(source, n_flat, n_rows)


def _table(plain: Any) -> dict[str, Any]:
    if not isinstance(plain, dict):
        raise ValueError(f"{plain!r:.40} is no table")
    return plain
