# make demo: the whole chain on the simulated planet. make test: everything that must hold.
# Both need only Python 3.11+, git, make and a package index.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
CODE := smoecast tests docs/_ext docs/conf.py
# hundreds of programs are started: they keep their bytecode, also where the environment says not to
export PYTHONDONTWRITEBYTECODE :=

.PHONY: demo test slow gpu bench lint docs audit clean

$(VENV)/ready: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("smoecast needs Python 3.11 or newer; set PYTHON=/path/to/python" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[plot,test]'
	touch $@

demo: $(VENV)/ready
	$(BIN)/smoecast demo

lint: $(VENV)/ready
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/ruff check $(CODE)
	$(BIN)/mypy
	$(BIN)/lint-imports

# three at a time, also on two cores: many tests wait for programs that they started
test: lint
	$(BIN)/python -m pytest -n 3 --dist worksteal

slow: $(VENV)/ready
	$(BIN)/python -m pytest -m slow

# at most eight minutes on one GPU; a Python whose PyTorch sees one is taken as it is
SEES_GPU := import sys, torch; sys.exit(not torch.cuda.is_available())
GPU_PYTHON ?= $(or $(firstword $(foreach python,$(BIN)/python $(PYTHON),\
	$(shell $(python) -c '$(SEES_GPU)' 2>/dev/null && echo $(python)))),$(PYTHON))

gpu:
	@$(GPU_PYTHON) tests/gpu/prove.py

$(VENV)/bench: $(VENV)/ready
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[bench]'
	touch $@

bench: $(VENV)/bench
	$(BIN)/smoecast bench

$(VENV)/docs: $(VENV)/ready
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[docs]'
	touch $@

# the site, in docs/_build; a warning, such as a link that leads nowhere, is an error
docs: $(VENV)/docs
	$(BIN)/python -m sphinx --quiet --fail-on-warning --builder html docs docs/_build
	@echo "open docs/_build/index.html"

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
