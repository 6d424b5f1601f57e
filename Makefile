# Everything from a fresh clone: each target first sets up a virtual environment with the tested versions.
#
#   PYTHON=python3.12   the Python (3.11 to 3.13) to make the environment with
#   VENV=.venv-3.12     where to make it
#   WORKERS=2           test processes; 0 runs the tests in this one
#   ARGS="-k ease"      more arguments for pytest

PYTHON ?= python3
VENV ?= .venv
WORKERS ?= 2
ARGS ?=

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq --retries 10
# A file at a time, so that what its tests have in common is made once. (Groups, --dist loadgroup, are lost on pytest 9.2.)
PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

# An environment belongs to one folder and one Python: in a copied clone it would still run the code of the first.
STAMP := $(VENV)/.installed-$(shell printf '%s' '$(CURDIR) $(PYTHON)' | cksum | cut -d ' ' -f 1)
INTERRUPTED := $(VENV)/.installing

SUPPORTED := import sys; v = sys.version_info[:2]; sys.exit(not (3, 11) <= v <= (3, 13))
UNSUPPORTED := is not Python 3.11, 3.12 or 3.13, which tfrec needs. Name one that is: make PYTHON=python3.12

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-slow unit lint typecheck format dist clean

help:  ## say what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' Makefile

setup: $(STAMP)  ## make the virtual environment, with the tested versions

$(STAMP): setup.cfg pyproject.toml constraints.txt
	@if [ -e $(INTERRUPTED) ]; then \
		echo "The last installation into $(VENV) was interrupted: starting afresh."; rm -rf $(VENV); \
	elif [ ! -e $(STAMP) ] && ls $(VENV)/.installed-* >/dev/null 2>&1; then \
		echo "$(VENV) belongs to another folder or another Python: starting afresh."; rm -rf $(VENV); \
	fi
	@if [ ! -x $(BIN)/python ]; then \
		$(PYTHON) -c '$(SUPPORTED)' || { echo "$(PYTHON) $(UNSUPPORTED)" >&2; exit 1; }; \
		mkdir -p $(VENV) && touch $(INTERRUPTED) && $(PYTHON) -m venv $(VENV); \
	fi
	@$(BIN)/python -c '$(SUPPORTED)' || { echo "$(BIN)/python $(UNSUPPORTED) VENV=.venv-3.12" >&2; exit 1; }
	@touch $(INTERRUPTED)
	@echo "Installing tfrec and what it needs into $(VENV): 2.5 GB, some minutes the first time."
	@$(PIP) install --constraint constraints.txt pip setuptools
	@$(PIP) install --constraint constraints.txt --no-build-isolation --editable '.[dev]'
	@touch $(STAMP) && rm -f $(INTERRUPTED)

demo: setup  ## all of the way on MovieLens-100K: train, evaluate, export, serve, recommend
	@$(BIN)/tfrec demo

test: lint typecheck unit  ## lint, type check and every test that takes less than a minute

unit: setup
	@$(PYTEST) -m "not slow" $(ARGS)

test-slow: setup  ## every test, the slow ones too
	@$(PYTEST) $(ARGS)

lint: setup  ## check style, docstrings and formatting
	@$(BIN)/python -m ruff check .
	@$(BIN)/python -m ruff format --check .

typecheck: setup  ## check types
	@$(BIN)/python -m mypy

format: setup  ## format the code and mend what the linter can mend
	@$(BIN)/python -m ruff check --fix .
	@$(BIN)/python -m ruff format .

dist: setup  ## build the sdist, and the wheel from it, into dist/
	@rm -rf dist
	@$(BIN)/python -m build --no-isolation

clean:  ## remove the virtual environment, caches and what was built
	rm -rf $(VENV) build dist *.egg-info .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
