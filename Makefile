# How to work here. `make help` lists the targets; CI calls the same ones.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SITE_READY := $(VENV)/.runtime
DEV_READY := $(VENV)/.dev
LOCK := $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --extra speed

.DEFAULT_GOAL := help
.PHONY: help dev test check unit contract integration e2e coverage compose-test bench lock clean

help: ## show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

dev: $(SITE_READY) ## run the server and a worker on the embedded store, console on http://127.0.0.1:8080
	@exec $(BIN)/streamer dev

$(SITE_READY): requirements/runtime.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Streamer needs Python 3.11 or newer: make PYTHON=/path/to/python3.11")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/runtime.txt
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(DEV_READY): requirements/dev.txt $(SITE_READY)
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@

check: $(DEV_READY) ## lint, types and the directions of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

lock: $(DEV_READY) ## renew the hashed lock files
	$(LOCK) --group dev pyproject.toml -o requirements/dev.txt
	$(LOCK) --group build pyproject.toml -c requirements/dev.txt -o requirements/runtime.txt

clean: ## remove everything that the other targets made
	rm -rf $(VENV) .streamer .cache .coverage* .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache dist
