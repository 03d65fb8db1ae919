"""Reader of the AMI meeting corpus (Carletta et al. 2005): ``words/MEETING.AGENT.words.xml`` and headset audio.

``corpusResources/meetings.xml`` states the channel and the global name of each agent. Without it agent A is on
``MEETING.Headset-0.wav``, B on 1 and so on, and each agent is a speaker of that meeting alone. Without headset audio
``MEETING.Mix-Headset.wav`` is used and cut around the words of the other agents. Word times are automatic.

Punctuation is attached to the word before it. Recordings are cut around words without times and around gaps in the
transcription.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from align_eval.corpus.failing import failure_of
from align_eval.corpus.file_search import Files, audio_by_stem, identity, the_one, with_suffix
from align_eval.corpus.folder import Corpus, check_inside
from align_eval.corpus.readers.segmentation import Span
from align_eval.corpus.readers.utterances import cut_recording, make_corpus, make_word, whole_file, without_overlaps
from align_eval.errors import InputError
from align_eval.formats.nite_xml import Entry, attribute, local, read_xml, word_entries
from align_eval.records import Failure, Utterance, Word
from align_eval.text import composed, label_kind, too_long

SUFFIX = ".words.xml"
MEETINGS = "meetings.xml"

_NAME = re.compile(r"(\w+)\.([A-Z])\.words\.xml", re.IGNORECASE)


def detect(files: Files) -> Path | None:
    """Find a file that only an AMI corpus has."""
    return next((path for path in with_suffix(files, SUFFIX) if _NAME.fullmatch(path.name)), None)


def load(path: Path, files: Files) -> Corpus:
    """Load every agent of every meeting, cut at pauses."""
    audio = audio_by_stem(files)
    utterances: list[Utterance] = []
    failures: list[Failure] = []
    marks: Counter[str] = Counter()
    agents: dict[tuple[str, str], tuple[int, str]] = {}
    for file in files:
        if file.name.lower() == MEETINGS:
            try:
                agents |= read_meetings(file)
            except Exception as error:
                failures.append(failure_of(identity(file, path), error))
    for meeting, agent_files in _files_by_meeting(files).items():
        speech: dict[str, tuple[list[Word], list[Span]]] = {}
        for agent, file in agent_files.items():
            try:
                speech[agent] = timed_words(list(word_entries(read_xml(file), file)), marks)
            except Exception as error:
                failures.append(failure_of(f"{meeting}.{agent}", error))
        all_read = len(speech) == len(agent_files)
        for agent in speech:
            channel, speaker = agents.get((meeting.lower(), agent), (ord(agent) - ord("A"), f"{meeting}.{agent}"))
            try:
                sound, is_headset = _sound(audio, meeting, channel, agent_files[agent], all_read)
                template = whole_file(
                    f"{meeting}.{agent}", sound, (), speaker=speaker, reference="automatic", language="en",
                    recording=meeting,
                )  # fmt: skip
                agent_utterances, too_long = _utterances(template, agent_files[agent], speech, agent, is_headset)
            except Exception as error:
                failures.append(failure_of(f"{meeting}.{agent}", error))
                continue
            utterances += agent_utterances
            failures += too_long
    return make_corpus(path, "ami", utterances, failures, marks)


def _files_by_meeting(files: Files) -> dict[str, dict[str, Path]]:
    """Files of words by meeting and agent."""
    meetings: dict[str, dict[str, Path]] = {}
    for file in with_suffix(files, SUFFIX):
        match = _NAME.fullmatch(composed(file.name))
        if match is not None:
            meetings.setdefault(match[1], {})[match[2].upper()] = file
    return meetings


def _sound(audio: dict[str, list[Path]], meeting: str, channel: int, file: Path, all_read: bool) -> tuple[Path, bool]:
    """Audio of an agent, and whether it is the headset; the mix is used only if the words of all agents were read."""
    headset = audio.get(f"{meeting}.headset-{channel}".lower(), [])
    mixed = audio.get(f"{meeting}.mix-headset".lower(), []) if all_read else []
    what = f"{meeting}.Headset-{channel}.wav" + (f" or {meeting}.Mix-Headset.wav" if all_read else "")
    return the_one(headset or mixed, file, what), bool(headset)


def _utterances(
    template: Utterance, file: Path, speech: dict[str, tuple[list[Word], list[Span]]], agent: str, is_headset: bool
) -> tuple[list[Utterance], list[Failure]]:
    """Cut the recording of an agent; in the mix, around the other agents too."""
    words, gaps = speech[agent]
    barriers = list(gaps)
    for other, (other_words, other_gaps) in speech.items():
        if other != agent and not is_headset:
            barriers += [*other_gaps, *((w.start_s, w.end_s) for w in other_words)]
    parted = without_overlaps(words, file)
    check_inside(parted, template.duration_s, file)
    return cut_recording(template, parted, barriers)


def timed_words(entries: list[Entry], marks: Counter[str]) -> tuple[list[Word], list[Span]]:
    """Words with their punctuation, and the spans of speech without words or times.

    Parameters
    ----------
    entries
        Entries of one agent, in the order of the file.
    marks
        Counter to which everything that is not a word is added.
    """
    words: list[Word] = []
    gaps: list[Span] = []
    last_end_s = 0.0
    next_starts_s = _next_starts_s(entries)
    for entry, next_start_s in zip(entries, next_starts_s, strict=True):
        if entry.kind == "noise":
            marks[f"<{entry.text}>"] += 1
        elif entry.kind == "punctuation":
            if words and words[-1].end_s == last_end_s:
                words[-1] = Word(words[-1].text + entry.text, words[-1].start_s, words[-1].end_s)
        elif entry.start_s is None or entry.end_s is None:
            marks[f"<{entry.kind} without times>"] += 1
            gaps.append((last_end_s, max(last_end_s, last_end_s if next_start_s is None else next_start_s)))
        elif entry.kind == "gap" or label_kind(entry.text) != "word" or entry.end_s <= entry.start_s:
            kind = "too long" if too_long(entry.text) else "of no length"
            marks[f"<{entry.text}>" if entry.kind == "gap" else f"<{entry.kind} {kind}>"] += 1
            gaps.append((entry.start_s, max(entry.start_s, entry.end_s)))
        else:
            words.append(make_word(entry.text, entry.start_s, entry.end_s, entry.place))
        last_end_s = entry.end_s if entry.end_s is not None and entry.kind != "noise" else last_end_s
    return words, gaps


def read_meetings(path: Path) -> dict[tuple[str, str], tuple[int, str]]:
    """Read ``meetings.xml``: channel and global name by meeting (in lower case) and agent."""
    agents = {}
    for meeting in read_xml(path):
        observation = attribute(meeting, "observation")
        for speaker in meeting:
            if observation is None or local(str(speaker.tag)) != "speaker":
                continue
            agent, channel, name = (attribute(speaker, key) for key in ("nxt_agent", "channel", "global_name"))
            if agent is None or channel is None or not channel.isdecimal() or len(channel) > 3:
                raise InputError(path, f"a speaker of {observation} has no agent or channel", "correct it")
            agents[observation.lower(), agent.upper()] = (int(channel), name or f"{observation}.{agent}")
    return agents


def _next_starts_s(entries: Sequence[Entry]) -> list[float | None]:
    """For each entry the start of the next timed word, before which untimed words were spoken; None after the last."""
    starts_s: list[float | None] = []
    next_s: float | None = None
    for entry in reversed(entries):
        starts_s.append(next_s)
        next_s = entry.start_s if entry.start_s is not None and entry.kind == "word" else next_s
    return starts_s[::-1]
