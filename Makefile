# Two commands for a newcomer: `make demo` and `make test`. `make help` lists the others.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP_DEMO := $(VENV)/.installed-demo
STAMP_DEV := $(VENV)/.installed-dev
# The releases that the suite was last run with. `make test RELEASES=` takes the newest ones instead.
RELEASES ?= tests/constraints/tested.txt
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check $(addprefix --constraint ,$(RELEASES))

.DEFAULT_GOAL := help
.PHONY: help demo test lint types imports migrations chaos chaos-selftest latency backlog overhead startup stats-scale check clean

help: ## list the commands
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 22

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed; this is %s. Try: make PYTHON=python3.11" % sys.version.split()[0])'
	$(PYTHON) -m venv $(VENV)

$(STAMP_DEMO): pyproject.toml $(RELEASES) | $(VENV)/bin/python
	$(PIP_INSTALL) --editable '.[demo]'
	@touch $@

$(STAMP_DEV): pyproject.toml $(RELEASES) | $(VENV)/bin/python
	$(PIP_INSTALL) --editable '.[dev]'
	@touch $@ $(STAMP_DEMO)

demo: $(STAMP_DEMO) ## calls of every kind against a stub provider, then the figures side by side (ONCE=1: without serving)
	@$(BIN)/python -m example.demo $(if $(ONCE),--once)

test: $(STAMP_DEV) ## the whole suite, no services needed
	@$(BIN)/python -m pytest $(ARGS)

lint: $(STAMP_DEV) ## ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP_DEV) ## mypy --strict
	$(BIN)/mypy

imports: $(STAMP_DEV) ## the layers, by import-linter
	$(BIN)/lint-imports

migrations: $(STAMP_DEV) ## no model change without its migration
	DJANGO_SETTINGS_MODULE=tests.settings $(BIN)/python -m django makemigrations --check --dry-run agentcore_metering

# What follows starts a PostgreSQL of its own (on Debian: apt-get install postgresql), on loopback, and stops it again.
chaos: $(STAMP_DEV) ## kill, cut and fill everything under real traffic; the provider's ledger must match the rows (SECONDS=20, SEED=2)
	@$(BIN)/python -m benchmarks.chaos --seconds $(or $(SECONDS),100) --seed $(or $(SEED),1)

chaos-selftest: $(STAMP_DEV) ## the same check with four planted bugs, each of which it must find (SECONDS=10: with random faults, too)
	@$(BIN)/python -m benchmarks.chaos.selftest --seconds $(or $(SECONDS),0)

latency: $(STAMP_DEV) ## what metering adds to a call, also while the database is frozen
	@$(BIN)/python -m benchmarks.latency $(ARGS)

backlog: $(STAMP_DEV) ## a hundred thousand calls without a database, and how fast they are drained
	@$(BIN)/python -m benchmarks.backlog $(ARGS)

overhead: $(STAMP_DEV) ## what metering adds to a call, beside bare LiteLLM in the same process
	@$(BIN)/python -W ignore -m benchmarks.overhead $(ARGS)

startup: $(STAMP_DEV) ## what the app adds to the start of a Django project (ARGS="--pairs 50")
	@$(BIN)/python -m benchmarks.startup $(ARGS)

stats-scale: $(STAMP_DEV) ## how long the figures take over a million rows (ARGS="--rows 10000000", ARGS=--sqlite)
	@$(BIN)/python -m benchmarks.stats_scale $(ARGS)

check: lint types imports migrations test ## everything that needs no services

clean: ## remove what the commands above made
	rm -rf $(VENV) .demo .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache build dist *.egg-info
