# What a person and CI do with this project. `make help` lists it.
#
# Everything is installed into .venv from the lock files, whose hashes pip checks. Stamps in .venv make a second call quick.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check
UV_VERSION := 0.13.9
# A Python of your choice: make venv PYTHON=python3.12
PYTHON ?=
# More arguments for the program that a target runs: make test ARGS="tests/unit -x", make run ARGS="--data /tmp/try"
ARGS ?=

.PHONY: help
help: ## List the targets
	@sed -nE 's/^([a-z]+):.*## (.*)/\1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r name text; do \
	  printf '  make %-8s %s\n' "$$name" "$$text"; done

.PHONY: run
run: $(VENV)/.installed ## Run the whole of Centralino with simulated customers and agents
	exec $(VENV)/bin/centralino up --demo $(ARGS)

.PHONY: venv
venv: $(VENV)/.installed-dev ## Install Centralino and what developing it needs into .venv

.PHONY: parts
parts: $(VENV)/.installed-dev ## Install the broker, database and browser that tests need
	$(PY) -m tests.parts install

.PHONY: lint
lint: $(VENV)/.installed-dev ## Check style, types and the boundaries between the parts
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

.PHONY: test
test: parts ## Run every test, on real parts
	$(PY) -m pytest $(ARGS)

.PHONY: format
format: $(VENV)/.installed-dev ## Put the code into the house's form
	$(VENV)/bin/ruff check --fix-only --quiet .
	$(VENV)/bin/ruff format .

.PHONY: lock
lock: $(PY) ## Pin the newest versions that pyproject.toml allows
	$(PIP) install --quiet uv==$(UV_VERSION)
	$(COMPILE) --upgrade --output-file requirements-dev.lock --group dev pyproject.toml
	$(COMPILE) --upgrade --output-file requirements.lock --constraint requirements-dev.lock pyproject.toml
	$(COMPILE) --upgrade --output-file requirements-build.lock --constraint requirements-dev.lock --group build

.PHONY: clean
clean: ## Remove .venv and everything that tools have left; data/ stays
	rm -rf $(VENV) dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# One lock holds for every Python from 3.11 on. No registry's name goes into it.
COMPILE := $(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header

$(VENV)/.installed: $(PY) requirements.lock requirements-build.lock pyproject.toml
	$(PIP) install --quiet --require-hashes -r requirements.lock -r requirements-build.lock
	$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.installed-dev: $(PY) requirements-dev.lock pyproject.toml
	$(PIP) install --quiet --require-hashes -r requirements-dev.lock
	$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@ $(VENV)/.installed

# Debian and Ubuntu keep `venv` in a package of its own; it is fetched where that is possible without asking anybody.
$(PY):
	@python=''; for candidate in $(if $(PYTHON),$(PYTHON),python3 python3.13 python3.12 python3.11); do \
	  if "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then python=$$candidate; break; fi; done; \
	if [ -z "$$python" ]; then \
	  echo "make: no Python 3.11 or newer was found; install one, or name it: make PYTHON=/path/to/python3" >&2; exit 1; fi; \
	if ! "$$python" -c 'import ensurepip' 2>/dev/null; then \
	  package=$$("$$python" -c 'import sys; print("python{}.{}-venv".format(*sys.version_info))'); sudo=''; \
	  if [ "$$(id -u)" != 0 ]; then sudo='sudo -n'; fi; \
	  echo "make: $$python lacks the module venv; installing the package $$package"; \
	  { command -v apt-get && $$sudo apt-get update && $$sudo apt-get install -y "$$package"; } >/dev/null 2>&1 || { \
	    echo "make: $$python lacks the module venv, and this user cannot install the package $$package; please do that first" >&2; \
	    exit 1; }; fi; \
	"$$python" -m venv $(VENV)
