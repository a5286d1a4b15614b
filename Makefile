# Everything runs in .venv, which holds exactly what requirements/ lists. `make` alone names the targets.

VENV := .venv
BIN := $(VENV)/bin
DEVICE ?= $(if $(shell nvidia-smi -L 2>/dev/null),gpu,cpu)
# On a GPU the default is JAX, the only one that has run there; elsewhere it is what params.yaml names.
BACKEND ?= $(if $(filter gpu,$(DEVICE)),jax,$(shell sed -n 's/^backend: *\([a-z]*\).*/\1/p' params.yaml))
LOCK := requirements/$(subst jax-cpu,jax,$(subst tensorflow-,,$(BACKEND)-$(DEVICE))).txt
RUNTIME := $(VENV)/.installed-$(BACKEND)-$(DEVICE)
TOOLS := $(RUNTIME)-dev
UV := $(BIN)/uv pip
# By itself uv takes the environment that is active, which may be another project's, and removes from it what is not listed.
INTO := --python $(BIN)/python
COMPILE := $(UV) compile --quiet --generate-hashes --universal --no-header --no-annotate --python-version 3.11
PYTEST := $(BIN)/pytest --numprocesses auto --maxprocesses 4 --dist loadfile
BACKEND_TESTS := $(wildcard tests/network/ops tests/network/layers tests/learning tests/parity)

ifeq ($(wildcard $(LOCK)),)
$(error BACKEND must be tensorflow or jax, DEVICE cpu or gpu; got $(BACKEND), $(DEVICE))
endif

# DVC starts every stage with the `python` it finds first.
export PATH := $(CURDIR)/$(BIN):$(PATH)
export TF_CPP_MIN_LOG_LEVEL ?= 2
# Every stage is a process that imports TensorFlow: without bytecode, as where PYTHONDONTWRITEBYTECODE is set, in 15 s.
export UV_COMPILE_BYTECODE := 1
# pytest and the type checker of the tests change what they import, which takes each worker 10 s where it is not kept.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo test lint slow cityscapes pretrain doctor install backend lock clean

help:  ## Names the targets; BACKEND=jax or tensorflow and DEVICE=gpu or cpu choose what the others run on
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

demo: $(RUNTIME) backend .dvc/config.local  ## Draws a synthetic city, runs the whole study on it and prints the scores
	$(BIN)/dvc repro
	$(BIN)/dvc metrics show
	@echo "Open report/index.html in a browser: all scores, charts and pictures. Next:"
	@echo "  source .venv/bin/activate"
	@echo "  maskrcnn predict photo.jpg                            # your own photo"
	@echo "  dvc exp run -S select.learning_rate=0.001 evaluate@base   # another learning rate, for one variant"
	@echo "  maskrcnn experiments                                  # what it changed"

cityscapes: $(RUNTIME) backend .dvc/config.local  ## Sets params.yaml to the full scale, and runs the study on data/cityscapes
	$(BIN)/python stages/scale.py cityscapes
	$(BIN)/python -m maskrcnn doctor
	$(BIN)/dvc repro
	$(BIN)/dvc metrics show

pretrain: $(RUNTIME) backend .dvc/config.local  ## Makes the demo's start weights anew (a quarter of an hour)
	$(BIN)/python stages/pretrain.py
	$(BIN)/dvc commit --quiet --force pretrain

doctor: $(RUNTIME)  ## Reports what is installed and what is missing
	$(BIN)/python -m maskrcnn doctor

install: $(RUNTIME)  ## Installs what the study needs

backend:  ## Sets the key `backend` of params.yaml, which all stages follow
	@grep -qw '^backend: $(BACKEND)' params.yaml || { \
	  sed -i.old 's/^backend: [a-z]*/backend: $(BACKEND)/' params.yaml && rm params.yaml.old; \
	  echo "params.yaml has backend: $(BACKEND) now."; }

test: lint  ## Lint, types and tests, under TensorFlow and JAX
	KERAS_BACKEND=tensorflow $(PYTEST)
	KERAS_BACKEND=jax $(PYTEST) -m "not slow and not one_backend" $(BACKEND_TESTS)

slow: $(TOOLS) .venv-oracle  ## The tests that run whole pipelines, and those against the official evaluator
	KERAS_BACKEND=tensorflow $(BIN)/pytest -m slow
	KERAS_BACKEND=jax $(BIN)/pytest -m "slow or not slow" tests/test_two_devices.py

lint: $(TOOLS)  ## Ruff, mypy and the import rules
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

lock: $(RUNTIME)  ## Compiles requirements/ from pyproject.toml; ARGS=--upgrade takes newer versions
	$(COMPILE) $(ARGS) pyproject.toml --extra cpu -o requirements/cpu.txt
	$(COMPILE) $(ARGS) pyproject.toml --extra gpu -c requirements/cpu.txt -o requirements/gpu.txt
	$(COMPILE) $(ARGS) pyproject.toml --extra jax -c requirements/cpu.txt -o requirements/jax.txt
	$(COMPILE) $(ARGS) pyproject.toml --extra jax-gpu -c requirements/jax.txt -o requirements/jax-gpu.txt
	$(COMPILE) $(ARGS) --group dev -c requirements/jax.txt -c requirements/cpu.txt -o requirements/dev.txt
	$(COMPILE) $(ARGS) requirements/oracle.in -o requirements/oracle.txt
	echo uv | $(COMPILE) $(ARGS) - -o requirements/uv.txt

clean:  ## Removes the environments and the tools' caches; data, models and metrics stay
	rm -rf $(VENV) .venv-oracle .*_cache .hypothesis *.egg-info build
	find . -name __pycache__ -prune -exec rm -rf {} +

$(BIN)/pip:
	@for python in $(or $(PYTHON),python3 python3.13 python3.12 python3.11); do \
	  $$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null || continue; \
	  $$python -c 'import venv, ensurepip' 2>/dev/null \
	    || { echo "The module venv is missing: install the Debian package python3-venv."; exit 1; }; \
	  exec $$python -m venv $(VENV); \
	done; \
	echo "Python 3.11, 3.12 or 3.13 is missing: install it, or name it as in make PYTHON=/path/to/python3.12."; exit 1

# One environment for all: another choice replaces what the one before installed.
$(RUNTIME): $(LOCK) requirements/uv.txt | $(BIN)/pip
	@rm -f $(VENV)/.installed-*
	$(BIN)/pip install --quiet -r requirements/uv.txt
	$(UV) sync $(INTO) --quiet --require-hashes $(LOCK)
	$(UV) install $(INTO) --quiet --no-deps --no-build-isolation -e .
	@touch $@

# The tests need both backends: dev.txt holds JAX, cpu.txt TensorFlow.
$(TOOLS): requirements/dev.txt $(RUNTIME)
	$(UV) sync $(INTO) --quiet --require-hashes $(LOCK) requirements/dev.txt $(if $(filter jax,$(BACKEND)),requirements/cpu.txt)
	$(UV) install $(INTO) --quiet --no-deps --no-build-isolation -e .
	@touch $@

# The official Cityscapes evaluator does not run on today's NumPy and Pillow.
.venv-oracle: requirements/oracle.txt | $(RUNTIME)
	bash tests/oracle/install.sh $@
	@touch $@

# A downloaded archive has no history, which DVC must be told.
.dvc/config.local: | $(RUNTIME)
	@test -e .git || $(BIN)/dvc config --local core.no_scm true
	@touch $@
