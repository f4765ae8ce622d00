# Every target sets up what it needs: a fresh clone, Python 3.11 or newer and make are enough, as root or not.
# `up` and `e2e` need a Docker engine too. PYTHON=... names an interpreter, VENV=... another folder for its environment.

VENV := .venv
MEMBERS := $(wildcard libs/*/pyproject.toml services/*/pyproject.toml)
INSTALL := requirements/install.sh requirements/uv.txt requirements/build.txt $(MEMBERS)
CHECKED := libs services tests examples deploy
COMPOSE = $(shell docker compose version >/dev/null 2>&1 && echo docker compose || echo docker-compose)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# --- running

.PHONY: demo
demo: ## See an approval from end to end, without Docker; AUTO=1 decides by itself and exits
	@venv=$(VENV); \
	if ! $(MAKE) -q $(VENV)/.stamp 2>/dev/null; then venv=.venv-demo; $(MAKE) --silent .venv-demo/.stamp || exit; fi; \
	exec $$venv/bin/placet demo $(if $(AUTO),--auto) $(if $(PORT),--port $(PORT))

.PHONY: up
up: ## Build the image and run the services on Postgres and RabbitMQ, with Docker
	@deploy/up.sh

.PHONY: down
down: ## Stop what `make up` started; the data stays
	$(COMPOSE) down --remove-orphans

.PHONY: logs
logs: ## Follow the logs of what `make up` started
	$(COMPOSE) logs --follow --tail 100

# --- testing

# Every process of the tests, and they start many, would compile all it imports anew.
test test-slow search: export PYTHONDONTWRITEBYTECODE =

.PHONY: test
test: $(VENV)/.stamp ## Run the tests that are quick; ARGS=tests/unit runs some of them
	$(VENV)/bin/pytest -n 2 -m "not slow" $(ARGS)

.PHONY: test-slow
test-slow: $(VENV)/.stamp ## Run the tests that take their time
	$(VENV)/bin/pytest -n 2 -m "slow and not search" --ignore tests/e2e

.PHONY: search
search: $(VENV)/.stamp ## Look for faults with the state machine, also for planted ones; takes minutes, and some luck
	$(VENV)/bin/pytest -n 2 -m search

.PHONY: test-all
test-all: test test-slow ## Run all tests but those of `make e2e`

.PHONY: e2e
e2e: $(VENV)/.stamp ## Test a compose deployment of its own, beside that of `make up`, with Docker
	@PYTEST=$(VENV)/bin/pytest deploy/e2e.sh

.PHONY: chaos
chaos: $(VENV)/.stamp ## Break everything under load, and see what must hold: 3 minutes; MINUTES=20, SEED=... replays
	PYTHONPATH=tests $(VENV)/bin/python -m chaos $(if $(MINUTES),--minutes $(MINUTES)) $(if $(SEED),--seed $(SEED)) $(ARGS)

.PHONY: chaos-cluster
chaos-cluster: $(VENV)/.stamp ## Break a RabbitMQ cluster and a Postgres with a standby under load; as root on Linux
	PYTHONPATH=tests $(VENV)/bin/python -m chaos.cluster $(if $(MINUTES),--minutes $(MINUTES)) $(if $(SEED),--seed $(SEED)) $(ARGS)

.PHONY: chaos-selftest
chaos-selftest: $(VENV)/.stamp ## Plant bugs into the services, and see that chaos finds each of them; takes minutes
	PYTHONPATH=tests $(VENV)/bin/python -m chaos.selftest $(if $(SEED),--seed $(SEED)) $(ARGS)

.PHONY: bench
bench: $(VENV)/.stamp ## Measure
	PYTHONPATH=tests $(VENV)/bin/python -m bench $(ARGS)

.PHONY: bench-peers
bench-peers: $(VENV)/.stamp ## Measure Placet beside Restate and DBOS, which it installs into build/peers; needs npm
	PYTHONPATH=tests $(VENV)/bin/python -m bench.peers $(ARGS)

.PHONY: bench-scale
bench-scale: $(VENV)/.stamp ## Measure with a million paused runs, under rising load, long runs, replicas; takes minutes
	PYTHONPATH=tests $(VENV)/bin/python -m bench.scale $(ARGS)

.PHONY: overload
overload: $(VENV)/.stamp ## Start ten times as many runs as can be sustained, for a minute, and see what holds
	PYTHONPATH=tests $(VENV)/bin/python -m bench.overload $(ARGS)

.PHONY: soak
soak: $(VENV)/.stamp ## Keep a steady load up for HOURS=1, and see what grows
	PYTHONPATH=tests $(VENV)/bin/python -m bench.soak --hours $(or $(HOURS),1) $(ARGS)

# --- checking

.PHONY: check
check: lint types imports verify ## Check everything that needs no run: lint types imports verify

.PHONY: lint
lint: $(VENV)/.stamp ## Lint, and see that the code is formatted
	$(VENV)/bin/ruff check $(CHECKED)
	$(VENV)/bin/ruff format --check $(CHECKED)

.PHONY: types
types: $(VENV)/.stamp ## Check the types, strictly
	$(VENV)/bin/mypy $(wildcard libs/*/src services/*/src) examples
	MYPYPATH=tests $(VENV)/bin/mypy --explicit-package-bases tests deploy

.PHONY: imports
imports: $(VENV)/.stamp ## Check which package may import which
	$(VENV)/bin/lint-imports

.PHONY: verify
verify: $(VENV)/.stamp ## See that the generated files are those of the code
	$(VENV)/bin/python -m placet_contracts.generate --check
	$(VENV)/bin/python -m placet_approval.generate --check

.PHONY: generate
generate: $(VENV)/.stamp ## Write the generated files
	$(VENV)/bin/python -m placet_contracts.generate
	$(VENV)/bin/python -m placet_approval.generate

.PHONY: format
format: $(VENV)/.stamp ## Format the code, and mend what lint can mend
	$(VENV)/bin/ruff check --fix $(CHECKED)
	$(VENV)/bin/ruff format $(CHECKED)

# --- maintaining

.PHONY: lock
lock: $(VENV)/.stamp ## Compile the requirements anew; UPGRADE=1 takes the newest versions
	UV=$(VENV)/bin/uv UPGRADE=$(UPGRADE) requirements/lock.sh

.PHONY: screenshots
screenshots: $(VENV)/.stamp ## Take the pictures of README and docs anew, of the demo; ARGS=inbox takes that one
	PYTHONPATH=tests $(VENV)/bin/python -m screenshots $(ARGS)

.PHONY: clean
clean: ## Remove environments, caches and the demo's data
	rm -rf .venv .venv-* .placet .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build dist
	find libs services tests examples deploy -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.stamp: $(INSTALL) requirements/dev.txt
	@requirements/install.sh $(VENV) requirements/dev.txt requirements/build.txt
	@touch $@

.venv-demo/.stamp: $(INSTALL) requirements/standalone.txt
	@requirements/install.sh .venv-demo requirements/standalone.txt requirements/build.txt
	@touch $@
