# Needs only Python 3.11+ and make. `make` without a target lists the targets.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
CODE := $(wildcard shared services deploy tools benchmarks tests)

# Files that `make check` compares and `make fix` regenerates.
GENERATED := shared.contracts.generate tools.settings_table

.DEFAULT_GOAL := help
.PHONY: help demo test unit faults up down status replay audit check fix bench image lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(INSTALLED) ## run the loop with a simulated shop, live, until Ctrl-C (DEMO_SECONDS=60: stop after a minute)
	@$(BIN)/python -m tools.demo

up: $(INSTALLED) ## start the whole product in the background, if it is not running; returns when every part is ready
	@$(BIN)/python -m deploy.local up

down: $(INSTALLED) ## stop what `make up` started
	@$(BIN)/python -m deploy.local down

status: $(INSTALLED) ## show the processes, and whether they are ready
	@$(BIN)/python -m deploy.local status

replay: $(INSTALLED) ## replay past orders and answers through the loop, then audit: DATA=folder
	@$(if $(DATA),,$(error Name the folder with the orders to replay, for example: make replay DATA=../olist))
	@$(BIN)/python -m tools.replay "$(DATA)"

audit: $(INSTALLED) ## recompute everything from the ledgers and compare it with what is served
	@$(BIN)/python -m tools.audit

test: $(INSTALLED) ## run all tests, on a real Kafka and PostgreSQL, or some: ARGS=tests/unit/… or ARGS="-k words"
	@$(BIN)/python -m pytest $(ARGS)

unit: $(INSTALLED) ## run the unit tests only, in a minute, without Kafka or PostgreSQL
	@$(BIN)/python -m pytest -p tests.kit.without_backends tests/unit $(ARGS)

faults: $(INSTALLED) ## run the product under faults at random for 20 minutes, then check everything (SEED=7, FAULT_SECONDS=120)
	@$(BIN)/python -m tests.faults.soak

check: $(INSTALLED) ## check lint, format, types, import rules, and that generated files are up to date
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy --strict $(CODE)
	@$(BIN)/lint-imports
	@for module in $(GENERATED); do $(BIN)/python -m $$module --check || exit 1; done

fix: $(INSTALLED) ## fix lint errors and formatting, regenerate generated files
	@$(BIN)/ruff check --fix --exit-zero .
	@$(BIN)/ruff format .
	@for module in $(GENERATED); do $(BIN)/python -m $$module || exit 1; done

bench: $(INSTALLED) ## run the benchmarks, as ratios within one run, in twelve minutes (SHORT=1: some of them, in two)
	@$(BIN)/python -m benchmarks $(if $(SHORT),--short)

image: $(INSTALLED) ## build the image of the product (TAG=hearback, BASE=…; DEBIAN=1: where no registry can be reached)
	@$(BIN)/python -m deploy.images $(if $(TAG),--tag "$(TAG)") $(if $(BASE),--base "$(BASE)") $(if $(DEBIAN),--debian)

lock: $(INSTALLED) ## re-resolve the Python packages and pin them with their hashes
	@$(BIN)/python -m pip install --quiet uv
	@$(BIN)/uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --generate-hashes \
		--no-header --quiet --output-file requirements.lock
	@$(BIN)/uv pip compile pyproject.toml --constraint requirements.lock --universal --python-version 3.11 \
		--generate-hashes --no-header --no-annotate --quiet --output-file deploy/images/requirements.lock

clean: ## stop everything and delete .hearback, .venv and caches
	@if [ -e $(INSTALLED) ]; then $(BIN)/python -m deploy.local clean; fi
	@rm -rf .hearback .venv .mypy_cache .ruff_cache .import_linter_cache .pytest_cache .hypothesis test-results
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(INSTALLED): requirements.lock
	@$(PYTHON) -I deploy/local/bootstrap.py
