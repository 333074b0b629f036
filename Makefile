# The vocabulary of this project. People, git hooks and CI use the same words.
.DEFAULT_GOAL := help
SHELL := /bin/bash

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
TOOLS := $(VENV)/tools
CODE := ganlib pipelines tests benchmarks tools
PORTS = $(if $(MLFLOW_PORT),--mlflow-port '$(MLFLOW_PORT)') $(if $(PREFECT_PORT),--prefect-port '$(PREFECT_PORT)')

export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: help install data demo ui up down test test-fast format lint types reference site screenshots bench constraints audit licences matrix tools hooks clean

help: ## Show these words
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

install: $(STAMP) ## Create .venv with the pinned packages

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed (PYTHON=... make); $$($(PYTHON) --version) found." >&2; exit 2; }
	@echo "Creating $(VENV) and installing the packages of constraints.txt: two to ten minutes."
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install $$([ -t 1 ] || echo --quiet) --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

data: $(STAMP) ## Fetch MNIST, split it, and record the data version
	$(BIN)/ganlib data version

demo: $(STAMP) ## MNIST -> two trained families -> gate -> champion -> 1,000 images (under 6 minutes on 2 cores)
	@$(BIN)/python -m pipelines demo

ui: $(STAMP) ## Start the servers if need be; open the registered model in MLflow, and Prefect
	@$(BIN)/python -m pipelines services up --open $(PORTS)

up: $(STAMP) ## Start MLflow, Prefect and the deployments on loopback; print their URLs (PREFECT_PORT=4243, MLFLOW_PORT=auto: others)
	@$(BIN)/python -m pipelines services up $(PORTS)

down: $(STAMP) ## Stop what `make up` started
	@$(BIN)/python -m pipelines services down

# Four processes on two cores, as tests wait for servers; the order is tests/conftest.py's, with the longest first. What is
# compiled once is there for the hundreds of processes that tests start.
test: export OMP_NUM_THREADS := 1
test: export PYTHONDONTWRITEBYTECODE :=
test: $(STAMP) ## All tests: real data, real servers, real kills (about 30 minutes on two quiet cores)
	$(BIN)/ganlib data version
	$(BIN)/python -m pytest --numprocesses 4 --dist loadfile --no-loadscope-reorder --durations 25

test-fast: export OMP_NUM_THREADS := 1
test-fast: $(STAMP) ## The tests that take seconds
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile -m 'not slow and not services and not faults'

format: $(STAMP) ## Format the code
	$(BIN)/ruff format $(CODE)
	$(BIN)/ruff check --fix --exit-zero --quiet $(CODE)

lint: $(STAMP) ## Style, and the direction of the layers' arrows
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/ruff check $(CODE)
	$(BIN)/lint-imports

types: $(STAMP) ## mypy --strict
	$(BIN)/mypy

reference: $(STAMP) ## Write docs/reference anew, from docstrings and the command line
	$(BIN)/python -m tools.reference

site: $(STAMP) ## docs/ as a site, in build/site; a link that leads nowhere is an error
	$(BIN)/zensical build --strict

screenshots: $(STAMP) ## Take the pictures of docs/images anew, which tests take on their way through the pages
	GANLIB_SCREENSHOTS=$(CURDIR)/docs/images $(BIN)/python -m pytest tests/services/test_browser.py tests/services/test_day.py tests/services/test_promote_walk.py

bench: $(STAMP) ## Measured ratios (docs/performance.md)
	$(BIN)/python -m benchmarks

constraints: ## Resolve pyproject.toml afresh in a throw-away environment and rewrite constraints.txt
	@folder=$$(mktemp -d) && trap 'rm -rf $$folder' EXIT && $(PYTHON) -m venv $$folder \
	&& $$folder/bin/python -m pip install --quiet '.[dev,s3,dask,spark]' \
	&& { sed -n '/^#/p' constraints.txt; $$folder/bin/python -m pip freeze --exclude ganlib | grep -viE '^(nvidia|triton|-e )' | sed -E 's/^(torch==[0-9.]+)\+.*/\1/'; } > $$folder/new \
	&& cp $$folder/new constraints.txt

audit: $(STAMP) tools ## Known vulnerabilities of the pinned packages (docs/security.md; OSV_URL=...: a mirror of OSV)
	@$(BIN)/python -m tools.audit $(if $(OSV_URL),--osv-url '$(OSV_URL)')

licences: $(STAMP) tools ## Licences of the packages in .venv
	@$(TOOLS)/bin/pip-licenses --python $(BIN)/python --order license

matrix: $(STAMP) tools ## Fast tests and retrainings with the oldest versions allowed, and with the newest (docs/compatibility.md)
	@$(BIN)/python -m tools.matrix

# In an environment of its own: what looks at the packages is none of them.
tools: $(TOOLS)/.installed

$(TOOLS)/.installed: tools/requirements.txt
	$(PYTHON) -m venv $(TOOLS)
	$(TOOLS)/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --requirement $<
	@touch $@

hooks: $(STAMP) ## Run format, lint and types before each commit
	$(BIN)/pre-commit install

clean: ## Remove everything that was made, but not the data, the registry or the images
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -prune -exec rm -rf {} +
