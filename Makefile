# make demo: the whole chain on the simulated planet. make test: everything that must hold.
# Both need only Python 3.11+, git, make and a package index.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test slow bench lint audit clean

$(VENV)/ready: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("smoecast needs Python 3.11 or newer; set PYTHON=/path/to/python" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[plot,test]'
	touch $@

demo: $(VENV)/ready
	$(BIN)/smoecast demo

lint: $(VENV)/ready
	$(BIN)/ruff format --check smoecast tests
	$(BIN)/ruff check smoecast tests
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint
	$(BIN)/python -m pytest -n 2 --dist worksteal

slow: $(VENV)/ready
	$(BIN)/python -m pytest -m slow

bench: $(VENV)/ready
	$(BIN)/python -m pytest tests/benchmarks --benchmark-only --benchmark-disable-gc

# what is known of the versions that are tested, and of our own code; every accepted finding stands
# in docs/decisions/0032-audit.md
ACCEPTED :=
$(VENV)/audit: $(VENV)/ready
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[audit]'
	touch $@

audit: $(VENV)/audit
	$(BIN)/bandit --quiet --configfile pyproject.toml --recursive smoecast
	$(BIN)/pip-audit --strict --progress-spinner off --disable-pip --no-deps \
		$(addprefix --ignore-vuln ,$(ACCEPTED)) --requirement constraints.txt

clean:
	rm -rf $(VENV)
