# What you can ask for. Everything sets up what it needs first; nothing has to be installed beforehand on Debian 12.

PYTHON := .venv/bin/python
NODE := .venv/bin/echocare-node
WORKERS ?= 2

.PHONY: help setup viewer run demo test check bench clean

help:
	@echo "make run     set up, start a node with embedded defaults, send it a sample study, show what came back, keep serving"
	@echo "make demo    the same, but end: exit 0 when all results are there"
	@echo "make setup   only set up: Debian packages where missing, and .venv"
	@echo "make viewer  the same, and the browser and the viewer that the tests look into"
	@echo "make test    set up, check the code, pass every test"
	@echo "make check   formatting, lint, types, import directions"
	@echo "make bench   measurements beside other software; prints ratios"
	@echo "make clean   remove what was made here, except received and computed data in var/"

setup:
	@deploy/setup.sh

viewer:
	@deploy/setup.sh viewer

run: setup
	@$(NODE) demo --keep

demo: setup
	@$(NODE) demo

check: setup
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports

test: viewer check
	$(PYTHON) -m pytest -q -n $(WORKERS) --dist loadgroup

bench: setup
	$(PYTHON) -m benchmarks

clean:
	rm -rf .venv .cache artefacts/viewer .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache ./*.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
