# On a new machine with Python 3.11, make and git, two commands are enough: make demo, make test.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
AIRFLOW ?= 3.3.2
GROUP := dev
# Tests wait for half of their time, so more of them run at a time than there are cores; a file stays together.
PYTEST := $(BIN)/python -m pytest --dist loadfile -n
# Every tenth change that mutmut makes to a function; * for all of them.
MUTANTS ?= *mutmut_*3
# Hundreds of interpreters start here, and each would compile Airflow again if this were set.
export PYTHONDONTWRITEBYTECODE :=

# Tests that do not depend on the Airflow version, or that need more than the group "test".
SAME_ON_EVERY_AIRFLOW := client contract simulator explorer hostile airflow_e2e browser test_benchmarks.py test_docs.py test_site.py \
	test_hand_over.py test_imports.py test_layering.py test_readme.py test_targets.py test_troubleshooting.py test_tutorial.py test_versions.py

# Nothing but slow tests: `make unit` does not even import them, which each of its processes would do again.
ALL_SLOW := airflow_e2e browser contract/test_conformance.py

.PHONY: help check demo ui screenshots test unit end-to-end database explore test-airflow-2 run-airflow-2 versions chaos backfill cluster soak ten-thousand race bench fuzz docs package coverage mutants lint clean

help: ## Show all targets
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(VENV)/ready: pyproject.toml Makefile
	@echo "Setting up $(VENV) with Airflow $(AIRFLOW), which takes minutes the first time ..."
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or later is needed, this is " + sys.version) if sys.version_info < (3, 11) else None'
	@test -x $(BIN)/uv || ($(PYTHON) -m venv $(VENV) && $(BIN)/pip install --quiet --disable-pip-version-check uv)
	@$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --editable . --group $(GROUP) "apache-airflow==$(AIRFLOW)"
	@touch $@

demo: $(VENV)/ready ## Run the main job on a real Airflow with the simulator
	@$(BIN)/python -m dev.demo

ui: $(VENV)/ready ## Keep an Airflow with the examples and the simulator running for your browser
	@$(BIN)/python -m dev.ui

screenshots: $(VENV)/ready ## Write the pictures of the documentation again, with the tests in the browser; needs chromium
	@SCREENSHOTS=1 $(BIN)/python -m pytest -q tests/browser
	@$(BIN)/python -m dev.demo_picture

test: unit ## Run every test, with a complete Airflow too
	@$(MAKE) --no-print-directory -j 2 end-to-end database

end-to-end: $(VENV)/ready ## Run the tests that start complete Airflows, one after another
	@$(BIN)/python -m pytest -q -m slow --timeout 1800 tests/airflow_e2e

database: $(VENV)/ready ## Run the other tests that the target unit leaves out
	@$(BIN)/python -m pytest -q -m "slow or database or interpreter" --timeout 1800 --ignore tests/airflow_e2e

check: lint ## Check style, types, spelling, folders, imports and the messages on the troubleshooting page in about 25 seconds
	@$(BIN)/python -m pytest -q -n 2 tests/test_layering.py tests/test_imports.py tests/test_troubleshooting.py

unit: $(VENV)/ready ## Run the tests that need neither Airflow's database nor another Python
	@$(PYTEST) 5 -m "not slow and not database and not interpreter" $(addprefix --ignore=tests/,$(ALL_SLOW))

test-airflow-2: ## Run the provider's tests on the oldest supported Airflow
	@$(MAKE) --no-print-directory VENV=.venv-airflow-2 AIRFLOW=2.11.2 GROUP=test run-airflow-2

run-airflow-2: $(VENV)/ready
	@$(PYTEST) 4 -m "not slow" $(addprefix --ignore=tests/,$(SAME_ON_EVERY_AIRFLOW))

versions: $(VENV)/ready ## Run the tests that depend on Airflow on every version, some 5 minutes each, and write README
	@$(BIN)/python -m dev.versions $(SAME_ON_EVERY_AIRFLOW)

chaos: $(VENV)/ready ## Kill workers and the triggerer of a real Airflow, stop mParticle for a while, count the runs
	@$(BIN)/python -m dev.chaos

explore: $(VENV)/ready ## Try 100,000 schedules of faults with models of mParticle and Airflow
	@$(BIN)/python tests/explorer/explore.py --depth 2 --schedules 100000

backfill: $(VENV)/ready ## Ingest history with Airflow's own backfill, failing runs and killed workers
	@$(BIN)/python -m dev.backfill

cluster: $(VENV)/ready ## Kill machines of an Airflow on CeleryExecutor, with two workers and two triggerers
	@$(BIN)/python -m dev.cluster

soak: $(VENV)/ready ## Keep 1,000 deferred tasks waiting on a real triggerer while requests fail
	@$(BIN)/python -m dev.soak

ten-thousand: $(VENV)/ready ## Keep 10,000 tasks waiting in two triggerers, one of which dies
	@$(BIN)/python -m dev.ten_thousand

race: $(VENV)/ready ## Run short deferred tasks without retries on two executors, and count the failed tasks
	@$(BIN)/python -m dev.race

bench: $(VENV)/ready ## Measure this provider and others, each in its own environment, and write a report
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --group bench
	@$(BIN)/python -m benchmarks

fuzz: $(VENV)/ready ## Send 20,000 random answers of a hostile server to both drivers
	@HOSTILE_EXAMPLES=8000 $(BIN)/python -m pytest tests/hostile/test_any_bytes.py --timeout 0 --hypothesis-show-statistics

docs: $(VENV)/ready ## Build the documentation in build/site; a warning or a broken link is an error
	@$(BIN)/python -m dev.site

package: $(VENV)/ready ## Build and check the distribution, and use it in bare Airflows under their constraints
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --group package
	@$(BIN)/python -m dev.package
	@$(BIN)/python -m dev.bare_install

coverage: $(VENV)/ready ## Run all but the slow tests, and list the lines and branches that none of them reaches
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --group quality
	@$(BIN)/coverage erase
	@$(BIN)/coverage run -m pytest -q -n 4 --dist loadfile -m "not slow"
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report

mutants: $(VENV)/ready ## Change the code in small ways, one at a time, and list the changes that no test notices
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --group quality
	@$(BIN)/mutmut run "$(MUTANTS)"
	@$(BIN)/mutmut results | sed '/: not checked/d'

lint: $(VENV)/ready ## Check style, types and spelling
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/codespell

clean: ## Remove all created files
	@rm -rf .venv* .demo .ui .bench .mypy_cache .pytest_cache .ruff_cache build dist mutants *.egg-info
