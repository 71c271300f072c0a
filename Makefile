# The two commands a newcomer needs: `make demo` and `make test`. Python 3.11 or newer and make are
# all they ask for.

# `make test PYTHON=python3.13` tries another interpreter, in a .venv-python3.13 of its own.

PYTHON ?= python3
VENV := .venv$(patsubst %,-%,$(filter-out python3,$(notdir $(PYTHON))))
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check --quiet --constraint constraints.txt

# Each of the workers that share the tests, and each command that they start, would compile all of it anew.

unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test suite check static pure soak sweep bench format screenshots man clean

demo: $(VENV)/installed
	$(BIN)/retouchd demo

# What only looks at the code does so beside the tests, so that no core waits for the other.

test: $(VENV)/installed-dev
	$(MAKE) --jobs 2 static suite

# The tests are compiled once for all workers, who begin together and would each do so.

suite: $(VENV)/installed-dev
	@$(BIN)/pytest --quiet --collect-only --numprocesses 0 >/dev/null || true
	$(BIN)/pytest --numprocesses auto --dist worksteal

# For those who change the daemon. While you work, in a few minutes: all but the tests that start
# something.

check: $(VENV)/installed-dev
	$(MAKE) --jobs 2 --output-sync=target static pure

static: $(VENV)/installed-dev
	$(BIN)/ruff format --check daemon tests
	$(BIN)/ruff check daemon tests
	$(BIN)/mypy
	$(BIN)/lint-imports

pure: $(VENV)/installed-dev
	$(BIN)/pytest --quiet --pure --numprocesses auto tests

# The same as in `make test`, for as long as you like.

MINUTES ?= 10
EXAMPLES ?= 2000
EVERY ?= 1
ROWS ?=

soak: $(VENV)/installed-dev
	$(BIN)/python tests/support/soak.py --minutes $(MINUTES)

sweep: $(VENV)/installed-dev
	HYPOTHESIS_PROFILE=sweep EXAMPLES=$(EXAMPLES) $(BIN)/pytest tests/acceptance/test_state_machine.py tests/pictures/test_quick_inspect.py
	HYPOTHESIS_PROFILE=sweep $(BIN)/pytest --pure tests
	$(BIN)/python tests/support/crash_outside.py
	$(BIN)/python tests/support/sweep.py $(EVERY)

bench: $(VENV)/installed-dev
	PYTHONPATH=tests:tests/support $(BIN)/python -m benchmarks $(ROWS)

format: $(VENV)/installed-dev
	$(BIN)/ruff format daemon tests
	$(BIN)/ruff check --fix daemon tests

# The pictures of the page in docs/, taken by its test.

screenshots: $(VENV)/installed-dev
	SCREENSHOTS=1 $(BIN)/pytest --numprocesses 0 tests/web/test_page.py --keyword "dropped or phone or reviewed"

man: $(VENV)/installed-dev
	$(BIN)/python tests/support/man_pages.py

$(VENV)/installed: pyproject.toml constraints.txt
	@echo "Installing retouchd and the libraries it needs into $(VENV); that takes about a minute."
	$(PYTHON) -m venv $(VENV)
	$(PIP) --editable .
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed
	@echo "Installing what developers need into $(VENV); that takes about a minute."
	$(PIP) --editable ".[dev,bench]"
	@touch $@

clean:
	rm -rf .venv .venv-* .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis build dist
	find daemon tests -name __pycache__ -prune -exec rm -r {} +
