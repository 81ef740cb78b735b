# Needs Python 3.11+ and make, and nothing else on the machine. `make` alone explains itself.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
CODE := $(wildcard shared services deploy tools benchmarks tests)

# What `make check` finds out of date, and `make fix` writes anew.
GENERATED := shared.contracts.generate tools.settings_table

.DEFAULT_GOAL := help
.PHONY: help demo test unit up down status replay audit check fix bench lock clean

help: ## what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(INSTALLED) ## the loop with a simulated shop, live, until Ctrl-C (DEMO_SECONDS=60: bounded)
	@$(BIN)/python -m tools.demo

up: $(INSTALLED) ## the whole product in the background; returns when it is ready
	@$(BIN)/python -m deploy.local up

down: $(INSTALLED) ## stop what `make up` started
	@$(BIN)/python -m deploy.local down

status: $(INSTALLED) ## what runs, and whether it is ready
	@$(BIN)/python -m deploy.local status

replay: $(INSTALLED) ## past orders and answers through the running loop, then the audit: DATA=folder
	@$(if $(DATA),,$(error Name the folder with the orders to replay, for example: make replay DATA=../olist))
	@$(BIN)/python -m tools.replay "$(DATA)"

audit: $(INSTALLED) ## recompute everything from the ledgers and compare with what is served
	@$(BIN)/python -m tools.audit

test: $(INSTALLED) ## all tests, on a real Kafka and PostgreSQL; ARGS=tests/unit/… or ARGS="-k words": some
	@$(BIN)/python -m pytest $(ARGS)

unit: $(INSTALLED) ## the unit tests alone, in seconds: no Kafka, no PostgreSQL
	@$(BIN)/python -m pytest -p tests.kit.without_backends tests/unit $(ARGS)

check: $(INSTALLED) ## lint, format, types, import rules, generated files up to date
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy --strict $(CODE)
	@$(BIN)/lint-imports
	@for module in $(GENERATED); do $(BIN)/python -m $$module --check || exit 1; done

fix: $(INSTALLED) ## what can be mended by itself: lint, format, generated files
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .
	@for module in $(GENERATED); do $(BIN)/python -m $$module || exit 1; done

bench: $(INSTALLED) ## the benchmarks, as ratios in one run
	@$(BIN)/python -m benchmarks

lock: $(INSTALLED) ## resolve the Python packages anew and pin them with their hashes
	@$(BIN)/python -m pip install --quiet uv
	@$(BIN)/uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --generate-hashes \
		--no-header --quiet --output-file requirements.lock

clean: ## stop everything and remove what was made: .hearback, .venv, caches
	@if [ -e $(INSTALLED) ]; then $(BIN)/python -m deploy.local clean; fi
	@rm -rf .hearback .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis test-results
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(INSTALLED): requirements.lock
	@$(PYTHON) -I deploy/local/bootstrap.py
