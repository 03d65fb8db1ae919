"""`run --dry-run` counts what there is to do, measures a few utterances, and writes nothing."""

from __future__ import annotations

from align_eval.engine.forecast import forecast
from align_eval.engine.job import prepare_job
from align_eval.options import RunOptions
from tests.helpers.command_line import align_eval
from tests.helpers.tiny_run import write_corpus, write_model


def test_a_dry_run_says_what_there_is_to_do_and_writes_nothing(tmp_path, capsys):
    corpus, model = write_corpus(tmp_path / "corpus", 6), write_model(tmp_path / "model")
    asked = ("--model", model, "--source", "attention:heads=all", "--source", "spes:at=encoder-output,masks=120")
    assert align_eval("run", corpus, *asked, "--align", "dtw", "--out", tmp_path / "out", "--dry-run").returncode == 0
    out = capsys.readouterr().out
    # 1 + 1.25 + 1.5 + 1.75 + 2 + 1 s; " two plus seven" is three tokens, and the end one more; 120 masks each
    assert out.startswith("6 utterances in 6 windows, 0.00 hours of audio, 24 tokens, about 720 masks\n")
    assert "u00000: 50 frames, 4 tokens, " in out
    assert "u00004: 100 frames, 4 tokens, " in out
    assert "failed" not in out
    assert "nothing was written" in out
    assert not (tmp_path / "out").exists()


def test_the_forecast_of_a_shard_is_of_its_own_utterances(tmp_path, random_model):
    corpus = write_corpus(tmp_path / "corpus", 8)

    def of(shard: str | None, clock):
        asked = RunOptions(sources=["attention:heads=all"], aligns=["dtw"], presets=[], context="fit", shard=shard)
        return forecast(prepare_job(str(corpus), random_model, asked), clock=clock)

    ticks = iter(range(100))
    whole = of(None, lambda: next(ticks))  # every utterance takes a tick: the corpus takes as many as it has
    assert (whole.n_windows, round(whole.seconds, 6)) == (8, 8)
    parts = [of(f"{number}/2", lambda: next(ticks)) for number in (1, 2)]
    assert sum(part.n_windows for part in parts) == 8
    assert sum(part.n_tokens for part in parts) == whole.n_tokens
