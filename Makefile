# Two commands are enough: `make run` and `make test`. Each makes its environment when it is not there yet.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
PYTHON_FOUND := $(shell command -v $(PYTHON) || command -v python3)
PIP := $(BIN)/python -m pip --disable-pip-version-check
ARGS ?=
WORKERS ?= 2

.DEFAULT_GOAL := help
.PHONY: help setup run stop test test-long screenshots chromium check bench migrate doctor lock schema clean

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1	/p' $(MAKEFILE_LIST) | awk -F'\t' '{printf "  make %-12s %s\n", $$1, $$2}'

$(BIN)/python:
	@$(PYTHON_FOUND) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed; set PYTHON=...")'
	@echo "· making the environment in $(VENV)"
	@$(PYTHON_FOUND) -m venv $(VENV)

# The second time costs nothing: a stamp is newer than what it was made from.
$(VENV)/run.stamp: requirements.lock pyproject.toml | $(BIN)/python
	@echo "· installing the pinned dependencies"
	@test -e $(VENV)/dev.stamp || $(PIP) install --require-hashes --progress-bar on -r requirements.lock
	@$(PIP) install --quiet --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/dev.stamp: requirements-dev.lock pyproject.toml | $(BIN)/python
	@echo "· installing the pinned dependencies, those for development included"
	@$(PIP) install --require-hashes --progress-bar on -r requirements-dev.lock
	@$(PIP) install --quiet --no-deps --no-build-isolation -e .
	@touch $@ $(VENV)/run.stamp

# A real browser for the portal's tests, and letters for its languages: Debian's own packages.
CHROMIUM := $(shell command -v chromium || command -v chromium-browser || command -v google-chrome)
CHROMIUM_PACKAGES := chromium fonts-lohit-deva fonts-lohit-orya
chromium:
ifeq ($(CHROMIUM),)
	@if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "· installing Debian's $(CHROMIUM_PACKAGES) for the tests of the portal"; \
		apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends $(CHROMIUM_PACKAGES) >/dev/null; \
	else echo "· no Chromium, and only root may install it: the tests in a browser are skipped ($(CHROMIUM_PACKAGES))"; fi
endif

setup: $(VENV)/dev.stamp ## Make the environment for development

run: $(VENV)/run.stamp ## Start everything; ARGS="--no-sample --port 9000"
	@exec $(BIN)/fiscal-hub run $(ARGS)

stop: $(VENV)/run.stamp ## Stop what `make run` started
	@exec $(BIN)/fiscal-hub stop $(ARGS)

test: $(VENV)/dev.stamp chromium ## The everyday tests; ARGS="-k words"
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile -m "not long" $(ARGS)

test-long: $(VENV)/dev.stamp chromium ## All tests, those that take minutes included
	@$(BIN)/python -m pytest $(ARGS)

screenshots: $(VENV)/dev.stamp chromium ## Picture every page of the portal into build/screenshots
	@rm -rf build/screenshots
	@SCREENSHOTS=build/screenshots $(BIN)/python -m pytest -q tests/browser $(ARGS)
	@ls build/screenshots | sed 's#^#build/screenshots/#'

check: $(VENV)/dev.stamp ## Lint, formatting, types, import contracts; lock files
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m pytest -q tests/architecture/test_locks.py

bench: $(VENV)/dev.stamp ## Measure this hub beside others (installs PostGraphile); ARGS="--sizes 10k,1m"
	@$(BIN)/python -m bench $(ARGS)

migrate: $(VENV)/run.stamp ## Bring the database to this version
	@exec $(BIN)/fiscal-hub migrate $(ARGS)

doctor: $(VENV)/run.stamp ## Say what is wrong and how to mend it
	@exec $(BIN)/fiscal-hub doctor $(ARGS)

schema: $(VENV)/dev.stamp ## Write schema.graphql and docs/errors.md from the code
	@$(BIN)/python -m hub.printed

LOCK := uv pip compile pyproject.toml --quiet --universal --generate-hashes --python-version 3.11 --extra build \
	--no-emit-index-url --no-emit-find-links --no-header

lock: ## Pin the dependencies of pyproject.toml anew (needs uv)
	@command -v uv >/dev/null || { echo "uv is needed to write the lock files"; exit 1; }
	$(LOCK) --output-file requirements.lock
	$(LOCK) --extra dev --constraint requirements.lock --output-file requirements-dev.lock

clean: ## Remove the environment and caches; the data folder stays
	@rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .hypothesis .import_linter_cache .grimp_cache
