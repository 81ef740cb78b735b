# Needs Python 3.11+ and make, and nothing else on the machine. `make` alone explains itself.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
CODE := $(wildcard shared services deploy tools benchmarks tests)

.DEFAULT_GOAL := help
.PHONY: help demo test up down status replay audit check bench lock clean

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

test: $(INSTALLED) ## all tests, on a real Kafka and PostgreSQL; ARGS="-k words" for some
	@$(BIN)/python -m pytest $(ARGS)

check: $(INSTALLED) ## lint, format, types, import rules, generated schemas up to date
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy --strict $(CODE)
	@$(BIN)/lint-imports
	@$(BIN)/python -m shared.contracts.generate --check
	@$(BIN)/python -m tools.settings_table --check

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
