"""Results of `corpus reference` on the terminal."""

from __future__ import annotations

from rich.console import Console

from align_eval.corpus.make_references import References
from align_eval.errors import listed, shorten
from align_eval.reporting.terminal.printing import print_line


def print_references(references: References, console: Console) -> None:
    """Print the number of aligned words, the words missing from the lexicon, and the failures."""
    n_utterances = len(references.made)
    print_line(console, f"{references.aligner}: {references.n_words} words of {n_utterances} utterances aligned")
    for word, ids in references.unknown.items():
        print_line(console, f"not in the lexicon: {shorten(word)} ({listed(ids)})")
    for failure in references.failures:
        print_line(console, f"failed: {failure.message}", "red")
