"""The section with the table of words: the words that fit, as plain numbers for the script of the page.

Times are in tenths of a millisecond, finer than any frame. No score is computed from them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from align_eval.reporting.html.embed import LONGEST_S, STRETCH_S, UNITS_PER_S, Media
from align_eval.reporting.run_view import RunView, stack_of
from align_eval.reporting.word_columns import WordColumns
from align_eval.scoring.boundaries import Floats

KINDS = (("spectrogram", "a spectrogram"), ("audio", "sound"))
"""Parts of an entry of media, with their names in a sentence."""


def words_bytes(n_words: int, n_systems: int) -> int:
    """Approximate size of words on the page: 14 bytes per word and system, and 60 per word."""
    return n_words * (14 * n_systems + 60)


def select_words(columns: WordColumns, ranking: Sequence[int], room_bytes: float) -> list[int]:
    """Select the top-ranked words that fit, in the order of the table; at least one."""
    n = min(len(ranking), max(1, int(room_bytes / words_bytes(1, len(columns.errors_s)))))
    return sorted(ranking[:n]) if n < len(ranking) else list(range(len(columns.text)))


def pack_words(
    view: RunView,
    columns: WordColumns,
    selected: Sequence[int],
    pair: tuple[str | None, str | None],
    rho: Floats | None,
) -> dict[str, Any]:
    """The data of the table: integers and text, None for a missing time.

    Parameters
    ----------
    selected
        Numbers of the words in ``columns``.
    pair
        The two systems that the table compares first.
    rho
        Agreement of each word of ``columns``, ``float64[n_words]``, if it was measured.
    """
    rows = np.array(selected, dtype=np.int64)
    ids = list(dict.fromkeys(columns.utterance[i] for i in selected))
    number = {id_: i for i, id_ in enumerate(ids)}
    systems = list(columns.errors_s)
    data: dict[str, Any] = {
        "utterances": [_utterance(id_, columns.utterance_rows[id_]) for id_ in ids],
        "utterance": [number[columns.utterance[i]] for i in selected],
        "index": [columns.index[i] for i in selected],
        "text": [columns.text[i] for i in selected],
        "start": _integers(columns.start_s[rows]),
        "end": _integers(columns.end_s[rows]),
        "errors": [[_integers(edge[rows]) for edge in columns.errors_s[system]] for system in systems],
    }
    if columns.recognised is not None:
        data["heard"] = [columns.recognised[i] for i in selected]
    if rho is not None:
        data["rho"] = [None if np.isnan(value) else round(float(value), 3) for value in rho[rows]]
    data["systems"] = [_system(view, name) for name in systems]
    data["pair"] = [systems.index(name) if name is not None else None for name in pair]
    return data


def words_note(n_selected: int, n_words: int, media: Media, *, has_sources: bool, audio: bool) -> list[str]:
    """Sentences on everything that the page lacks.

    Parameters
    ----------
    n_selected, n_words
        Words on the page, and words of the run.
    has_sources
        Whether any system has maps to save.
    audio
        Whether sound was requested.
    """
    notes = []
    if n_selected < n_words:
        notes.append(f"{n_selected} of {n_words} words are on this page, those of the largest errors and differences.")
    entries = [parts[0] for parts in media.entries.values()]
    n_mapped = sum(bool(entry["maps"]) for entry in entries)
    counts = [(sum(key in entry for entry in entries), name) for key, name in KINDS]
    if has_sources:
        counts.insert(0, (n_mapped, "maps"))
    listed = ", ".join(f"{count or 'none'} with {name}" for count, name in counts if count < media.n_utterances)
    if listed:
        notes.append(f"{media.n_utterances} utterances: {listed}.")
    if has_sources and not n_mapped:
        notes.append("To see maps, run with --keep maps.")
    if not audio:
        notes.append("Sound was left out on request.")
    if media.has_stretches:
        notes.append(
            f"Of utterances over {LONGEST_S:g} s, the page has the {STRETCH_S:g} s around words of largest error."
        )
    if media.left_out:
        n_left_out = len(media.left_out)
        notes.append(f"Left out to limit the size of the file: {n_left_out} of {media.n_utterances} utterances.")
    return notes


def _utterance(id_: str, row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": id_,
        "speaker": row["speaker"],
        "reference": row["reference"],
        "audio": row["audio"],
        "offset": _integer(row["offset_s"]),
        "duration": _integer(row["duration_s"]),
    }


def _system(view: RunView, name: str) -> dict[str, Any]:
    system = next(system for stratum in view.strata for system in stratum.systems if system.name == name)
    return {"name": system.label, "spec": system.name, "family": system.family, "stack": stack_of(system.source)}


def _integer(value: float) -> int:
    return round(value * UNITS_PER_S)


def _integers(values: Floats) -> list[int | None]:
    return [None if np.isnan(value) else _integer(float(value)) for value in values]
