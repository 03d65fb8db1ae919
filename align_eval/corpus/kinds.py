"""Kinds of corpora, and detection of the kind of a path.

The kind is detected from the content of the files, never from the name of a folder. If several kinds fit, the path is
refused and they are named.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path

from align_eval.corpus.file_search import (
    Files,
    is_sound,
    list_files,
    warn_of_broken_links,
    with_companions,
    with_suffix,
)
from align_eval.corpus.folder import METADATA_NAME, TEXTGRID_SUFFIX, Corpus, load_folder
from align_eval.corpus.sound.suffixes import AUDIO_SUFFIXES, MEDIA_SUFFIXES
from align_eval.errors import InputError, did_you_mean, listed
from align_eval.formats.textgrids import Tiers, wanted_tiers
from align_eval.language_names import check_language
from align_eval.reading import read_head
from align_eval.records import Utterance
from align_eval.text import DEFAULT_POLICY, LabelPolicy


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of corpus and its reader.

    Attributes
    ----------
    description : str
        Files of such a corpus, for ``align-eval list kinds``.
    module : str
        Module with ``detect(files)`` and ``load(path, files)``, or ``load(path, files, tier)`` if ``in_textgrids``.
    in_textgrids : bool
        Whether its words are in TextGrids, so that a tier can be chosen.
    """

    description: str
    module: str
    in_textgrids: bool = False


FOLDER = "folder"

KINDS = {
    "mfa": Kind(
        "TextGrids with one tier per speaker, `NAME - words`, beside audio", "align_eval.corpus.readers.mfa", True
    ),
    "timit": Kind(".WRD in samples beside SPHERE or WAV audio", "align_eval.corpus.readers.timit"),
    "buckeye": Kind(".words beside audio, cut at silences", "align_eval.corpus.readers.buckeye"),
    "librispeech": Kind(
        ".trans.txt, audio, and MFA's TextGrids or .alignment.txt lists", "align_eval.corpus.readers.librispeech", True
    ),
    "ami": Kind("words/MEETING.SPEAKER.words.xml and headset audio", "align_eval.corpus.readers.ami"),
    "kaldi": Kind("wav.scp, ctm, and text, segments, utt2spk where present", "align_eval.corpus.readers.kaldi"),
    "lhotse": Kind("manifests of cuts, or of recordings and supervisions", "align_eval.corpus.readers.lhotse"),
}
"""All kinds but ``folder`` (audio with TextGrids of the same name), which is assumed for everything else."""


def load_kind(
    path: Path,
    *,
    kind: str | None,
    tier: Tiers,
    language: str | None,
    speaker_characters: int | None,
    labels: LabelPolicy = DEFAULT_POLICY,
    to_score: bool = False,
) -> Corpus:
    """Load a corpus of any kind.

    Parameters
    ----------
    kind
        Kind of corpus; detected from the files if None.
    tier, language, speaker_characters, labels, to_score
        As for :func:`~align_eval.corpus.folder.load_folder`.

    Raises
    ------
    InputError
        If the kind or the language is unknown, several kinds fit, the path holds no corpus of the kind, or ``tier`` or
        ``labels`` is set for a kind without them.
    """
    if kind is not None and kind not in (FOLDER, *KINDS):
        kinds = (FOLDER, *KINDS)
        remedy = f"{did_you_mean(kind, kinds)}use one of {', '.join(kinds)}"
        raise InputError(f"kind {kind!r}", "there is no such kind of corpus", remedy)
    if language is not None:
        language = check_language(language, f"language {language!r}")
    if path.is_file():
        read_head(path, 1)  # raises if it cannot be read, since no kind can be detected then
    is_recording = is_sound(path)
    files = _beside(path) if is_recording else (path,) if path.is_file() else list_files(path)
    name, path = path.stem, path.parent if is_recording else path
    warn_of_broken_links(files, TEXTGRID_SUFFIX, *AUDIO_SUFFIXES, *MEDIA_SUFFIXES)
    kind = kind or detect_kind(path, files)
    if kind == FOLDER:
        corpus = load_folder(
            path,
            files=files if is_recording else None,
            tier=tier,
            language=language,
            speaker_characters=speaker_characters,
            labels=labels,
            to_score=to_score,
        )
        return replace(corpus, name=name) if is_recording else corpus
    if labels != DEFAULT_POLICY:
        problem = f"a corpus of kind {kind} has labels of its own, which its reader knows"
        raise InputError(path, problem, "leave --keep-label and --drop-label out")
    if wanted_tiers(tier) and not KINDS[kind].in_textgrids:
        raise InputError(path, f"a corpus of kind {kind} has no tiers", "leave --tier out")
    load: Callable[..., Corpus] = import_module(KINDS[kind].module).load
    corpus = load(path, files, tier) if KINDS[kind].in_textgrids else load(path, files)
    if not corpus.utterances and not corpus.failures:
        raise InputError(path, f"holds no utterances of kind {kind}", "check the path, or name another --kind")
    utterances = tuple(_completed(u, language, speaker_characters) for u in corpus.utterances)
    return replace(corpus, name=name if is_recording else corpus.name, utterances=utterances)


def _beside(audio: Path) -> Files:
    """One recording and the files of its name beside it.

    Raises
    ------
    InputError
        If there are none, and hence no reference words.
    """
    files = with_companions(audio)
    if files == (audio,):
        to_align = shlex.join(["align-eval", "align", str(audio), "--text", "..."])
        problem = f"has no reference words beside it ({audio.with_suffix('.TextGrid').name})"
        raise InputError(audio, problem, f"add them to score word times, or align a text that you know: {to_align}")
    return files


def detect_kind(path: Path, files: Files) -> str:
    """Detect the kind of a corpus from its files; ``folder`` if no other kind fits.

    Raises
    ------
    InputError
        If several kinds fit.
    """
    evidence = {name: import_module(kind.module).detect(files) for name, kind in KINDS.items()}
    fitting = {name: file for name, file in evidence.items() if file is not None}
    folder_file = next((file for file in files if file.name == METADATA_NAME), None)
    if folder_file is None and fitting and not any(KINDS[name].in_textgrids for name in fitting):
        folder_file = next(iter(with_suffix(files, TEXTGRID_SUFFIX)), None)
    if fitting and folder_file is not None:
        fitting[FOLDER] = folder_file
    if len(fitting) > 1:
        kinds = listed(f"{name} ({file.name})" for name, file in fitting.items())
        raise InputError(path, f"may be of several kinds: {kinds}", "name one with --kind")
    return next(iter(fitting), FOLDER)


def _completed(u: Utterance, language: str | None, speaker_characters: int | None) -> Utterance:
    speaker = Path(u.id).name[:speaker_characters] if speaker_characters else u.speaker
    return replace(u, language=u.language or language, speaker=speaker)
