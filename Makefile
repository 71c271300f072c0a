# The two commands a newcomer needs: `make demo` and `make test`. Python 3.11 or newer and make are
# all they ask for.

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check --quiet --constraint constraints.txt

.PHONY: demo test check static pure soak sweep bench format man clean

demo: .venv/installed
	$(BIN)/retouchd demo

test: static
	$(BIN)/pytest --numprocesses auto --dist worksteal

# For those who change the daemon. While you work, in a few minutes: all but the tests that start
# something.

check: .venv/installed-dev
	$(MAKE) --jobs 2 --output-sync=target static pure

static: .venv/installed-dev
	$(BIN)/ruff format --check daemon tests
	$(BIN)/ruff check daemon tests
	$(BIN)/mypy
	$(BIN)/lint-imports

pure: .venv/installed-dev
	$(BIN)/pytest --quiet --pure --numprocesses auto tests

# The same as in `make test`, for as long as you like.

MINUTES ?= 10
EXAMPLES ?= 2000
EVERY ?= 1
ROWS ?=

soak: .venv/installed-dev
	$(BIN)/python tests/support/soak.py --minutes $(MINUTES)

sweep: .venv/installed-dev
	HYPOTHESIS_PROFILE=sweep EXAMPLES=$(EXAMPLES) $(BIN)/pytest tests/acceptance/test_state_machine.py tests/pictures/test_quick_inspect.py
	HYPOTHESIS_PROFILE=sweep $(BIN)/pytest --pure tests
	$(BIN)/python tests/support/crash_outside.py
	$(BIN)/python tests/support/sweep.py $(EVERY)

bench: .venv/installed-dev
	PYTHONPATH=tests:tests/support $(BIN)/python -m benchmarks $(ROWS)

format: .venv/installed-dev
	$(BIN)/ruff format daemon tests
	$(BIN)/ruff check --fix daemon tests

man: .venv/installed-dev
	$(BIN)/python tests/support/man_pages.py

.venv/installed: pyproject.toml constraints.txt
	@echo "Installing retouchd and the libraries it needs into .venv; that takes about a minute."
	$(PYTHON) -m venv .venv
	$(PIP) --editable .
	@touch $@

.venv/installed-dev: .venv/installed
	@echo "Installing what developers need into .venv; that takes about a minute."
	$(PIP) --editable ".[dev,bench]"
	@touch $@

clean:
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis build dist
