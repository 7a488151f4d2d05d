# make demo   measure the bundled sample, write a report and an atlas of its features (no torch needed)
# make test   run all tests; those that repeat an experiment over random seeds try 20 of them
# make lint   ruff and mypy
# make soak   the same tests with every repetition: kills, damage, mutated files, statistics over many seeds
# make bench  time what is fast against its peers; make bench-large takes 12 GB of disk and an hour
# make calibration  measure size, coverage and power of every metric over 200 seeds; under an hour on two cores
# make docs   make a site of the guide, in build/site, with figures of all metrics; a warning is an error
# make clean  remove what these made
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
# Two processes, each with its half of the tests in order, so that fixtures of a file are made once; who is done first
# takes over tests from the end of the other's half.
PYTEST_OPTIONS ?= --numprocesses 2 --dist worksteal
# torch is pinned to one build that exists for Python 3.11; elsewhere the tests that need it are skipped.
EXTRAS := $(shell $(PYTHON) -c 'import sys; print("test,distributed,hub,docs" + ",harvest,test-harvest" * (sys.version_info[:2] == (3, 11)))')
# Not compiled while installing: torch alone has thousands of files that no test imports.
PIP = $(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check --constraint constraints.txt
INSTALL = $(PIP) --editable
# Its requirements (nnsight before 0.4, umap-learn) do not go together with ours; a test needs its classes alone.
ALONE := $(shell $(PYTHON) -c 'import sys; print("dictionary-learning==0.1.0" * (sys.version_info[:2] == (3, 11)))')
# Tests start many processes. Each imports faster if the first has left its bytecode, wherever the user keeps none.
export PYTHONDONTWRITEBYTECODE =

.PHONY: demo test soak lint bench bench-large calibration docs clean

demo: $(VENV)/core.stamp
	rm -rf saegeom-results/demo
	$(BIN)/saegeom run --output saegeom-results/demo
	$(BIN)/saegeom atlas saegeom-results/demo --output saegeom-results/demo/atlas.html

test: $(VENV)/test.stamp
	$(BIN)/python -m pytest $(PYTEST_OPTIONS)

soak: $(VENV)/test.stamp
	SAEGEOM_SOAK=1 $(BIN)/python -m pytest $(PYTEST_OPTIONS)

lint: $(VENV)/lint.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/bench.stamp
	$(BIN)/python tests/benchmarks/run.py
	$(BIN)/python tests/benchmarks/precision.py
	$(BIN)/python tests/benchmarks/plan_times.py
	$(BIN)/python tests/benchmarks/atlas.py
	$(BIN)/python tests/benchmarks/demo.py
	$(BIN)/python tests/benchmarks/many_saes.py
	$(BIN)/python tests/benchmarks/checked.py --n-features 400
	$(BIN)/python tests/benchmarks/worker_peaks.py galaxy brain

bench-large: $(VENV)/bench.stamp
	$(BIN)/python tests/benchmarks/large.py
	$(BIN)/python tests/benchmarks/paper.py
	$(BIN)/python tests/benchmarks/crystals.py
	$(BIN)/python tests/benchmarks/galaxy.py
	$(BIN)/python tests/benchmarks/memory_limits.py
	$(BIN)/python tests/benchmarks/cluster_scale.py
	$(BIN)/python tests/benchmarks/two_workers.py

calibration: $(VENV)/test.stamp
	$(BIN)/python tests/calibration/run.py

# Tutorials that have not changed come from the cache of the last time, and results are measured once: remove
# saegeom-results after a change of numbers.
docs: $(VENV)/docs.stamp
	test -d saegeom-results/demo || $(MAKE) demo
	test -d saegeom-results/guide || \
		$(BIN)/saegeom run saegeom_data/guide/site/figures.yaml --output saegeom-results/guide
	rm -rf build/guide
	$(BIN)/saegeom guide --write build/guide --results saegeom-results/demo --results saegeom-results/guide
	$(BIN)/sphinx-build --fail-on-warning --nitpicky --quiet -c saegeom_data/guide/site \
		-d build/doctrees -D nb_execution_cache_path=build/notebooks build/guide build/site

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/core.stamp: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(INSTALL) .
	touch $@

$(VENV)/test.stamp: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(INSTALL) '.[$(EXTRAS)]'
	$(if $(ALONE),$(PIP) --no-deps $(ALONE))
	touch $(VENV)/core.stamp $@

# With the tests' extras, which types are checked against. One call for both: finding versions takes most of the time.
$(VENV)/lint.stamp: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(INSTALL) '.[$(EXTRAS),dev]'
	$(if $(ALONE),$(PIP) --no-deps $(ALONE))
	touch $(VENV)/core.stamp $(VENV)/test.stamp $@

$(VENV)/bench.stamp: $(VENV)/test.stamp
	$(INSTALL) '.[bench]'
	touch $@

$(VENV)/docs.stamp: $(VENV)/core.stamp
	$(INSTALL) '.[docs]'
	touch $@

clean:
	rm -rf $(VENV) saegeom-results build dist
