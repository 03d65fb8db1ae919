"""The AMI meeting corpus (Carletta et al. 2005): ``words/MEETING.AGENT.words.xml`` and each agent's headset.

``corpusResources/meetings.xml``, where it is there, says each agent's channel and global name; without it agent A is
heard on ``MEETING.Headset-0.wav``, B on 1 and so on, and is a speaker of this meeting alone. Where there is no headset
``MEETING.Mix-Headset.wav`` is used, and cut around what others say at the same time. Word times are automatic.

Punctuation is written behind its word. Words without times, and gaps in the transcription, are cut around.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

from align_eval.corpus.audio import AUDIO_SUFFIXES
from align_eval.corpus.file_search import Files, by_stem, the_one, with_suffix
from align_eval.corpus.folder import Corpus, check_inside
from align_eval.corpus.readers.segmentation import Span
from align_eval.corpus.readers.utterances import cut_recording, make_corpus, make_word, whole_file, without_overlaps
from align_eval.errors import InputError
from align_eval.formats.nite_xml import Entry, attribute, local, read_xml, word_entries
from align_eval.records import Failure, Utterance, Word
from align_eval.text import label_kind

SUFFIX = ".words.xml"
MEETINGS = "meetings.xml"

_NAME = re.compile(r"(\w+)\.([A-Z])\.words\.xml", re.IGNORECASE)


def detect(files: Files) -> Path | None:
    """A file that says that this is AMI."""
    return next((path for path in with_suffix(files, SUFFIX) if _NAME.fullmatch(path.name)), None)


def load(path: Path, files: Files) -> Corpus:
    """Every agent of every meeting, cut at pauses."""
    audio = by_stem(files, *AUDIO_SUFFIXES)
    utterances: list[Utterance] = []
    failures: list[Failure] = []
    marks: Counter[str] = Counter()
    agents: dict[tuple[str, str], tuple[int, str]] = {}
    for file in files:
        if file.name.lower() == MEETINGS:
            agents |= read_meetings(file)
    meetings: dict[str, dict[str, Path]] = {}
    for file in with_suffix(files, SUFFIX):
        match = _NAME.fullmatch(file.name)
        if match is not None:
            meetings.setdefault(match[1], {})[match[2].upper()] = file
    for meeting, of_agents in meetings.items():
        spoken: dict[str, tuple[list[Word], list[Span]]] = {}
        for agent, file in of_agents.items():
            try:
                spoken[agent] = timed_words(list(word_entries(read_xml(file), file)), marks)
            except InputError as error:
                failures.append(Failure(f"{meeting}.{agent}", str(error)))
        whole = len(spoken) == len(of_agents)
        for agent in spoken:
            channel, speaker = agents.get((meeting.lower(), agent), (ord(agent) - ord("A"), f"{meeting}.{agent}"))
            try:
                sound, alone = _sound(audio, meeting, channel, of_agents[agent], whole)
                template = whole_file(
                    f"{meeting}.{agent}", sound, (), speaker=speaker, reference="automatic", language="en",
                    recording=meeting,
                )  # fmt: skip
                pieces, too_long = _pieces(template, of_agents[agent], spoken, agent, alone)
            except InputError as error:
                failures.append(Failure(f"{meeting}.{agent}", str(error)))
                continue
            utterances += pieces
            failures += too_long
    return make_corpus(path, "ami", utterances, failures, marks)


def _sound(audio: dict[str, list[Path]], meeting: str, channel: int, file: Path, whole: bool) -> tuple[Path, bool]:
    """Where an agent is heard, and whether alone; the mix of all is of use only where all that is said is known."""
    headset = audio.get(f"{meeting}.headset-{channel}".lower(), [])
    mixed = audio.get(f"{meeting}.mix-headset".lower(), []) if whole else []
    what = f"{meeting}.Headset-{channel}.wav" + (f" or {meeting}.Mix-Headset.wav" if whole else "")
    return the_one(headset or mixed, file, what), bool(headset)


def _pieces(
    template: Utterance, file: Path, spoken: dict[str, tuple[list[Word], list[Span]]], agent: str, alone: bool
) -> tuple[list[Utterance], list[Failure]]:
    words, gaps = spoken[agent]
    barriers = list(gaps)
    for other, (of_other, gaps_of_other) in spoken.items():
        if other != agent and not alone:
            barriers += [*gaps_of_other, *((w.start_s, w.end_s) for w in of_other)]
    parted = without_overlaps(words, file)
    check_inside(parted, template.duration_s, file)
    return cut_recording(template, parted, barriers)


def timed_words(entries: list[Entry], marks: Counter[str]) -> tuple[list[Word], list[Span]]:
    """Words with times, punctuation behind them, and the spans of what is said without words or times."""
    words: list[Word] = []
    gaps: list[Span] = []
    at_s = 0.0
    for i, entry in enumerate(entries):
        if entry.kind == "noise":
            marks[f"<{entry.text}>"] += 1
        elif entry.kind == "punctuation":
            if words and words[-1].end_s == at_s:
                words[-1] = Word(words[-1].text + entry.text, words[-1].start_s, words[-1].end_s)
        elif entry.start_s is None or entry.end_s is None:
            marks[f"<{entry.kind} without times>"] += 1
            gaps.append((at_s, _next_start_s(islice(entries, i + 1, None), at_s)))
        elif entry.kind == "gap" or label_kind(entry.text) != "word" or entry.end_s <= entry.start_s:
            marks[f"<{entry.text}>" if entry.kind == "gap" else f"<{entry.kind} of no length>"] += 1
            gaps.append((entry.start_s, max(entry.start_s, entry.end_s)))
        else:
            words.append(make_word(entry.text, entry.start_s, entry.end_s, entry.place))
        at_s = entry.end_s if entry.end_s is not None and entry.kind != "noise" else at_s
    return words, gaps


def read_meetings(path: Path) -> dict[tuple[str, str], tuple[int, str]]:
    """Channel and global name by meeting (in lower case) and agent."""
    found = {}
    for meeting in read_xml(path):
        observation = attribute(meeting, "observation")
        for speaker in meeting:
            if observation is None or local(str(speaker.tag)) != "speaker":
                continue
            agent, channel, name = (attribute(speaker, key) for key in ("nxt_agent", "channel", "global_name"))
            if agent is None or channel is None or not channel.isdecimal() or len(channel) > 3:
                raise InputError(path, f"a speaker of {observation} has no agent or channel", "correct it")
            found[observation.lower(), agent.upper()] = (int(channel), name or f"{observation}.{agent}")
    return found


def _next_start_s(later: Iterable[Entry], at_s: float) -> float:
    """When the next timed word starts: what has no times was said before that."""
    starts = (entry.start_s for entry in later if entry.start_s is not None and entry.kind == "word")
    return max(at_s, next(starts, at_s))
