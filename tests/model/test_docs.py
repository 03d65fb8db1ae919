"""Run every command and every piece of Python in README and docs as it stands; check links, scripts and benchmarks."""

from __future__ import annotations

import ast
import json
import re
import shlex
import shutil
import tomllib
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import soundfile
from whisper.model import Whisper

from align_eval.corpus.audio import read_audio
from align_eval.corpus.bundled import bundled_path
from align_eval.corpus.folder import load_folder
from align_eval.formats.checksum import file_checksum
from align_eval.formats.textgrids import read_words
from align_eval.model.load import load_model
from align_eval.records import AudioSpan
from tests.helpers.command_line import Done, align_eval, start
from tests.helpers.planted_words import SIGNATURE

ROOT = Path(__file__).resolve().parents[2]
TEXTS = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    ROOT / "SECURITY.md",
    *sorted((ROOT / "docs").glob("*.md")),
    ROOT / "corpora" / "README.md",
]


def blocks(language: str) -> list[tuple[str, str]]:
    """Return (file name, content) of each fenced block in a language."""
    pattern = re.compile(rf"^```{language}\n(.*?)^```", re.MULTILINE | re.DOTALL)
    return [(path.name, match) for path in TEXTS for match in pattern.findall(path.read_text(encoding="utf-8"))]


WRITTEN = re.compile(r"--(?:out|accept|figures) (\S+)")
COMMANDS = list(dict.fromkeys(line for _, block in blocks("sh") for line in block.splitlines() if line.strip()))


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A folder with `my_corpus` (two clips of real speech, one of them `speech.wav`), `theirs` and `mine.toml`."""
    tmp_path = tmp_path_factory.mktemp("workplace")
    corpus = tmp_path / "my_corpus"
    corpus.mkdir()
    for clip in ("en_praatio_bobby", "en_praatio_damon"):
        for suffix in (".flac", ".TextGrid", ".txt"):
            shutil.copy(bundled_path("demo") / f"{clip}{suffix}", corpus)
    samples = read_audio(AudioSpan(corpus / "en_praatio_bobby.flac"))
    soundfile.write(corpus / "speech.wav", samples, 16000)
    (corpus / "en_praatio_bobby.flac").unlink()
    for suffix in (".TextGrid", ".txt"):
        (corpus / f"en_praatio_bobby{suffix}").rename(corpus / f"speech{suffix}")
    ((_, protocol),) = blocks("toml")
    (tmp_path / "mine.toml").write_text(protocol, encoding="utf-8")
    (tmp_path / "theirs").mkdir()
    for grid in corpus.glob("*.TextGrid"):
        words = [{"word": f" {w.text}", "start": w.start_s, "end": w.end_s, "probability": 1} for w in read_words(grid)]
        result = {"text": "", "segments": [{"text": "", "words": words}], "language": "en"}
        (tmp_path / "theirs" / f"{grid.stem}.json").write_text(json.dumps(result))
    return tmp_path


def test_there_are_commands_to_run():
    assert {shlex.split(c)[0] for c in COMMANDS} == {"make", "pip", "align-eval"}
    assert blocks("python")


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("make ")])
def test_every_make_command_is_a_step_of_ci(command):
    """CI runs each in a new environment. Here, `make test` would run this test again."""
    step = rf'^  step ".+" {re.escape(command)}(?: TESTS=\S+)?$'
    assert re.search(step, (ROOT / ".ci" / "run").read_text(), re.M)


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("pip ")])
def test_every_extra_that_is_installed_exists(command):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = re.fullmatch(r"pip install '\.\[([\w,]+)\]'", command).group(1)
    assert set(extras.split(",")) <= set(project["optional-dependencies"])


@pytest.fixture(scope="module")
def loaded(tiny_en):
    """Replace the loading of tiny.en by the model that is already loaded."""
    import align_eval.findings.faithfulness.measure  # noqa: F401  # import it before the patch: it binds the loader

    def load(name: str | Path, *, device: str = "cpu") -> Whisper:
        return tiny_en if (name, device) == ("tiny.en", "cpu") else load_model(name, device=device)

    with pytest.MonkeyPatch.context() as patch:
        for module in ("align_eval.model.load", "align_eval.findings.faithfulness.measure"):
            patch.setattr(f"{module}.load_model", load)
        yield


@pytest.fixture(scope="module")
def outcome(workplace, loaded):  # noqa: ARG001  # the fixture patches the loader
    """A function that runs a command once, after the commands that it needs, and returns its outcome."""
    outcomes: dict[str, Done] = {}

    def run(command: str) -> Done:
        for each in (*needed(command), command):
            if each not in outcomes:
                outcomes[each] = align_eval(*shlex.split(each)[1:], cwd=workplace)
        return outcomes[command]

    return run


@pytest.mark.slow
@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("align-eval ")])
def test_every_command_line_works(command, workplace, outcome):
    done = outcome(command)
    assert done.returncode == 0, done.stderr
    for out in WRITTEN.findall(command):
        assert (workplace / out).exists() != ("--dry-run" in command)


def needed(command: str) -> list[str]:
    """Return the commands that write the run folders and baselines of a command, in order of their dependencies."""
    read = set(re.findall(r"(?:runs|baselines)/[\w.]+", WRITTEN.sub("", command)))
    writers = [other for other in COMMANDS if read & set(WRITTEN.findall(other)) and other != command]
    return list(dict.fromkeys(earlier for writer in writers for earlier in (*needed(writer), writer)))


def test_a_command_that_reads_a_run_needs_the_command_that_writes_it():
    (compare,) = (c for c in COMMANDS if c.startswith("align-eval compare baselines/mine"))
    assert [c.split()[1] for c in needed(compare)] == ["run", "compare"]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "code"), blocks("python"))
@pytest.mark.usefixtures("loaded")
def test_every_piece_of_python_works(name, code, workplace, monkeypatch, capsys):
    monkeypatch.chdir(workplace)
    exec(compile(code, name, "exec"), {"__name__": "__main__"})
    assert "bobby" in capsys.readouterr().out


def silence_rows(workplace: Path, verb: str, *options: str) -> tuple[list[str], dict[str, list[float]]]:
    """The lines of scripts/silence.py above its rows, and every number of each row by its path (of gain: by error)."""
    script = str(ROOT / "scripts" / "silence.py")
    done = start(script, verb, "my_corpus", "--source", "attention:heads=all", *options, cwd=workplace)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[:2] == ["", "my_corpus, all half, tiny.en: 2 clips"]
    rows = {}
    for line in lines:
        if match := re.match(r"attention:\S* (?:\| )?\s*(\S+) +(.*)", line):
            assert match[1] not in rows
            rows[match[1]] = [float(value) for value in re.findall(r"[-+]?\d+\.\d+", match[2])]
    return [line for line in lines[2:] if not line.startswith("attention:")], rows


SILENCE_PATHS = (
    "dtw",
    "viterbi:silence=energy,boundary=frame,states=token",
    "viterbi:boundary=frame,states=token",
    "viterbi",
)


@pytest.mark.slow
def test_silence_share_prints_errors_of_every_path_by_share_and_kind_of_silence(workplace):
    """Every cell: the error, the path's part of it, the change of large errors, and the model's part.

    The times of dtw and of the path before are off by more than 100 ms here, those of the new one by no more than 5.
    """
    above, rows = silence_rows(workplace, "share", "--shares", "0.75", "--fills", "digital,-60")
    assert above[1].split() == ["as", "it", "is", "0.75", "digital", "0.75", "-60"]
    assert list(rows) == list(SILENCE_PATHS)
    for numbers in rows.values():
        cells = np.reshape(numbers, (3, 4))
        assert (cells[0, 0] > 0, cells[0, 1:].tolist()) == (True, [0.0, 0.0, 0.0])  # the clips as they are
        np.testing.assert_allclose(cells[:, 0], cells[0, 0] + cells[:, 1] + cells[:, 3], atol=0.16)  # rounded to 0.1
        assert (abs(cells[:, 2]) <= 100).all()
    path_part = {path: np.reshape(numbers, (3, 4))[1:, 1] for path, numbers in rows.items()}
    assert path_part["viterbi"].max() <= 5  # below 0 where silence between words parts them
    assert path_part["dtw"].min() > 50


@pytest.mark.slow
def test_silence_shift_prints_the_shares_of_boundaries_that_move_with_the_audio(workplace):
    """In the padded map, and in the map of the padded audio: both paths by levels move as a whole in the map."""
    above, rows = silence_rows(workplace, "shift", "--seconds", "2")
    assert above[0].split() == ["2", "s,", "map:", "exact", "2", "s,", "audio:", "frame"]
    assert list(rows) == list(SILENCE_PATHS)
    assert all(len(shares) == 2 and 0 <= min(shares) <= max(shares) <= 1 for shares in rows.values())
    assert {path: shares[0] == 1 for path, shares in rows.items()} == dict(
        zip(SILENCE_PATHS, (False, False, True, True), strict=True)
    )


@pytest.mark.slow
def test_silence_gain_prints_the_error_of_each_path_and_the_difference_of_first_and_last(workplace):
    above, rows = silence_rows(workplace, "gain")
    n_boundaries = 2 * sum(len(read_words(grid)) - 1 for grid in (workplace / "my_corpus").glob("*.TextGrid"))
    assert above == [f"{n_boundaries} interior boundaries of 2 clusters"]
    assert list(rows) == ["raw", "calibrated"]
    for numbers in rows.values():
        errors, gain = numbers[:3], numbers[3]
        assert all(5 < error < 500 for error in errors)
        assert gain == pytest.approx(errors[0] - errors[-1], abs=0.16)
        assert len(numbers) == 4 or numbers[4] <= gain <= numbers[5]


@pytest.mark.slow
def test_reproduction_writes_the_correlation_of_every_map_and_layer(workplace):
    (workplace / "one_clip").mkdir()
    for name in ("speech.wav", "speech.TextGrid"):
        shutil.copy(workplace / "my_corpus" / name, workplace / "one_clip")
    script = str(ROOT / "scripts" / "reproduction.py")
    few = ["--masks", "12", "--grid-masks", "6", "--step", "50", "--wer", "yes"]
    done = start(script, "one_clip", "tiny.en", "out.json", *few, cwd=workplace)
    assert done.returncode == 0, done.stderr
    results = json.loads((workplace / "out.json").read_text())
    parts = {"all", "layer 0", "layer 3", "head 0.0", "head 3.5"}
    maps = ["spes mel max", "spes mel mean", "spes mel max-mean", "spes encoder-output zero", "gradient encoder-output"]
    maps += ["spes encoder-output remove", "spes encoder-output zero p=0.7", "spes encoder-output zero frames=all"]
    for name in maps:
        assert parts <= set(results["agreement"][name])
        assert all(-1 <= value[0] <= 1 for value in results["agreement"][name].values())
        assert f"{name} | mean | corpus" in results["deletion"]["log-prob"]
    assert {"attention | floor | corpus", "energy | mean | corpus", "random | mean | corpus"} <= set(
        results["deletion"]["wer"]
    )
    assert 0 < results["facts"]["attention"]["mass_on_padding"][0] < 1


PARTS = ("clock.py", "peer_tables.py", "peer_transformers.py", "peer_worker.py")  # imported or started by benchmarks
BENCHMARKS = [path for path in sorted((ROOT / "bench").glob("*.py")) if path.name not in PARTS]


@pytest.mark.slow
@pytest.mark.parametrize("script", BENCHMARKS, ids=lambda path: path.name)
def test_every_benchmark_starts_and_prints_its_options(script):
    """``make validate`` runs the benchmarks and tests their output."""
    done = start(script, "--help")
    assert done.returncode == 0, done.stderr
    assert "usage: " in done.stdout


@pytest.mark.parametrize(
    "script", sorted([*(ROOT / "bench").glob("*.py"), *(ROOT / "scripts").glob("*.py")]), ids=lambda path: path.name
)
def test_every_name_that_a_script_takes_from_the_package_is_there(script):
    """Without running it: most scripts run only in slow tests, some only by hand."""
    taken = [
        (node.module, alias.name)
        for node in ast.walk(ast.parse(script.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "align_eval"
        for alias in node.names
    ]
    missing = [(module, name) for module, name in taken if not hasattr(import_module(module), name)]
    # a submodule becomes an attribute of its package once it is imported
    assert [(m, n) for m, n in missing if find_spec(f"{m}.{n}") is None] == []


@pytest.mark.validate
def test_bench_saliency_prints_ratios_to_plain_loops(workplace):
    script = str(ROOT / "bench" / "saliency.py")
    few = ["--clip", "en_praatio_bobby", "--masks", "6", "--json", "bench.json"]
    done = start(script, "tiny.en", *few, cwd=workplace)
    assert done.returncode == 0, done.stderr
    rows = {row["what"]: row for row in json.loads((workplace / "bench.json").read_text())["rows"]}
    assert rows["captum's plain loop"]["spes_is_faster"] > 0
    assert rows["gradient:at=mel"]["of_captum_plain"] > 0
    assert 0 < rows["spes:at=mel"]["of_matrix_rate"] < 2


@pytest.mark.validate
def test_bench_variants_reports_a_moved_boundary_and_none_for_a_batch_of_one(workplace):
    """A batch of two with one clip is that clip alone, so no boundary may move."""
    few = ["--reference", "manual", "--most", "1", "--source", "attention:heads=all,prep=log", "--json", "ways.json"]
    script = str(ROOT / "bench" / "variants.py")
    done = start(script, "demo", *few, "--variant", "context=fit", "--variant", "batch=2", cwd=workplace)
    assert done.returncode == 0, done.stderr
    fit, batch = json.loads((workplace / "ways.json").read_text())
    assert fit["variant"] == "context=fit"
    assert fit["moved_most"] > 0
    assert (batch["moved_most"], batch["difference"]) == (0.0, 0.0)
    assert fit["wbe"] == batch["wbe"] > 0


@pytest.mark.validate
def test_bench_throughput_lists_missing_systems_and_times_the_others(workplace):
    script = str(ROOT / "bench" / "throughput.py")
    few = ["--most", "1", "--batch", "1", "2", "--copies", "2", "--json", "rates.json"]
    done = start(script, *few, cwd=workplace)
    assert done.returncode == 0, done.stderr
    results = json.loads((workplace / "rates.json").read_text())
    rates = {(row["system"], row["batch"]): row["per_s"] for row in results["rows"]}
    assert rates["openai-whisper, given text", 1] > 0
    assert rates["align-eval, as openai-whisper", 1] > 0
    assert rates["align-eval, as openai-whisper", 2] > 0
    assert all(row["said"] for row in results["rows"])
    assert set(results["stages"]["as openai-whisper, float32"]) >= {"encoder", "decoder", "map", "path"}


@pytest.mark.validate
def test_bench_run_prints_both_tables(workplace):
    done = start(str(ROOT / "bench" / "run.py"), "--json", "bench.json", cwd=workplace)
    assert done.returncode == 0, done.stderr
    assert "dtw-python" in done.stdout
    assert (workplace / "bench.json").is_file()


def test_the_version_is_the_same_in_every_file():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert re.findall(r"^version: (\S+)$", (ROOT / "CITATION.cff").read_text(encoding="utf-8"), re.M) == [version]
    newest = re.search(r"^## \[(.+?)\] - ", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.M)
    assert newest.group(1) == version


def test_links_between_texts_resolve():
    link = re.compile(r"\]\((?!https?:)([^)#]+)\)")
    links = [(path, target) for path in TEXTS for target in link.findall(path.read_text(encoding="utf-8"))]
    assert (ROOT / "README.md", "docs/design.md") in links
    assert [(path.name, target) for path, target in links if not (path.parent / target).exists()] == []


def test_check_demo_accepts_the_accepted_figures_and_refuses_a_moved_or_missing_one(tmp_path):
    """5 ms is more than the tolerance of 2 ms."""
    script = [str(ROOT / "scripts" / "check_demo.py")]
    accepted = json.loads((ROOT / "corpora" / "demo" / "baseline.json").read_text())

    def run_of(figures: dict[str, float]) -> Path:
        rows = []
        for key, value in figures.items():
            reference, source, align, boundaries, metric, unit = key.split(" | ")
            rows.append(
                {
                    "source": source, "align": align, "text": "words", "reference": reference,
                    "boundaries": boundaries, "calibration": "none", "protocol": "wbe", "metric": metric,
                    "value": value, "ci_low": None, "ci_high": None, "unit": unit, "n_words": 1,
                    "clusters": "speakers", "n_clusters": 1, "n_effective_clusters": 1.0,
                }
            )  # fmt: skip
        path = tmp_path / "run.json"
        words = tmp_path / "words.parquet"
        words.write_bytes(b"")
        files = {words.name: file_checksum(words)}
        run = {"schema": 2, "signature": SIGNATURE, "rows": rows, "failures": [], "environment": {}, "files": files}
        path.write_text(json.dumps(run))
        return path

    def check(figures: dict[str, float]) -> Done:
        return start(*script, str(run_of(figures)), str(ROOT / "corpora" / "demo" / "baseline.json"), cwd=tmp_path)

    first = next(key for key in accepted if key.endswith("ms"))
    assert check(accepted).returncode == 0
    moved = check(accepted | {first: accepted[first] + 5})
    assert (moved.returncode, f"moved: {first}" in moved.stdout) == (1, True)
    missing = check({key: value for key, value in accepted.items() if key != first})
    assert (missing.returncode, f"missing: {first}" in missing.stdout) == (1, True)


def test_screenshots_makes_exactly_the_pictures_of_the_report_page():
    written = re.findall(r'"(report-[\w-]+\.png)"', (ROOT / "scripts" / "screenshots.py").read_text(encoding="utf-8"))
    shown = re.findall(r"\]\(([^)]+\.png)\)", (ROOT / "docs" / "report.md").read_text(encoding="utf-8"))
    assert written
    assert sorted(written) == sorted(shown)


def test_every_target_of_the_makefile_is_phony_or_a_stamp():
    text = (ROOT / "Makefile").read_text().replace("\\\n", " ")
    phony = re.search(r"^\.PHONY: (.*)$", text, re.MULTILINE).group(1).split()
    targets = re.findall(r"^([\w-]+):", text, re.MULTILINE)
    assert set(targets) == set(phony)


def test_join_audio_splices_single_words_at_exact_times(tmp_path):
    """The samples at the times of each word equal those of its file; digits are spelled as words."""
    (tmp_path / "in").mkdir()
    rng = np.random.default_rng(0)
    sources = {}
    for name in ("7_ann_0", "go_ann_0", "stop_ben_0"):
        samples = np.round(rng.uniform(-0.5, 0.5, int(rng.integers(3000, 9000))) * 2**15) / 2**15
        soundfile.write(tmp_path / "in" / f"{name}.wav", samples, 16000, subtype="PCM_16")
        sources.setdefault(name.split("_")[1], {})[name.replace("7", "seven").split("_")[0]] = samples
    script = str(ROOT / "scripts" / "join_audio.py")
    done = start(script, "words", "in", "out", "--recordings", "2", "--words", "5", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    corpus = load_folder(tmp_path / "out")
    assert [(u.speaker, len(u.words)) for u in corpus.utterances] == [("ann", 5), ("ben", 5)]
    for u in corpus.utterances:
        samples, rate = soundfile.read(u.audio.path)
        for word in u.words:
            first, last = (word.start_s * rate, word.end_s * rate)
            assert (first, last) == pytest.approx((round(first), round(last)), abs=1e-6)
            spliced = samples[round(first) : round(last)]
            np.testing.assert_array_equal(spliced, sources[u.speaker][word.text])


@pytest.mark.slow
def test_by_speaker_prints_the_errors_of_a_run(workplace):
    command = ["run", "my_corpus", "--preset", "openai", "--second-reference", "words", "--out", "runs/x"]
    assert align_eval(*command, cwd=workplace).returncode == 0
    done = start(str(ROOT / "scripts" / "by_speaker.py"), "runs/x", "second", cwd=workplace)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("second reference | words, unstated reference, run ")
    assert lines[-1].split()[:3] == ["pooled", "8", "0.0"]  # a reference against itself
