"""The verbs of corpora, `align-eval corpus ...`: what is there, and other forms of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from align_eval.cli.common import make_console, say
from align_eval.errors import EXIT_BAD_INPUT

corpus_app = typer.Typer(
    help="Corpora: check what is there, convert other layouts to folders of audio with TextGrids.", no_args_is_help=True
)


@corpus_app.command()
def reference(
    path: Annotated[str, typer.Argument(help="A folder of audio with .txt files or TextGrids, or a bundled name.")],
    out: Annotated[Path, typer.Option(help="Folder for the TextGrids; the audio's own puts them beside it.")],
    lexicon: Annotated[
        Path | None, typer.Option(help="Pronunciations to add, a line a word, as `yknow Y AH N OW`.")
    ] = None,
) -> None:
    """Make references: TextGrids with words and phones, aligned with PocketSphinx. English only.

    The text is in .lab or .txt files beside the audio, or the words of TextGrids there. Nothing is overwritten.

    Example: align-eval corpus reference my_speech --out my_speech
    """
    from align_eval.corpus.bundled import BUNDLED, bundled_path
    from align_eval.corpus.reference import REPORT_NAME, audio_files, make_references
    from align_eval.corpus.sphinx import read_lexicon
    from align_eval.engine.progress import progress
    from align_eval.formats.findings import write_finding
    from align_eval.formats.run_folder import prepare_folder
    from align_eval.report.references import print_references

    folder = bundled_path(path) if path in BUNDLED else Path(path)
    pronunciations = read_lexicon(lexicon) if lexicon else None
    prepare_folder(out)
    with progress(len(audio_files(folder))) as on_done:
        references = make_references(folder, out, pronunciations, on_done)
    write_finding(out / REPORT_NAME, references)
    console = make_console()
    print_references(references, console)
    say(console, f"written: {out}, {len(references.made)} TextGrids, {REPORT_NAME}")
    if references.failures:
        raise typer.Exit(EXIT_BAD_INPUT)
