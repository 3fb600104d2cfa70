# Everything that a person or the build server runs. `make` alone lists the targets.

SHELL := bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory --no-builtin-rules

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PEERS := $(VENV)/.peers
N ?= 2000
KILLS ?= 60
MORE ?= 20
ARGS ?=

# pyright's wrapper must not ask the network whether a newer version exists.
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# The tests start some two hundred processes: each would compile everything once more.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup test lint format types mypy pyright pytest test-system test-s3 crash fuzz demo record \
	simulate bench clean

help: ## list the targets
	@sed -nE 's/^([a-z0-9-]+):.*## (.*)/\1\t\2/p' Makefile | expand -t 14

setup: $(READY) ## make .venv with all that is needed (uv if there, else venv + pip)
	@:

# uv counts only when it knows dependency groups; pip learned them in 25.1, hence the upgrade.
$(READY): pyproject.toml
	@set -eu; \
	if uv pip install --help 2>/dev/null | grep -q -e --group; then \
	  echo "setup: $(VENV) with uv"; \
	  [ -x $(BIN)/python ] || uv venv --quiet --python '>=3.11' $(VENV); \
	  uv pip install --quiet --python $(BIN)/python --group dev -e '.[sandbox]'; \
	  uv pip install --quiet --python $(BIN)/python --only-binary :all: --group s3 2>/dev/null \
	    || echo "setup: no wheels of OpenStack Swift here; tests/s3 will be skipped"; \
	else \
	  found=; \
	  for python in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	    if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	      found=$$python; break; \
	    fi; \
	  done; \
	  if [ -z "$$found" ]; then \
	    echo "setup: Longshore needs Python 3.11 or newer, or uv; neither was found." >&2; \
	    exit 1; \
	  fi; \
	  echo "setup: $(VENV) with $$($$found --version) and pip"; \
	  if ! $(BIN)/python -m pip --version >/dev/null 2>&1; then \
	    $$found -m venv --clear $(VENV) || { \
	      echo "setup: Python's venv is missing (Debian, Ubuntu: apt install python3-venv)." >&2; \
	      exit 1; \
	    }; \
	  fi; \
	  $(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'; \
	  $(BIN)/python -m pip install --quiet --group dev -e '.[sandbox]'; \
	  $(BIN)/python -m pip install --quiet --only-binary :all: --group s3 2>/dev/null \
	    || echo "setup: no wheels of OpenStack Swift here; tests/s3 will be skipped"; \
	fi; \
	touch $@

test: setup lint types pytest ## everything that must be green: lint, types and tests

lint: setup ## ruff: rules and format
	@$(BIN)/ruff check --quiet
	@$(BIN)/ruff format --quiet --check || { echo "lint: run 'make format'" >&2; exit 1; }

format: setup ## let ruff put the code in order
	@$(BIN)/ruff check --quiet --fix --exit-zero
	@$(BIN)/ruff format --quiet

types: mypy pyright ## mypy --strict and pyright

mypy: setup
	@$(BIN)/mypy --no-error-summary

pyright: setup
	@$(BIN)/pyright --warnings

pytest: setup ## the tests alone (ARGS="-k name" for some of them)
	@$(BIN)/pytest -q -n 4 --dist worksteal $(ARGS)

test-system: setup ## the tests that need root or a system package
	@$(BIN)/pytest --system -m system $(ARGS)

test-s3: setup ## the tests against a real S3 (OpenStack Swift), which setup installs where it can
	@$(BIN)/pytest tests/s3 $(ARGS)

crash: setup ## kill -9 the command line at 60 points per provider, and resume (KILLS=60)
	@LONGSHORE_TEST_KILLS=$(KILLS) $(BIN)/pytest -q -n 2 tests/process/test_kill.py $(ARGS)

fuzz: setup ## feed every parser many more hostile inputs, other ones each time (MORE=20)
	@LONGSHORE_TEST_FUZZ=$(MORE) $(BIN)/pytest -q --timeout 0 tests/fuzz $(ARGS)

demo: setup ## carry a few documents to every vendor's sandbox, on this machine
	@$(BIN)/longshore demo

record: setup ## record all cassettes again, from the sandboxes
	@$(BIN)/longshore record --sandbox

simulate: setup ## simulate: every fault, every pair with a crash, N random histories (N=2000)
	@$(BIN)/python -m longshore.testing.simulation --cases tests.simulation.cases:CASES --pairs --random $(N) $(ARGS)

bench: $(PEERS) ## measure Longshore beside its peers (ARGS="--quick" or "--only tls")
	@$(BIN)/python -m benchmarks $(ARGS)

# Only wheels: a peer that has none here is left out, and the table says so.
$(PEERS): $(READY)
	@set -eu; \
	if uv pip install --help 2>/dev/null | grep -q -e --group; then \
	  add() { uv pip install --quiet --python $(BIN)/python --only-binary :all: "$$@"; }; \
	else \
	  add() { $(BIN)/python -m pip install --quiet --only-binary :all: "$$@"; }; \
	fi; \
	echo "bench: adding the peers to $(VENV)"; \
	add --group bench 2>/dev/null || \
	  $(BIN)/python -c 'import tomllib; \
	    print(*tomllib.load(open("pyproject.toml", "rb"))["dependency-groups"]["bench"], sep="\n")' \
	  | while read -r peer; do \
	    add "$$peer" 2>/dev/null || echo "bench: no wheel of $$peer here; it is left out"; \
	  done; \
	touch $@

clean: ## remove .venv, caches and what was built
	@rm -rf $(VENV) build dist .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache
	@find benchmarks core providers tests -name __pycache__ -type d -prune -exec rm -rf {} +
