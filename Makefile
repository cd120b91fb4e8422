# Everything needs Python 3.11 or newer and make, and nothing installed or started by hand.
# `make PYTHON=python3.13 …` chooses another interpreter.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

# Or each process of the suite, of which there are thousands, would compile its modules again.
export PYTHONDONTWRITEBYTECODE :=

PYTHONS := 3.11 3.12 3.13
# The supported versions.

.PHONY: setup demo test test-unit test-others test-all lowest contract interop image-test check docs format \
	bench chaos mutants fuzz lock sbom audit wheel clean

setup: $(READY)  ## the virtual environment with everything in it

demo: $(READY)  ## the worker at work, with SQS, SES and Slack simulated here (ARGS=--all: all of it)
	$(BIN)/python -m demo $(ARGS)

# More processes than most machines have cores: half of the time the tests wait for what they started.
test: $(READY)  ## the whole test suite
	$(BIN)/python -m pytest -n 8 --dist worksteal

# How long our own loops take on hostile texts is measured once, by `make test`.
test-unit: $(READY)  ## the unit and contract tests
	$(BIN)/python -m pytest -n 4 --dist worksteal tests/unit tests/contract \
		--ignore tests/unit/test_time_of_printing.py

test-others: $(READY)  ## test-unit on every other supported Python that is here
	@ours=$$($(BIN)/python -c 'import sys; print("%d.%d" % sys.version_info[:2])'); \
	for version in $(PYTHONS); do \
		if [ $$version = $$ours ]; then continue; fi; \
		if python=$$(.ci/python $$version); then \
			$(MAKE) test-unit PYTHON=$$python VENV=.venv-python$$version || exit 1; \
		else echo "Python $$version is not here: skipped"; fi; \
	done

test-all:  ## the test suite on every supported Python that is here
	@for version in $(PYTHONS); do \
		if python=$$(.ci/python $$version); then \
			$(MAKE) test PYTHON=$$python VENV=.venv-python$$version || exit 1; \
		else echo "Python $$version is not here: skipped"; fi; \
	done

lowest:  ## the unit suite with the oldest versions that pyproject.toml allows (needs uv)
	uv venv --quiet --allow-existing --python $(PYTHON) .venv-lowest
	uv pip install --quiet --python .venv-lowest --resolution lowest-direct --editable '.[test]'
	.venv-lowest/bin/python -m pytest -n 4 --dist worksteal tests/unit tests/contract \
		--ignore tests/unit/test_time_of_printing.py

contract: $(READY)  ## what SQS is taken to be: our emulator beside moto and fauxqs (needs npm)
	npm install --no-audit --no-fund --silent --prefix tests/contract/npm
	$(BIN)/python -m pytest tests/contract/test_sqs.py

interop: $(READY)  ## with programs that pip cannot bring (pgbouncer, buildah, npm's local-aws-sqs); it names what is not there
	-command -v npm >/dev/null && npm install --no-audit --no-fund --silent --prefix tests/interop/npm
	$(BIN)/python -m pytest tests/interop -rs

image-test: $(READY)  ## build the Dockerfile's image and run it (root; Debian's buildah and mmdebstrap): minutes
	$(BIN)/python -m pytest tests/interop/test_image.py -rs

check: $(READY) docs  ## lint, format, types, import contracts, documents
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

docs: $(READY)  ## the site, into site/; anything that does not lead anywhere is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

format: $(READY)  ## fix what can be fixed
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(READY)  ## what a message costs: bench/RESULTS.md (needs Node; ARGS="--peers", "--quick")
	$(BIN)/python -m bench.run $(ARGS)

chaos: export SCHEDULE_SEED ?= random
chaos: export SCHEDULES ?= 12
chaos: export EXAMPLES_TIMES ?= 5
chaos: $(READY)  ## 200,000 messages through kills, faults and duplicates, minutes (ARGS="--seed 7")
	PYTHONPATH=tests $(BIN)/python -m chaos $(ARGS)
	$(BIN)/python -m pytest -n 4 --timeout 600 tests/acceptance/test_schedules.py -k random
	$(BIN)/python -m pytest -n 4 --timeout 600 -m hypothesis

mutants: $(READY)  ## break each invariant of the architecture, and see its test fail: minutes
	PYTHONPATH=tests $(BIN)/python -m mutants $(ARGS)

fuzz: export PYTHONPATH := .:tests
fuzz: SECONDS ?= 300
fuzz: $(READY)  ## fuzzing guided by coverage, SECONDS=300 in all (Linux; atheris from PyPI; ARGS="--only http")
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements/fuzz.txt
	$(BIN)/python -m fuzz --seconds $(SECONDS) $(ARGS)

lock:  ## choose new exact versions (needs uv)
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		--extra test pyproject.toml requirements/build.in --output-file requirements/all.txt
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		--extra postgresql --constraint requirements/all.txt pyproject.toml requirements/build.in \
		--output-file requirements/run.txt

sbom: $(READY)  ## the bill of materials of an installation, CycloneDX: dist/sbom.cdx.json
	mkdir -p dist
	$(BIN)/python requirements/sbom.py > dist/sbom.cdx.json

audit:  ## known vulnerabilities of the locked versions, by pip-audit in an environment of its own
	test -x .venv-audit/bin/pip-audit || { $(PYTHON) -m venv .venv-audit && \
		.venv-audit/bin/python -m pip install --quiet --disable-pip-version-check pip-audit==2.10.1; }
	$(PYTHON) requirements/audit.py .venv-audit/bin/pip-audit

wheel: $(READY)  ## the wheel, the same bytes whenever and wherever it is built from a commit: dist/
	$(BIN)/python requirements/wheel.py

clean:
	rm -rf $(VENV) .venv-python3.* .venv-lowest .venv-audit tests/*/npm/node_modules build dist site *.egg-info .pytest_cache .mypy_cache .ruff_cache

# Exact versions first, each with its hash; then the project itself, which brings nothing along.
$(READY): pyproject.toml requirements/all.txt
	@echo "Installing into $(VENV): a minute or two, the first time and after a change of versions"
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/all.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@
