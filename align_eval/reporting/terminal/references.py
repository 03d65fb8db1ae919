"""What came of making references, on a terminal."""

from __future__ import annotations

from rich.console import Console

from align_eval.corpus.make_references import References


def print_references(references: References, console: Console) -> None:
    """Print how many words were aligned, the words that the lexicon lacks, and what failed."""
    n = len(references.made)
    lines = [f"{references.aligner}: {references.n_words} words of {n} utterances aligned"]
    lines += [f"not in the lexicon: {word} ({', '.join(ids)})" for word, ids in references.unknown.items()]
    for line in lines:
        console.print(line, markup=False, emoji=False, highlight=False, soft_wrap=True)
    for failure in references.failures:
        line = f"failed: {failure.message}"
        console.print(line, style="red", markup=False, emoji=False, highlight=False, soft_wrap=True)
