"""Agreement over a finished run with planted maps, whose rows, ceilings and intervals are known. No torch."""

from __future__ import annotations

import io
import json
import shutil

import numpy as np
import pytest
from rich.console import Console

from align_eval.errors import InputError
from align_eval.findings.agreement.correlation import LEVELS, METHODS, NORMALISATIONS
from align_eval.findings.agreement.measure import measure_agreement
from align_eval.findings.agreement.records import FAITHFUL, AgreementFinding
from align_eval.findings.saved_run import read_saved_run
from align_eval.formats.run.finding_json import write_finding
from align_eval.reporting.terminal.agreement import print_agreement
from tests.helpers.command_line import LOADED, align_eval, start
from tests.helpers.planted_run import (
    DEFAULT,
    EVERY,
    HEADS,
    OUTPUT,
    RANDOM,
    SIGNATURE,
    SPEAKERS,
    Planted,
    exact,
    moved,
    noise,
    write_planted,
)

SPES = "spes:at=mel"


def one_good_head(u: Planted, n_tokens: int) -> np.ndarray:
    """Head 1.0 is the saliency; the others are different noises."""
    return np.concatenate([exact(u, n_tokens) if name == "1.0" else noise_of(u, i) for i, name in enumerate(HEADS)])


def noise_of(u: Planted, seed: int) -> np.ndarray:
    rng = np.random.default_rng((seed, *u.edges))
    return rng.dirichlet(np.full(u.n_frames, 2.0), size=u.n_words + 1).astype(np.float32)[None]


SIGNALS = {EVERY: one_good_head, OUTPUT: moved(0), RANDOM: noise}


@pytest.fixture(scope="module")
def finding(tmp_path_factory) -> AgreementFinding:
    return measure_agreement(read_saved_run(write_planted(tmp_path_factory.mktemp("run"), signals=SIGNALS)))


def rows_of(finding: AgreementFinding, **of: str) -> dict[str, float]:
    """Values by group of the rows with one normalisation, method and level."""
    return {r.group: r.value for r in finding.rows if all(getattr(r, name) == value for name, value in of.items())}


def test_every_group_of_heads_has_a_row_for_every_normalisation_correlation_and_level(finding):
    groups = {*(f"head {name}" for name in HEADS), "layer 0", "layer 1", "head *.0", "head *.1", "all"}
    for normalisation in NORMALISATIONS:
        for method in METHODS:
            for level in LEVELS:
                found = rows_of(finding, normalisation=normalisation, method=method, level=level)
                # the map faithful by construction has a correlation over utterances only
                assert set(found) == groups | ({FAITHFUL} if level == "utterance" else set())
    assert {(r.source, r.saliency) for r in finding.rows} == {(EVERY, OUTPUT)}  # controls do not count as saliency
    assert len(finding.rows) == 3 * 2 * (3 * len(groups) + 1)


@pytest.mark.parametrize("level", LEVELS)
def test_a_head_that_is_the_saliency_agrees_by_one_and_the_others_by_little(finding, level):
    values = rows_of(finding, normalisation="rows", method="pearson", level=level)
    assert values["head 1.0"] == pytest.approx(1, abs=1e-6)
    # 4 rows of 56 frames: rho of independent maps has a standard deviation of 1 / sqrt(4 * 56) in an utterance
    assert max(abs(values[f"head {name}"]) for name in HEADS if name != "1.0") < 0.15
    assert values["head 1.0"] > values["layer 1"] > values["all"] > values["layer 0"]
    assert values["head *.0"] > values["head *.1"]


def test_a_map_faithful_by_construction_agrees_by_one_but_under_the_papers_recipe(finding):
    for method in METHODS:
        assert rows_of(finding, normalisation="rows", method=method, level="utterance")[FAITHFUL] == pytest.approx(1)
        assert rows_of(finding, normalisation="none", method=method, level="utterance")[FAITHFUL] == pytest.approx(1)
        paper = rows_of(finding, normalisation="paper", method=method, level="utterance")
        assert 0.5 < paper[FAITHFUL] < 1
        # head 1.0 is the saliency with rows that sum to one, like all attention
        assert paper["head 1.0"] == pytest.approx(paper[FAITHFUL], abs=1e-6)


def test_every_row_has_its_square_and_no_interval_of_four_speakers(finding):
    for row in finding.rows:
        assert row.squared == row.value**2
        assert (row.ci_low, row.ci_high) == (None, None)
        assert (row.clusters, row.n_clusters, row.n_effective_clusters) == ("speakers", 4, 4)  # equally many words each
        assert row.n_undefined == 0
        assert row.n == {"utterance": 4, "word": 16, "token": 16}[row.level]  # one token per word


def test_coverage_and_entropy_of_flat_maps_are_known(tmp_path):
    """Flat attention over n frames holds 90 % in ceil(0.9 n) of them, and so does a flat saliency."""

    def flat(u: Planted, n_tokens: int) -> np.ndarray:
        return np.full_like(exact(u, n_tokens), 1 / u.n_frames)

    planted = [Planted("a", "ann", (0, 10, 20, 30)), Planted("b", "bob", (0, 20, 50))]  # 40 and 60 frames
    signals = {EVERY: lambda u, n: np.repeat(flat(u, n), 4, axis=0), OUTPUT: flat}
    found = measure_agreement(read_saved_run(write_planted(tmp_path, planted, signals)))
    values = {(f.measure, f.source): f.value for f in found.figures}
    assert values == {
        ("coverage", EVERY): pytest.approx(0.9),  # 36 of 40 and 54 of 60
        ("entropy", EVERY): pytest.approx((np.log(40) + np.log(60)) / 2),
        ("entropy", OUTPUT): pytest.approx((np.log(40) + np.log(60)) / 2),
    }
    assert found.rows == ()  # constant rows have no correlation
    write_finding(tmp_path / "agree.json", found)


def test_the_noise_ceiling_is_the_root_of_the_reliability(tmp_path, finding):
    signals = {EVERY: one_good_head, SPES: moved(0), OUTPUT: moved(0)}
    found = measure_agreement(
        read_saved_run(write_planted(tmp_path / "a", signals=signals, details={SPES: {"reliability": 0.64}}))
    )
    (ceiling,) = [f for f in found.figures if f.measure == "noise ceiling"]
    assert (ceiling.source, ceiling.saliency, ceiling.value) == (SPES, SPES, pytest.approx(0.8))
    assert {r.saliency for r in found.rows} == {SPES, OUTPUT}
    assert "noise ceiling" not in {f.measure for f in finding.figures}  # a gradient has no noise
    details = {SPES: {"reliability": -3.0}}
    found = measure_agreement(read_saved_run(write_planted(tmp_path / "b", signals=signals, details=details)))
    assert [f.value for f in found.figures if f.measure == "noise ceiling"] == [0]


def test_characters_are_compared_with_characters(tmp_path):
    # the good map is planted in both units, one row per token
    def good(u: Planted, n_tokens: int) -> np.ndarray:
        return np.repeat(exact(u, n_tokens), 4, axis=0)

    signals = {EVERY: good, OUTPUT: moved(0)}
    found = measure_agreement(
        read_saved_run(write_planted(tmp_path, signals=signals, tokens={"subword": 1, "character": 3}))
    )
    pairs = {(r.source, r.saliency): r for r in found.rows if (r.group, r.level) == ("all", "token")}
    assert set(pairs) == {(EVERY, OUTPUT), (f"{EVERY},unit=character", f"{OUTPUT},unit=character")}
    assert {saliency: row.n for (_, saliency), row in pairs.items()} == {OUTPUT: 16, f"{OUTPUT},unit=character": 48}


def test_kinds_of_reference_are_not_kept_apart(tmp_path):
    planted = [Planted("a", "ann"), Planted("b", "bob", reference="automatic"), Planted("c", "ann")]
    found = measure_agreement(read_saved_run(write_planted(tmp_path, planted, SIGNALS)))
    assert found.n_utterances == 3
    (row,) = [r for r in found.rows if (r.group, r.normalisation, r.method, r.level) == (
        "all", "rows", "pearson", "utterance")]  # fmt: skip
    assert (row.n, row.n_clusters, row.n_effective_clusters) == (3, 2, pytest.approx(9 / 5))  # 2 and 1


@pytest.mark.parametrize(
    ("signals", "message"),
    [
        (
            {EVERY: one_good_head, RANDOM: noise},
            "the run saved no saliency; run with --keep heads --source attention:heads=all and with --source",
        ),
        (
            {DEFAULT: moved(0), OUTPUT: moved(0)},
            ", a: lacks maps that this needs; run with --keep heads --source attention:heads=all "
            "--source attention:heads=alignment --source gradient:at=encoder-output$",
        ),
        (
            {EVERY: moved(0), OUTPUT: moved(0)},
            "the run saved the mean over heads, not the heads; run with --keep heads",
        ),
    ],
    ids=["no saliency", "no heads", "mean of heads"],
)
def test_missing_maps_are_refused_with_their_remedy(tmp_path, signals, message):
    with pytest.raises(InputError, match=message):
        measure_agreement(read_saved_run(write_planted(tmp_path, signals=signals)))


def test_a_run_whose_utterances_all_failed_is_refused(tmp_path):
    kept = read_saved_run(write_planted(tmp_path, failed=[u.id for u in SPEAKERS]))
    with pytest.raises(InputError, match="has no words that were aligned; run again"):
        measure_agreement(kept)


def printed(finding: AgreementFinding) -> str:
    console = Console(width=190, file=io.StringIO())
    print_agreement(finding, console)
    return " ".join(console.file.getvalue().split())  # a title breaks at the width of its table


def test_the_table_shows_averages_and_says_how_few_speakers_there_are(finding):
    text = printed(finding)
    assert f"{EVERY} with {OUTPUT}: 4 utterances, too few speakers to tell (4, effectively 4.0)" in text
    assert "[" not in text.split(f"signature {finding.finding['id']}")[0]  # no interval
    for group in ("layer 0", "layer 1", "all", FAITHFUL):
        assert f"{group} " in text
    assert "head 1.0" not in text  # in the file
    for measure in (f"coverage of {EVERY}: ", f"entropy of {EVERY}: ", f"entropy of {OUTPUT}: "):
        assert measure in text
    assert "its square is the share of variance, which rho is not" in text
    assert f"from run {SIGNATURE['id']}: model planted.en {'a' * 12}, corpus planted {'b' * 12}, context=full" in text


def test_one_cluster_has_no_interval_and_says_so(tmp_path):
    found = measure_agreement(read_saved_run(write_planted(tmp_path, [Planted("a", "ann")], SIGNALS)))
    assert {(r.ci_low, r.ci_high) for r in found.rows} == {(None, None)}
    assert "too few recordings to tell (1, effectively 1.0)" in printed(found)


def test_the_command_writes_strict_json_with_the_signature_of_the_run(tmp_path):
    write_planted(tmp_path, signals=SIGNALS)
    done = align_eval("agree", tmp_path)
    assert done.returncode == 0
    assert done.stdout.endswith(f"written: {tmp_path}/agree.json\n")
    read = json.loads((tmp_path / "agree.json").read_text(encoding="utf-8"), parse_constant=pytest.fail)
    assert (read["schema"], read["signature"], read["n_utterances"]) == (1, SIGNATURE, 4)
    assert len(read["rows"]) == 3 * 2 * (3 * 9 + 1)


def test_writing_again_gives_the_same_bytes(tmp_path):
    write_planted(tmp_path, signals=SIGNALS)
    found = []
    for _ in range(2):
        assert align_eval("agree", tmp_path).returncode == 0
        found.append((tmp_path / "agree.json").read_bytes())
    assert found[0] == found[1]


def test_the_command_loads_no_model(tmp_path):
    done = start("-c", LOADED, "agree", str(write_planted(tmp_path, signals=SIGNALS)))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "loaded:"


def test_the_command_refuses_a_folder_without_maps_in_one_line(tmp_path):
    write_planted(tmp_path)
    shutil.rmtree(tmp_path / "maps")
    done = align_eval("agree", str(tmp_path))
    message = "is not there: the run saved no maps; run again with --keep heads"
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"error: {tmp_path}/maps/a.safetensors: {message}\n"
    assert not (tmp_path / "agree.json").exists()
