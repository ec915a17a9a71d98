# On a fresh machine, run make demo and make test.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO := runs/demo
PART ?= main

.PHONY: install workstation demo test test-cuda test-system coverage lint format docs models scores clean

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { echo "edge-all needs Python 3.10 or newer; this is $$($(PYTHON) --version). Choose another: make PYTHON=python3.11 install"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

# PyTorch and related packages; their wheels need Python 3.11 or later. On 3.10, only the device half's tests run.
workstation: $(VENV)/.workstation

$(VENV)/.workstation: $(VENV)/.installed
	@if $(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,export]' && \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --no-deps torchvision && \
	  { test "$$(uname -sm)" != "Linux x86_64" || $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt tensorrt-rtx-cu13; }; \
	else echo "Python 3.10: skipping the workstation's commands and tests"; fi
	@touch $@

demo: install
	$(BIN)/edge-all run --camera 'sim:?seed=1&fields=40' --sample demo --record $(DEMO)
	$(BIN)/edge-all show last --record $(DEMO) --png $(DEMO)/findings.png | tail -n 1

# The tests of a file stay together, so that its fixtures are drawn or trained only once.
test: workstation
	$(BIN)/python -m pytest --numprocesses=auto --maxprocesses=4 --dist=loadfile

test-system: workstation
	$(BIN)/python -m pytest tests/e2e tests/faults --timeout=1500

# The buffer code with a real pycuda, built here, on a stub of the CUDA driver; takes three minutes, mostly compiling.
test-cuda: workstation
	$(BIN)/python -m pytest tests/e2e/test_buffers_with_pycuda.py --timeout=1500

lint: workstation
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@if $(BIN)/python -c 'import importlib.util, sys; sys.exit(not importlib.util.find_spec("torch"))'; then $(BIN)/mypy; \
	else echo "no PyTorch: checking the types of the device half only"; $(BIN)/mypy edge_all firmware_config; fi
	$(BIN)/vermin --target=3.10- --no-tips --violations --backport typing edge_all firmware_config
	$(BIN)/python scripts/check_imports.py
	@if [ -x $(BIN)/lint-imports ]; then $(BIN)/lint-imports --no-cache --no-logo; else echo "Python 3.10: skipping the order of the packages"; fi
	$(BIN)/codespell
	$(BIN)/python scripts/check_english.py

# The site in build/site. It imports the workstation's commands for their help, and needs Python 3.11 or later.
docs: $(VENV)/.docs
	@if [ -x $(BIN)/mkdocs ]; then NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet && echo "open build/site/index.html"; \
	else echo "Python 3.10: the documentation site is left out"; fi

$(VENV)/.docs: $(VENV)/.workstation
	@if $(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,docs]'; fi
	@touch $@

# The share of lines in each package that the fast tests cover.
coverage: workstation
	$(BIN)/python -m pytest --numprocesses=auto --maxprocesses=4 --dist=loadfile -q --cov --cov-report=
	$(BIN)/python scripts/coverage_summary.py

format: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

models: workstation
	$(BIN)/python -m edge_all_export.release.build_models

scores: workstation
	$(BIN)/python -m benchmarks.$(PART)

clean:
	rm -rf $(VENV) dist build runs .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .coverage
