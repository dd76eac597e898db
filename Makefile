# make demo, make test: everything from a bare Python 3.11 on.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
DEMO := odflow-demo

.PHONY: demo test lint bench clean

$(VENV)/ready: requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $@

demo: $(VENV)/ready  ## the main job on a built-in network; writes odflow-demo/report.html
	$(BIN)/odflow demo -o $(DEMO)

test: lint  ## lint, types and all tests
	$(BIN)/python -m pytest -n 2

lint: $(VENV)/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/ready  ## the tables in benchmarks/results (needs the real data)
	$(BIN)/python -m benchmarks

clean:
	rm -rf $(VENV) $(DEMO)
