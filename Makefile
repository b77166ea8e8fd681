# Everything a person or CI does with this project. `make help` lists it.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
KEEP   ?=
MINUTES ?= 10
SEED   ?=
QUICK  ?=
ONLY   ?=

.PHONY: help install demo test check bench soak clean

help: ## what can be done here
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 20

$(VENV)/.installed: setup.cfg setup.py
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --upgrade pip
	@$(BIN)/python -m pip install --quiet -e '.[dev]'
	@touch $@

install: $(VENV)/.installed ## make the virtual environment and install into it

demo: install ## a working day on a real ERP and a simulated CRM (KEEP=1 stays up afterwards)
	@$(BIN)/sync-workers demo $(if $(KEEP),--keep)

test: install ## all tests, on real servers that are started and stopped for them
	@$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

check: install ## style, types, import directions
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --config setup.cfg

bench: install ## every figure of docs/benchmarks.rst, measured side by side (QUICK=1 ONLY=part to try it)
	@$(BIN)/sync-workers bench $(if $(QUICK),--quick) $(if $(ONLY),--only $(ONLY))

soak: install ## mixed traffic with random faults, then the proof (MINUTES=10 SEED=n)
	@$(BIN)/python -m tests.soak --minutes $(MINUTES) $(if $(SEED),--seed $(SEED))

clean: ## remove the virtual environment and all embedded data
	@rm -rf $(VENV) .sync .sync-*
