# Every target does its own set-up: a virtual environment with the packages of constraints.txt.
# The second time this costs nothing; it is repeated when pyproject.toml or constraints.txt changes.
#
#   make demo     graph, images, counterfactuals, report (about four minutes without an accelerator)
#   make test     the quick tests        make slow    the long ones, and the wheel
#   make lint     style, spelling, floors, docstrings     make types    make doctest
#   make docs     the documentation      make bench   the quick benchmarks
#   make clean    everything that was generated, except the environment
#
# Another interpreter or place: make PYTHON=python3.12 VENV=/tmp/venv test

PYTHON ?= python3
VENV ?= .venv
DEMO_OUT ?= causalrep-demo
DEMO_ARGS ?=

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check --constraint constraints.txt
RUN_STAMP := $(VENV)/.causalrep-run
DEV_STAMP := $(VENV)/.causalrep-dev
DOCS_STAMP := $(VENV)/.causalrep-docs

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup docs-setup demo test slow lint ruff spelling floors docstrings types doctest docs bench \
	constraints clean

help:
	@sed -n '/^$$/q; s/^# \{0,1\}//p' Makefile

# --- set-up -----------------------------------------------------------------------------------

$(RUN_STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else \
	  "causalrep needs Python 3.11 or newer, got " + sys.version.split()[0] + "; name another one: make PYTHON=python3.12 ...")'
	@echo "setting up $(VENV) ..."
	@test -e $(VENV)/pyvenv.cfg && $(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	@# torch first and alone: the version is fixed before any package that depends on it is resolved,
	@# and a CPU build of that version is taken where the machine offers one
	@$(PIP) torch
	@$(PIP) --editable ".[images,plot]"
	@touch $@

$(DEV_STAMP): $(RUN_STAMP)
	@$(PIP) --group dev
	@touch $@

$(DOCS_STAMP): $(RUN_STAMP)
	@$(PIP) --group docs
	@touch $@

setup: $(DEV_STAMP)

docs-setup: $(DOCS_STAMP)

# --- what a person runs -----------------------------------------------------------------------

demo: $(RUN_STAMP)
	$(BIN)/causalrep demo --out $(DEMO_OUT) $(DEMO_ARGS)

# --- checks; several threads on a busy machine can be far slower than one ---------------------

test slow doctest bench docs: export OMP_NUM_THREADS = 1
test slow doctest bench docs: export OPENBLAS_NUM_THREADS = 1
test slow doctest bench docs: export MKL_NUM_THREADS = 1

test: $(DEV_STAMP)
	$(BIN)/python -m pytest

slow: $(DEV_STAMP)
	$(BIN)/python -m pytest -m slow --timeout=0

doctest: $(DEV_STAMP)
	$(BIN)/python -m pytest --doctest-modules causalrep

lint: ruff spelling floors docstrings

ruff: $(DEV_STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

spelling: $(DEV_STAMP)
	$(BIN)/codespell .

floors: $(DEV_STAMP)
	$(BIN)/lint-imports --no-logo

docstrings: $(DEV_STAMP)
	$(BIN)/python tools/check_docstrings.py

types: $(DEV_STAMP)
	$(BIN)/mypy

bench: $(DEV_STAMP)
	$(BIN)/python benchmarks/run_all.py

docs: $(DOCS_STAMP)
	$(BIN)/python -m sphinx -b html -W --keep-going -d docs/_build/doctrees docs docs/_build/html

constraints: $(DEV_STAMP) $(DOCS_STAMP)
	$(BIN)/python tools/constraints.py > constraints.txt.new
	mv constraints.txt.new constraints.txt

clean:
	rm -rf build dist docs/_build docs/gallery docs/api/generated docs/sg_execution_times.rst
	rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis causalrep.egg-info
	find causalrep tests benchmarks examples tools -name __pycache__ -type d -exec rm -rf {} +
