# `make demo` and `make test` set up what they need. PYTHON is any Python 3.11 or newer.
PYTHON ?= python3
PY := .venv/bin/python
SAM := SAM_CLI_TELEMETRY=0 .venvs/sam/bin/sam
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help setup up down status demo test lint openapi bench lock audit build validate clean

help: ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "make %-10s %s\n", $$1, $$2}'

setup: ## virtual environments, packages and, if there is none, a database server
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; v < (3, 11) and sys.exit("Tableferry needs Python 3.11 or newer; %s is %d.%d. Name another: make PYTHON=python3.13" % ((sys.executable,) + v))'
	@$(PYTHON) local/setup.py

up: setup ## start the local runtime in the background
	@$(PY) -m local up

down: ## stop it
	@test ! -x $(PY) || $(PY) -m local down

status: setup ## what runs, and where
	@$(PY) -m local status

demo: setup ## load the sample, back it up, damage it, restore it, prove it
	@$(PY) -m local demo

test: setup ## every test
	@$(PY) -m pytest -n auto --maxprocesses 4 --dist loadfile

lint: setup ## ruff and mypy --strict
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy --strict

openapi: setup ## functions/insert/openapi.json, from the handlers' types
	@$(PY) -m local.openapi

bench: setup ## speed and memory, as a table in .local/bench.md
	@$(PY) -m local bench

lock: ## the lock files, from the lists; UPGRADE=1 takes the newest of everything
	@$(PYTHON) local/setup.py tools
	@$(PYTHON) -m local.lock $(if $(UPGRADE),--upgrade)

audit: ## known vulnerabilities of all that is in the lock files; needs the network
	@$(PYTHON) local/setup.py tools
	@$(PYTHON) -m local.audit $(AUDIT)

build: setup ## sam build; ARCHITECTURE=arm64 for that processor
	PYTHON=$(abspath $(PY)) $(SAM) build $(if $(ARCHITECTURE),--parameter-overrides Architecture=$(ARCHITECTURE)) $(BUILD)

validate: setup ## sam validate --lint
	$(SAM) validate --lint

clean: down ## stop the runtime and remove all that was made
	rm -rf .venv .venvs .local .aws-sam .pytest_cache .mypy_cache .ruff_cache .hypothesis
