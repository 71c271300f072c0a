# The two commands a newcomer needs: `make demo` and `make test`. Python 3.11 or newer and make are
# all they ask for.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test format install clean

demo: install
	$(BIN)/retouchd demo

test: install
	$(BIN)/ruff format --check daemon tests
	$(BIN)/ruff check daemon tests
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest

format: install
	$(BIN)/ruff format daemon tests
	$(BIN)/ruff check --fix daemon tests

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --constraint constraints.txt --editable ".[dev]"
	@touch $(STAMP)

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist
