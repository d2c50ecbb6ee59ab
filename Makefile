# `make demo` and `make test` do all the set-up they need. Bare `make` lists the targets.
.DEFAULT_GOAL := help
.PHONY: help setup demo test check lint format types imports clean

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.stamp
# PyTorch's CPU wheels: preferred where no NVIDIA driver is found; empty = use PyPI alone.
TORCH_CPU_INDEX ?= https://download.pytorch.org/whl/cpu
ARGS ?=

help: ## list the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 10

setup: $(STAMP) ## create .venv with everything that is needed

$(STAMP): pyproject.toml constraints.txt tools/setup.sh
	@PYTHON='$(PYTHON)' VENV='$(VENV)' TORCH_CPU_INDEX='$(TORCH_CPU_INDEX)' sh tools/setup.sh
	@touch $@

demo: $(STAMP) ## see the whole loop: train, ask, vote, learn, weigh the joules (ARGS="--jury people")
	@$(BIN)/joulery demo $(ARGS)

test: $(STAMP) ## run every test; some: ARGS="-n 0 tests/bot"
	@$(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS)

check: lint types imports test ## all that CI runs

lint: $(STAMP) ## ruff and codespell
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/codespell

format: $(STAMP) ## put the code in order
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

types: $(STAMP) ## mypy, strict
	@$(BIN)/mypy

imports: $(STAMP) ## the house's import contracts
	@$(BIN)/lint-imports

clean: ## remove caches and the virtual environment; data in .joulery stays
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache build dist
