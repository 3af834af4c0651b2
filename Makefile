# make run [FILE=path]   open the program; make test; make check; make bench. Each sets up what it needs.
# The interpreter to make .venv with; setup.sh finds one of 3.11 or newer if this is empty.
PYTHON ?=
VENV := .venv
BIN := $(VENV)/bin

.PHONY: run test test-no-qt check bench format clean
.DEFAULT_GOAL := run

run: $(VENV)/.ready
	$(BIN)/python -m app $(if $(FILE),"$(FILE)")

test: $(VENV)/.ready-dev
	QT_QPA_PLATFORM=offscreen $(BIN)/python -m pytest

check: $(VENV)/.ready-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.ready-bench
	$(BIN)/python -m app bench $(ARGS)

format: $(VENV)/.ready-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) build dist *.egg-info

$(VENV)/.ready: requirements.txt setup.sh
	sh setup.sh "$(PYTHON)" $(VENV) requirements.txt
	touch $@

$(VENV)/.ready-dev: requirements.txt requirements-dev.txt setup.sh
	sh setup.sh "$(PYTHON)" $(VENV) requirements-dev.txt
	touch $@ $(VENV)/.ready

$(VENV)/.ready-bench: requirements.txt requirements-bench.txt setup.sh
	sh setup.sh "$(PYTHON)" $(VENV) requirements-bench.txt
	touch $@ $(VENV)/.ready
