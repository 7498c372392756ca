# `make demo` and `make test` set up what they need. PYTHON is any Python 3.11 or newer.
PYTHON ?= python3
ENV ?= dev
CASES ?= 2000
PY := .venv/bin/python
IN_PARALLEL := -n auto --dist loadfile --no-loadscope-reorder
SAM := SAM_CLI_TELEMETRY=0 .venvs/sam/bin/sam
SCHEMA := .venvs/tools/bin/check-jsonschema --quiet --builtin-schema
WORKFLOWS := $(wildcard .github/workflows/*.yml) docs/examples/github-actions-deploy.yml
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help setup up down status demo demo-scale test test-all test-matrix torture fuzz lint openapi bench bench-cold bench-peers sam-up sam-down sam-load sam-test lock audit build validate template preflight deploy smoke hooks coverage docs clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "make %-13s %s\n", $$1, $$2}'

setup: ## virtual environments, packages, the native library and, if there is none, a database server
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; v < (3, 11) and sys.exit("Tableferry needs Python 3.11 or newer; %s is %d.%d. Name another: make PYTHON=python3.13" % ((sys.executable,) + v))'
	@$(PYTHON) -m tools.setup

up: setup ## start the local runtime in the background
	@$(PY) -m local up

down: ## stop it
	@test ! -x $(PY) || $(PY) -m local down

status: setup ## what runs, and where
	@$(PY) -m local status

demo: setup ## load the sample, back it up, damage it, restore it, prove it
	@$(PY) -m local demo

demo-scale: setup ## a table over 8 functions at one moment while money moves; a worker and a coordinator killed
	@$(PY) -m local demo-scale

test: setup ## the tests, what takes long by a sample; TURN=number for what CI has besides
	@TURN=$(TURN) $(PY) -m pytest $(IN_PARALLEL) $(TESTS)

test-all: setup ## the same with all examples, faults and builds: hours; TESTS= for some of it
	@THOROUGH=1 $(PY) -m pytest $(IN_PARALLEL) $(TESTS)

coverage: setup ## which lines of the package no test ran, of TESTS= or of tests/unit; the report: .local/coverage/html
	@rm -rf .local/coverage && mkdir -p .local/coverage
	-.venv/bin/coverage run -m pytest -q $(or $(TESTS),tests/unit)
	@.venv/bin/coverage combine --quiet
	@.venv/bin/coverage html --quiet
	@.venv/bin/coverage report

test-matrix: setup ## the tests that need a database, on MariaDB and on MySQL (Docker, or MYSQL_URL); SERVERS=mysql for one
	@$(PY) -m tools.matrix $(SERVERS) -- $(TESTS)

torture: setup ## every type and shape of table, each server, each format, beside mysqldump and mydumper; OUT= for Markdown
	@SERVERS="$(or $(SERVERS),mariadb mysql)" OUT="$(OUT)" $(PY) -m tests.torture

fuzz: setup ## CASES=2000 requests to each route, good and bad; SEED= repeats a run
	@CASES=$(CASES) SEED=$(SEED) $(PY) -m tests.fuzz

lint: setup ## ruff, mypy --strict, spelling, and that imports go one way
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	.venv/bin/typos
	$(PY) -m mypy --strict
	.venv/bin/lint-imports

hooks: setup ## have git run at each commit and push what CI would find fault with
	.venv/bin/prek install

openapi: setup ## functions/insert/openapi.json, docs/api.md and docs/configuration.md, from the handlers' types and the template
	@$(PY) -m tools.openapi

bench: setup ## speed and memory, as tables in .local/bench.md; SERVERS="mariadb mysql" for both, ARGS=--help for sizes
	@$(PY) -m benchmarks.verbs $(if $(SERVERS),--server $(SERVERS)) $(ARGS)

bench-cold: setup ## how long a call waits that finds no process of its function warm; ARGS="--turns 20"
	@$(PY) -m benchmarks.cold_start $(ARGS)

bench-peers: setup ## backup and restore beside mydumper, mysqldump and the plain ways, into docs/; SERVERS=, ARGS=--help
	@$(PY) -m benchmarks.peers $(if $(SERVERS),--server $(SERVERS)) $(ARGS)

sam-up: setup ## `sam local` in the background, MySQL and S3 in containers (Docker)
	@$(PY) -m local.sam up

sam-down: ## stop it, and all its containers
	@test ! -x $(PY) || $(PY) -m local.sam down

sam-load: setup ## be S3's event there for an upload: make sam-load KEY=uploads/table/file
	@$(PY) -m local.sam load "$(KEY)"

sam-test: setup ## the tests that need `sam local`: the API, a file's load, events by a sample (Docker); THOROUGH=1 for all
	@$(PY) -m pytest tests/sam -o timeout=900 --durations=5

lock: ## the lock files, from the lists; UPGRADE=1 takes the newest of everything
	@$(PYTHON) -m tools.setup tools
	@$(PYTHON) -m tools.lock $(if $(UPGRADE),--upgrade)

audit: ## known vulnerabilities of all that is in the lock files; needs the network
	@$(PYTHON) -m tools.setup tools
	@$(PYTHON) -m tools.audit $(AUDIT)

build: setup ## sam build; ARCHITECTURE=arm64 for that processor
	PYTHON=$(abspath $(PY)) $(SAM) build $(if $(ARCHITECTURE),--parameter-overrides Architecture=$(ARCHITECTURE)) $(BUILD)

validate: setup ## the template by sam validate, cfn-lint and checkov; what GitHub reads, by its schemas
	@$(PYTHON) -m tools.setup tools
	$(SAM) validate --lint
	.venvs/sam/bin/cfn-lint template.yaml docs/examples/github-oidc.yaml
	.venvs/tools/bin/checkov --config-file .checkov.yaml
	$(SCHEMA) vendor.github-workflows $(WORKFLOWS)
	$(SCHEMA) custom.github-workflows-require-timeout $(WORKFLOWS)
	$(SCHEMA) vendor.dependabot .github/dependabot.yml
	$(SCHEMA) vendor.github-issue-forms $(filter-out %/config.yml,$(wildcard .github/ISSUE_TEMPLATE/*.yml))
	$(SCHEMA) vendor.github-issue-config .github/ISSUE_TEMPLATE/config.yml
	$(SCHEMA) vendor.compose-spec compose.yaml

docs: ## the documentation as a site, with the package's reference: .local/site/index.html; a dead link fails
	@$(PYTHON) -m tools.setup docs
	@$(PYTHON) tools/fetch_mermaid.py
	@NO_MKDOCS_2_WARNING=1 .venvs/docs/bin/mkdocs build # not --quiet: then strict counts no warning
	@echo "docs: .local/site/index.html"

template: setup ## the template as CloudFormation gets it, as JSON
	@.venvs/sam/bin/python -m tools.synthesize

preflight: setup ## every problem that `make deploy` would meet in the account, with what to do; ENV=dev. It only reads
	@$(PY) -m deployment.preflight $(ENV)

smoke: setup ## one upload, backup, restore, undo, rollback and drill against a deployment; ENV=dev or local, TABLE=smoke_test
	@$(PY) -m deployment.smoke $(ENV) $(if $(TABLE),--table "$(TABLE)")

deploy: setup ## sam build and sam deploy, with samconfig.toml's ENV (dev), and the stack protected against deletion
	@$(PY) -m deployment.session $(ENV)
	PYTHON=$(abspath $(PY)) $(SAM) build --config-env $(ENV)
	$(SAM) deploy --config-env $(ENV) $(DEPLOY)
	@.venvs/sam/bin/python -m deployment.protect $(ENV)

clean: down ## stop the runtime and remove all that was made
	@test ! -x $(PY) || $(PY) -m local.sam down --data
	rm -rf .venv .venvs .local .aws-sam .pytest_cache .mypy_cache .ruff_cache .hypothesis layers/tableferry/tableferry/columnar/native/*.so
