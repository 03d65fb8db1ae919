"""The kinds of corpora that can be read, and which one a path holds.

A kind is told by what its files contain, never by the name of a folder. Where several fit, nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path

from align_eval.corpus.file_search import Files, list_files, with_suffix
from align_eval.corpus.folder import METADATA_NAME, TEXTGRID_SUFFIX, Corpus, load_folder
from align_eval.errors import InputError
from align_eval.records import Utterance


@dataclass(frozen=True, slots=True)
class Kind:
    """A reader: ``module`` has ``detect(files)`` and ``load(path, files)``, with ``tier`` too ``in_textgrids``."""

    description: str
    module: str
    in_textgrids: bool = False


FOLDER = "folder"

KINDS = {
    "mfa": Kind("TextGrids with a tier a speaker, `NAME - words`, beside audio", "align_eval.corpus.readers.mfa", True),
    "timit": Kind(".WRD in samples beside SPHERE or WAV audio", "align_eval.corpus.readers.timit"),
    "buckeye": Kind(".words beside audio, cut at silences", "align_eval.corpus.readers.buckeye"),
    "librispeech": Kind(
        ".trans.txt, audio, and MFA's TextGrids or .alignment.txt lists", "align_eval.corpus.readers.librispeech", True
    ),
    "ami": Kind("words/MEETING.SPEAKER.words.xml and headset audio", "align_eval.corpus.readers.ami"),
    "kaldi": Kind("wav.scp, ctm, and text, segments, utt2spk where present", "align_eval.corpus.readers.kaldi"),
    "lhotse": Kind("manifests of cuts, or of recordings and supervisions", "align_eval.corpus.readers.lhotse"),
}
"""Beside the kind ``folder``, audio with a TextGrid of the same name, which is what anything else is taken for."""


def load_kind(
    path: Path, *, kind: str | None, tier: str | None, language: str | None, speaker_characters: int | None
) -> Corpus:
    """Load a corpus of a kind, or of the one that its files say.

    Raises
    ------
    InputError
        Where there is no such kind, several fit, the path holds no such corpus, or a tier is named and there are none.
    """
    if kind is not None and kind not in (FOLDER, *KINDS):
        raise InputError(f"kind {kind!r}", "there is no such kind of corpus", f"one of {', '.join((FOLDER, *KINDS))}")
    files = (path,) if path.is_file() else list_files(path)
    found = kind or detect_kind(path, files)
    if found == FOLDER:
        return load_folder(path, tier=tier, language=language, speaker_characters=speaker_characters)
    if tier is not None and not KINDS[found].in_textgrids:
        raise InputError(path, f"a corpus of kind {found} has no tiers", "leave --tier out")
    load: Callable[..., Corpus] = import_module(KINDS[found].module).load
    corpus = load(path, files, tier) if KINDS[found].in_textgrids else load(path, files)
    if not corpus.utterances and not corpus.failures:
        raise InputError(path, f"holds no utterances of kind {found}", "check the path, or name another --kind")
    return replace(corpus, utterances=tuple(_completed(u, language, speaker_characters) for u in corpus.utterances))


def detect_kind(path: Path, files: Files) -> str:
    """The kind of a corpus by its files.

    Raises
    ------
    InputError
        Where several kinds fit.
    """
    evidence = {name: import_module(kind.module).detect(files) for name, kind in KINDS.items()}
    fitting = {name: file for name, file in evidence.items() if file is not None}
    own = next((file for file in files if file.name == METADATA_NAME), None)
    if own is None and fitting and not any(KINDS[name].in_textgrids for name in fitting):
        own = next(iter(with_suffix(files, TEXTGRID_SUFFIX)), None)
    if fitting and own is not None:
        fitting[FOLDER] = own
    if len(fitting) > 1:
        listed = ", ".join(f"{name} ({file.name})" for name, file in fitting.items())
        raise InputError(path, f"may be of several kinds: {listed}", "name one with --kind")
    return next(iter(fitting), FOLDER)


def _completed(u: Utterance, language: str | None, speaker_characters: int | None) -> Utterance:
    speaker = Path(u.id).name[:speaker_characters] if speaker_characters else u.speaker
    return replace(u, language=u.language or language, speaker=speaker)
