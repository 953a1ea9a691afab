# make demo   the whole pipeline on NetHack, then a table and a page; a second call takes seconds
# make test   the tests; both make .venv and install into it when needed
# also: make lint, make lock-check, make test-slow, make bench, make bench-train, make docs, make site, make clean
#
# STEPS=5000000   train longer (make demo); more than before goes on where it stopped
# PYTHON=python3.12   another interpreter for .venv
# PIP_FLAGS=...   further options of pip install

SHELL := /bin/sh
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt $(PIP_FLAGS)
SOURCES := pyproject.toml constraints.txt

.PHONY: demo test test-slow lint lock-check bench bench-train docs site clean
.DEFAULT_GOAL := demo

demo: $(VENV)/.installed
	@test -f demo/maestro.toml || $(BIN)/maestromotif init demo
	@$(BIN)/maestromotif run demo $(if $(STEPS),--steps $(STEPS))

test: $(VENV)/.installed-test
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow"

test-slow: $(VENV)/.installed-test
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile -m slow

lint: $(VENV)/.installed-dev
	@$(BIN)/ruff check src tests
	@$(BIN)/mypy

# Do the extras install together as pinned, from wheels, on every Python? Asks the package index for a few minutes; installs nothing.
lock-check: $(VENV)/.installed-test
	@$(BIN)/python -m pytest tests/project/test_lock_file.py -m "slow or not slow"

bench: $(VENV)/.installed
	@for script in $$(grep -l __main__ benchmarks/*.py); do echo "== $$script"; $(BIN)/python "$$script" || exit 1; done

# Ten minutes. ARGS="--project demo --profile" and the like go to the script.
bench-train: $(VENV)/.installed
	@mkdir -p benchmarks/results
	@$(BIN)/python benchmarks/train.py --out benchmarks/results/train.json $(ARGS)

docs: $(VENV)/.installed
	@$(BIN)/python -m maestromotif.cli.reference docs/cli.md
	@$(BIN)/python -m maestromotif.programs.transcripts nethack docs/transcripts
	@$(BIN)/python benchmarks/tables.py

# The documentation as pages, in build/site. Broken links are errors.
site: $(VENV)/.installed-docs
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

clean:
	rm -rf $(VENV) demo build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find src tests -name __pycache__ -prune -exec rm -rf {} +

# The install is editable: changes in src need no new one, changes in $(SOURCES) do.
$(VENV)/.installed: $(SOURCES) | $(BIN)/python
	@echo "Installing into $(VENV) (once; a minute or two, longer when much has to be downloaded) ..."
	@$(PIP) -e '.[nethack]'
	@touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	@echo "Installing what the tests need ..."
	@$(PIP) -e '.[nethack,grid,robotics,test]'
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed-test
	@echo "Installing linters ..."
	@$(PIP) -e '.[nethack,grid,robotics,test,dev]'
	@touch $@

$(VENV)/.installed-docs: $(VENV)/.installed
	@echo "Installing what the site needs ..."
	@$(PIP) -e '.[nethack,docs]'
	@touch $@

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit("maestromotif needs Python 3.11 to 3.13, not " + sys.version.split()[0] + "; set PYTHON=...") if not (3, 11) <= sys.version_info < (3, 14) else None'
	@$(PYTHON) -m venv $(VENV)
