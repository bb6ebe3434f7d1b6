# Two commands do all the set-up: `make demo` runs a whole simulated site, `make test` runs the tests.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV_VERSION := 0.13.9
READY := $(VENV)/.ready

export UV_PROJECT_ENVIRONMENT := $(VENV)
# One process needs no more than one BLAS thread, and each costs memory at the start.
export OPENBLAS_NUM_THREADS := 1

.PHONY: help setup demo test check generate bench verify wheel deb package format clean

help:
	@echo "make setup     the environment in $(VENV); every other target makes it too"
	@echo "make demo      a whole simulated site in the terminal (ARGS='--for 120s --plot demo.png')"
	@echo "make test      all tests (ARGS=tests/e2e: these alone)"
	@echo "make check     lint, formatting, types, import contracts"
	@echo "make generate  every committed file that is made from code: schemas, tables, the dashboard"
	@echo "make bench     figures beside their baselines"
	@echo "make verify    long campaigns; results as JSON in build/verify"
	@echo "make wheel     the wheel, in dist"
	@echo "make deb       the Debian package, in dist; Debian 12 builds it, with git and dpkg"
	@echo "make package   that package on a fresh Debian 12 in a container; needs root"
	@echo "make format    format the code"
	@echo "make clean     remove the environment and all caches"

# --compile-bytecode: without it every start of the daemon takes twice as long.
$(READY): pyproject.toml uv.lock
	test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV)
	test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet uv==$(UV_VERSION)
	$(BIN)/uv sync --quiet --frozen --inexact --all-extras --all-groups --compile-bytecode
	@touch $@

setup: $(READY)

demo: $(READY)
	$(BIN)/surplusd demo $(ARGS)

test: $(READY)
	$(BIN)/python -m tests $(ARGS)

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

generate: $(READY)
	$(BIN)/python docs/generate.py

bench: $(READY)
	$(BIN)/python -m tests.bench $(ARGS)

verify: $(READY)
	mkdir -p build/verify
	$(BIN)/python -m tests.verify --out build/verify $(ARGS)

wheel: $(READY)
	$(BIN)/uv build --quiet --wheel --out-dir dist

deb: $(READY)
	$(BIN)/python deploy/package/build.py --out dist $(ARGS)

package: $(READY)
	$(BIN)/python -m pytest -m slow tests/deploy/package $(ARGS)

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
