# Everything a newcomer needs. Each command sets up what it uses and can be repeated at will.
#   make demo   an incident and its rollback, on a real engine, registry, proxy, database and Git remote
#   make test   the tests (N processes), most of them on such worlds
#   make lint   style, types, import rules (no Docker needed)
#   make bench  the benchmark
#   make judge  how well diagnoses are, on a corpus of situations: the confusion matrix
#   make clean  removes all traces but installed system packages

PYTHON ?= python3
N ?= 3
BIN := .venv/bin
READY := .venv/.ready
# Some machines ask Python to keep no compiled files. Every program of every test would compile all of this anew.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help demo test lint bench judge clean prepare servers

help:
	@sed -n 's/^#   //p' Makefile

demo: prepare
	@$(BIN)/python -m sandbox.demo

test: servers
	@echo "test: pytest in $(N) processes"
	@$(BIN)/pytest -n $(N) --maxschedchunk 1

bench: servers
	@echo "bench: measuring"
	@$(BIN)/python -m bench

judge: $(if $(filter no,$(LIVE)),$(READY),prepare)
	@$(BIN)/python -m tests.judge $(if $(filter no,$(LIVE)),,--live)

lint: $(READY)
	@echo "lint: ruff, mypy, lint-imports, interrogate"
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/interrogate src/lastgood

prepare: $(READY)
	@echo "setup: Docker engine, Compose, images"
	@$(BIN)/python -m sandbox prepare

servers: prepare
	@$(BIN)/python -m sandbox prepare --servers

clean:
	@$(PYTHON) -m sandbox clean
	@echo "clean: removing .venv, .sandbox and caches"
	@rm -rf .venv .sandbox dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .coverage
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): pyproject.toml
	@echo "setup: Python environment in .venv"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or later is needed: install python3 (Debian 12 has it), or set PYTHON=..."; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { apt-get update -qq; apt-get install -y -qq python3-venv >/dev/null; } || \
	  { echo "The package python3-venv is needed: apt-get install python3-venv"; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	@$(BIN)/python -m pip install -qq -e '.[dev]' || \
	  { echo "The Python packages cannot be installed: a package index must be reachable (pip says why above)"; exit 1; }
	@touch $@
