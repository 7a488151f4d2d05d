# make demo   measure the bundled sample and write a report (no torch needed)
# make test   run all tests
# make lint   ruff and mypy
# make soak   try what must not break many more times: kills, damage, mutated files
# make bench  time what is fast against its peers; make bench-large takes 12 GB of disk and an hour
# make clean  remove what these made
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
# torch is pinned to one build that exists for Python 3.11; elsewhere the tests that need it are skipped.
# Two processes, each with the whole of a file, whose fixtures are made once.
PYTEST_OPTIONS ?= --numprocesses 2 --dist loadfile
EXTRAS := $(shell $(PYTHON) -c 'import sys; print("test,distributed,hub" + ",harvest,test-harvest" * (sys.version_info[:2] == (3, 11)))')

.PHONY: demo test soak lint bench bench-large clean

demo: $(VENV)/core.stamp
	rm -rf saegeom-results/demo
	$(BIN)/saegeom run --output saegeom-results/demo

test: $(VENV)/test.stamp
	$(BIN)/python -m pytest $(PYTEST_OPTIONS)

soak: $(VENV)/test.stamp
	SAEGEOM_SOAK=1 $(BIN)/python -m pytest $(PYTEST_OPTIONS) tests/test_reliability.py tests/checkpoints/test_bad_checkpoints.py tests/spec/test_models.py

lint: $(VENV)/lint.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/bench.stamp
	$(BIN)/python tests/benchmarks/run.py

bench-large: $(VENV)/bench.stamp
	$(BIN)/python tests/benchmarks/large.py
	$(BIN)/python tests/benchmarks/paper.py
	$(BIN)/python tests/benchmarks/crystals.py

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/core.stamp: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable .
	touch $@

$(VENV)/test.stamp: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[$(EXTRAS)]'
	touch $(VENV)/core.stamp $@

$(VENV)/lint.stamp: $(VENV)/test.stamp
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@

$(VENV)/bench.stamp: $(VENV)/test.stamp
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[bench]'
	touch $@

clean:
	rm -rf $(VENV) saegeom-results build dist
