"""Shards of a real run, merged, are the run that nobody divided: words, scores, signature, TextGrids and maps."""

from __future__ import annotations

from tests.helpers.command_line import align_eval
from tests.helpers.tiny_run import OPTIONS, files_of, write_corpus, write_model


def test_merged_shards_are_byte_for_byte_the_whole_run(tmp_path, capsys):
    """Three shards of five utterances, one of which fails; a shard of its own run folder each."""
    corpus = write_corpus(tmp_path / "corpus", 5)
    (corpus / "u00003.wav").write_bytes(b"no audio")
    asked = ("--model", write_model(tmp_path / "model"), *OPTIONS)
    assert align_eval("run", corpus, "--out", tmp_path / "whole", *asked).returncode == 2
    parts = [tmp_path / f"part{number}" for number in (1, 2, 3)]
    for number, out in enumerate(parts, start=1):
        assert align_eval("run", corpus, "--out", out, "--shard", f"{number}/3", *asked).returncode in (0, 2)
    assert align_eval("merge", *parts, "--out", tmp_path / "merged").returncode == 2
    assert files_of(tmp_path / "merged") == files_of(tmp_path / "whole")
    assert "u00003.wav" in capsys.readouterr().out
