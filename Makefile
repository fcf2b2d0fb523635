# Everything one does here, one sentence each: `make help` prints them.
# Needs only make, git and a Python of 3.11 or newer with its venv module; all else goes into .venv, hash by hash.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
JARS := .kafka/fetched
BUF := .buf/node_modules/.bin/buf
PROMISED := promised.binpb
ARGS ?=
WORLD ?= ../shared/scenarios/tune/101

PROTOS := $(sort $(shell find protos -name '*.proto'))

.PHONY: help install demo demo-province test campaign check format lock protos lint-protos promise-protos bench \
  schemas promise-schemas bench-bag bench-feed bench-kafka bench-robustness bench-ablation \
  bench-slack bench-vision verify kafka mission chaos chaos-full feed-chaos feed-chaos-full \
  recordings clean

help: ## Prints this list.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(INSTALLED) ## Installs the locked packages and city-brain itself into .venv; does nothing where that is done.

demo: $(INSTALLED) ## Makes a city, runs the whole journey on it and prints its incidents, explained and scored.
	@$(BIN)/city-brain demo $(ARGS)

demo-province: $(INSTALLED) ## Runs three cities and a province, cuts links, kills programs, and compares what both ends hold.
	@$(BIN)/python -m tests.province $(ARGS)

test: $(INSTALLED) $(JARS) ## Runs every test; make test ARGS="tests/test_house.py -k lock" runs some.
	@$(BIN)/pytest --quiet --numprocesses auto --dist loadfile $(ARGS)

campaign: $(INSTALLED) $(JARS) ## Runs the tests that take minutes each: chaos in small, and many workers.
	@$(BIN)/pytest --quiet -m campaign $(ARGS)

check: $(INSTALLED) ## Lint, format, types, promised schemas and the direction of imports: what a reviewer should never have to say.
	@$(BIN)/ruff check --quiet --output-format concise .
	@$(BIN)/ruff format --check --quiet --output-format concise .
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/python -m tests.schemas check > $(VENV)/schemas.txt || { cat $(VENV)/schemas.txt; exit 1; }
	@$(BIN)/lint-imports --no-logo > $(VENV)/imports.txt || { cat $(VENV)/imports.txt; exit 1; }
	@echo "check: lint, format, types, promised schemas and imports are in order"

format: $(INSTALLED) ## Formats the code and repairs what the linter can repair.
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format --quiet .

bench-bag: $(INSTALLED) ## Measures recording and reading beside the official package: speed, seeks and memory.
	@$(BIN)/python -m tests.benchmarks.bag $(ARGS)

bench-feed: $(INSTALLED) ## Measures what 1,000 readers of the feed cost, with slow ones among them, and after all links broke.
	@$(BIN)/python -m tests.benchmarks.feed $(ARGS)

bench-vision: $(INSTALLED) ## Measures what the eyes cost beside network and decoding, for 1, 4 and 16 cameras on a core; wants shared data.
	@$(BIN)/python -m tests.benchmarks.vision $(ARGS)

recordings: $(INSTALLED) ## Makes the recordings in playback/recordings again, bit for bit.
	@$(BIN)/python -m tests.playback.making

verify: $(INSTALLED) ## Reads the folder WORLD in many orders, groupings and restarts, and compares the digests.
	@$(BIN)/city-brain verify $(WORLD)/observations.jsonl.zst --map $(WORLD)/city.geojson $(ARGS)

bench: $(INSTALLED) ## Measures observations a second, stage by stage, on growing cities.
	@$(BIN)/python -m tests.benchmarks $(ARGS)

bench-kafka: $(INSTALLED) $(JARS) ## Measures the street and a simple join, beside other systems, on a broker of its own.
	@$(BIN)/python -m tests.benchmarks.kafka $(ARGS)

bench-robustness: $(INSTALLED) ## Scores worlds with fewer cameras, worse clocks and places, lost rows, or a kind of source less; an hour.
	@$(BIN)/python -m tests.benchmarks.altered robustness $(ARGS)

bench-ablation: $(INSTALLED) ## Scores fusion without one of its parts at a time; an hour.
	@$(BIN)/python -m tests.benchmarks.altered ablation $(ARGS)

bench-slack: $(INSTALLED) ## Scores with each number of the incident types a fifth smaller, then a quarter larger; half an hour.
	@$(BIN)/python -m tests.benchmarks.slack $(ARGS)

kafka: $(INSTALLED) $(JARS) ## Runs one Apache Kafka broker on 127.0.0.1:9092 until Ctrl-C; needs java and mvn.
	@$(BIN)/python -m tests.kafka.broker $(ARGS)

mission: $(INSTALLED) $(JARS) ## Runs a city on a real Kafka up to its province, which shows an incident of three kinds of evidence; checks all.
	@$(BIN)/python -m tests.mission $(ARGS)

chaos: $(INSTALLED) $(JARS) ## Kills the programs of a city on Kafka 20 times, then plants bugs, and compares bytes with one process.
	@$(BIN)/python -m tests.chaos --kills 20 --bugs $(ARGS)

chaos-full: $(INSTALLED) $(JARS) ## The same with 200 kills; half an hour.
	@$(BIN)/python -m tests.chaos --kills 200 --bugs $(ARGS)

feed-chaos: $(INSTALLED) ## Torments a feed and its readers over 100,000 changes, then plants bugs, and checks seven promises.
	@$(BIN)/python -m tests.feed_chaos --bugs $(ARGS)

feed-chaos-full: $(INSTALLED) ## The same with 1,000,000 changes.
	@$(BIN)/python -m tests.feed_chaos --changes 1000000 --bugs $(ARGS)

protos: $(INSTALLED) ## Generates the Python of protos/*.proto anew, into city_brain/wire/.
	@$(BIN)/python -m grpc_tools.protoc -I protos --python_out=. --pyi_out=. $(PROTOS)
	@$(BIN)/python -m grpc_tools.protoc -I protos --grpc_python_out=. $$(grep -l '^service ' $(PROTOS))

lint-protos: $(INSTALLED) ## Lints protos/ and compares it with what other programs were promised; needs npm, or says so.
	@if command -v npm > $(VENV)/npm.txt; then \
	  $(MAKE) --quiet $(BUF) && cd protos && ../$(BUF) lint && ../$(BUF) breaking --against $(PROMISED) \
	  && echo "lint-protos: the protos are in order, and break nothing that was promised"; \
	else \
	  echo "lint-protos: wanted npm, got none: the protos were NOT linted, nor compared with what was promised" >&2; \
	  test "$${CI:-false}" != true; \
	fi

promise-protos: $(BUF) ## Promises the protos as they are to other programs: with a release, or where a break is meant.
	@cd protos && ../$(BUF) build --exclude-source-info --output $(PROMISED)

schemas: $(INSTALLED) ## Writes protos/schemas/*.json anew: what files hold, as `city-brain schema` prints it.
	@$(BIN)/python -m tests.schemas write

promise-schemas: $(INSTALLED) ## Promises the schemas as they are: with a release, or where a break is meant.
	@$(BIN)/python -m tests.schemas promise

lock: ## Resolves requirements.lock anew from pyproject.toml; give PYTHON=python3.11, the oldest we support.
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' \
	  || { echo "make lock: wanted Python 3.11, the oldest supported, got $$($(PYTHON) --version)" >&2; exit 1; }
	$(PYTHON) -m venv build/lock
	build/lock/bin/pip install --quiet pip-tools==7.6.2
	PIP_FIND_LINKS= build/lock/bin/pip-compile --quiet --extra dev --all-build-deps --generate-hashes --strip-extras \
	  --allow-unsafe --no-header --annotation-style line --no-emit-index-url --no-emit-find-links \
	  --no-emit-trusted-host --no-emit-options --output-file requirements.lock $(ARGS) pyproject.toml

clean: ## Removes what was installed, built and cached; nothing that is in git.
	rm -rf $(VENV) .kafka .buf .bench build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find city_brain tests -name __pycache__ -prune -exec rm -rf {} +

# Without java or mvn nothing is fetched, and the tests that need a broker say so.
$(JARS): deploy/kafka/pom.xml | $(INSTALLED)
	@$(BIN)/python -m tests.kafka.jars

# By the hashes of the lock, from whichever registry npm is set to; no script of a package is run.
$(BUF): protos/linter/package.json protos/linter/package-lock.json
	@mkdir -p .buf && cp protos/linter/package.json protos/linter/package-lock.json .buf
	@cd .buf && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error > npm.txt || { cat npm.txt >&2; exit 1; }
	@touch $@

# The stamp is younger than the lock and the project file exactly while what is installed fits them.
$(INSTALLED): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "city-brain: wanted Python 3.11 or newer, got $$($(PYTHON) --version 2>&1);" \
	            "name another one, such as: make demo PYTHON=python3.12" >&2; exit 1; }
	@echo "installing into $(VENV) (once: 300 MB to fetch, 1 GB on disk)" >&2
	@$(PYTHON) -m venv $(VENV) \
	  || { echo "city-brain: $(PYTHON) cannot make a virtual environment;" \
	            "on Debian and Ubuntu its package is called python3-venv" >&2; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --require-hashes --requirement requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@
