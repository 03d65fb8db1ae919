"""Commands `corpus check`, `corpus convert` and `corpus reference`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from align_eval.cli.common import (
    AsJson,
    Channel,
    CorpusName,
    Tier,
    exit_for_listed,
    load_chosen,
    make_console,
    print_json,
    with_corpus_options,
)
from align_eval.reporting.terminal.printing import print_line

corpus_app = typer.Typer(
    help="Corpora: check, convert to folders of audio with TextGrids, make references.",
    no_args_is_help=True,
)


@corpus_app.command()
@with_corpus_options
def check(
    corpus: CorpusName,
    as_json: AsJson = False,
    **chosen: Any,
) -> None:
    """Print the content of a corpus, and each problem with its file and place. Decodes all audio.

    Example: align-eval corpus check demo
    """
    from align_eval.corpus.check import check_corpus
    from align_eval.reporting.terminal.corpus import print_check

    loaded = load_chosen(corpus, chosen)
    result = check_corpus(loaded)
    print_check(result, make_console(quiet=as_json))
    if as_json:
        print_json(result)
    exit_for_listed(result.problems)


@corpus_app.command()
@with_corpus_options
def convert(
    corpus: CorpusName,
    out: Annotated[Path, typer.Argument(help="Folder to write, new or empty.")],
    as_json: AsJson = False,
    **chosen: Any,
) -> None:
    """Write a corpus as a folder of audio with TextGrids and corpus.csv. Audio is copied, or cut without loss.

    Example: align-eval corpus convert timit my_corpus
    """
    from align_eval.corpus.convert import convert_corpus

    loaded = load_chosen(corpus, chosen)
    problems = convert_corpus(loaded, out)
    console = make_console(quiet=as_json)
    n_written = len(loaded.utterances) + len(loaded.failures) - len(problems)
    for problem in problems:
        print_line(console, f"left out: {problem.message}")
    print_line(console, f"written: {out}, {n_written} utterances")
    if as_json:
        print_json({"written": n_written, "problems": problems})
    exit_for_listed(problems)


@corpus_app.command()
def reference(
    path: Annotated[str, typer.Argument(help="Folder of audio with .txt files or TextGrids, or bundled name.")],
    out: Annotated[Path, typer.Option(help="Folder to write the TextGrids to; it may be that of the audio.")],
    lexicon: Annotated[
        Path | None, typer.Option(help="File of additional pronunciations, one word per line, as `yknow Y AH N OW`.")
    ] = None,
    tier: Tier = None,
    channel: Channel = None,
    as_json: AsJson = False,
) -> None:
    """Make references: align English text with PocketSphinx, and write TextGrids with words and phones.

    The text comes from .lab or .txt files beside the audio, or from the words of TextGrids. Nothing is overwritten.

    Example: align-eval corpus reference my_speech --out my_speech
    """
    from align_eval.cli.progress import progress
    from align_eval.corpus.bundled import BUNDLED, bundled_path
    from align_eval.corpus.make_references import REPORT_NAME, audio_files, make_references
    from align_eval.corpus.pocketsphinx import read_lexicon
    from align_eval.formats.run.finding_json import write_finding
    from align_eval.formats.run.staging import prepare_folder
    from align_eval.reporting.terminal.references import print_references

    folder = bundled_path(path) if path in BUNDLED else Path(path)
    pronunciations = read_lexicon(lexicon) if lexicon else None
    prepare_folder(out)
    with progress(len(audio_files(folder))) as on_done:
        references = make_references(folder, out, pronunciations, on_done, tier, channel)
    write_finding(out / REPORT_NAME, references)
    console = make_console(quiet=as_json)
    print_references(references, console)
    print_line(console, f"written: {out}, {len(references.made)} TextGrids, {REPORT_NAME}")
    if as_json:
        print_json(references)
    exit_for_listed(references.failures)
