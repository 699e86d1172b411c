# The two commands are `make demo` and `make test`; `make help` lists all of them.
PYTHON ?= python3
SEED ?= $(shell date +%s)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
# Three processes for two cores: tests wait for clocks and for other processes a fifth of the time.
RUN := -q -n 3 --dist loadfile --no-loadscope-reorder
# Files of tests lie in memory where there is room for them and programs may be run there: the disk is waited for less.
# What pytest makes of the assertions is kept for the next run: it is half of what happens before the first test.
# PostgreSQL runs as another user than root, who has to come into the folder.
ROOMY := $(shell grep -E '^tmpfs /dev/shm tmpfs ' /proc/mounts 2>/dev/null | grep -vq noexec && \
	df --output=avail /dev/shm | awk 'NR == 2 && $$1 > 8000000 {print "/dev/shm"}')
APART = folder=$$(mktemp -d "$(or $(ROOMY),$${TMPDIR:-/tmp})/featurectl-tests-XXXXXX") && chmod 755 "$$folder" && \
	trap 'rm -rf "$$folder"' EXIT && trap 'exit 130' INT TERM && TMPDIR="$$folder" PYTHONDONTWRITEBYTECODE=

.PHONY: help compiled demo how-long test long stress check guests lint types layers data docs changes wheel bench bench-serving coverage format clean

help: ## list what make can do
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --compile-bytecode --constraint constraints.txt --editable '.[test]'
	@touch $(READY)

demo: $(READY) ## set everything up and run the main job on real flights
	@$(BIN)/python -m benchmarks.demo

compiled: $(READY) # the commands and servers that tests start need not compile the package each time
	@$(BIN)/python -m compileall -q -x '/(test_[^/]*|conftest)\.py$$' featurectl tests benchmarks

how-long: # said before anything is set up
	@echo "make test: about five minutes on two cores; the percentages at the ends of lines tell how far it is"

test: how-long compiled ## set everything up and pass the tests, real Redis and PostgreSQL included; five minutes on two cores
	@$(APART) .ci/tests $(RUN) --durations=10

long: compiled ## further cases of what make test has a case of, and the commands of the docs on a year of flights
	@$(APART) .ci/tests $(RUN) --durations=10 -m "long and not stress and not guests"

stress: compiled ## the long counts, of which make test runs a sample, and random cases that are new each time (SEED=N repeats)
	@echo "random cases begin at $(SEED): make stress SEED=$(SEED) repeats them"
	FEATURECTL_TEST_SEED=$(SEED) $(BIN)/python -m pytest $(RUN) -m "stress or hypothesis"

check: lint types layers test ## what CI runs first

guests: compiled ## what needs an environment of its own (the wheel), or programs of the system (MariaDB, promtool and amtool by apt, azurite by npm)
	.ci/tests -q -m "guests and not stress" tests
	.ci/prometheus

lint: $(READY) ## ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY) ## mypy: the package strict, tests where they have types, names and calls of benchmarks
	$(BIN)/mypy

layers: $(READY) ## the directions of imports
	$(BIN)/python -m pytest -q tests/test_layers.py

data: $(READY) ## make the template's flight data again from its source
	$(BIN)/python -m benchmarks.flights_data feature_repo_template/flights/data

docs: $(READY) ## make the reference pages again from the code
	$(BIN)/python docs/generate.py

changes: $(READY) ## put the fragments of changes/ together in CHANGELOG.md, under the version of the package
	$(BIN)/towncrier build --yes

wheel: $(READY) ## build the wheel into dist/
	$(BIN)/uv build --quiet --wheel --sdist

bench: $(READY) ## the table of speeds, ours against DuckDB and Polars; half an hour and 5 GB of disk
	$(BIN)/python -m benchmarks.pit benchmark-data

bench-serving: $(READY) ## the table of serving: reads, requests and predictions under load; ten minutes and 2 GB of disk
	$(BIN)/python -m benchmarks.serving benchmark-data/serving

coverage: compiled ## branch coverage of the tests
	$(BIN)/python -m pytest -p pytest_cov $(RUN) -m "not stress and not guests" --cov --cov-report=term-missing:skip-covered

format: $(READY) ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean: ## remove the environment and what was built
	rm -rf $(VENV) .guests dist build demo benchmark-data .mypy_cache .ruff_cache
