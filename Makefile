# make test runs everything and ends with the counts; make check is what must hold of the text of the sources.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/ready
# Containers like to set it, and each process would compile what it imports.
unexport PYTHONDONTWRITEBYTECODE
# Several processes, as most tests wait for what they start; a file's tests in one, as they share what is costly to make;
# the files in the order of tests/conftest.py, and not those of most tests first.
SIDE_BY_SIDE := --numprocesses auto --dist loadfile --no-loadscope-reorder
PYTEST := $(BIN)/python -m pytest $(SIDE_BY_SIDE)
SHELL_SOURCES := install.sh utils/Linux_Install.sh utils/Install\ ImJoy.command utils/homebrew/name-sources .ci/run .ci/parse-on-old-pythons tests/shell/helpers.bash $(wildcard tests/shell/*.bats)
PAGE_TESTS := tests/unit/imjoy_engine/webapp/page/
PAGE_SOURCES := eslint.config.js $(wildcard engine/imjoy_engine/webapp/static/*.js) $(wildcard engine/imjoy_engine/webapp/static/*/) \
  $(PAGE_TESTS)
PAGE_TOOLS := node_modules/.ready-$(shell cksum < package-lock.json | cut -d' ' -f1)

.PHONY: test test-unit test-integration test-browser test-shell test-windows test-every-python test-macos check check-page bench bench-pictures bench-paired coverage soak hostile mutants faults every-step upgrade-matrix site pictures fmt fuzz architecture clean

# What fails beside everything else is run once more, by itself. What passes then was upset by a busy machine: the run is
# good, and its name stands above for somebody to look into. What fails twice fails the run, and so do more than ten.
# The slowest are named: begin one of minutes early (tests/conftest.py), or part its file.
test: $(READY)
	$(PYTEST) --durations 20 || { [ $$? = 1 ] && $(BIN)/python -m pytest --last-failed --last-failed-no-failures none --maxfail 10; }

test-unit: $(READY)
	$(PYTEST) tests/unit

test-integration: $(READY)
	$(PYTEST) tests/integration

test-browser: $(READY)
	$(PYTEST) tests/browser

test-shell: $(READY)
	$(PYTEST) tests/shell

# On the Windows that IMJOY_WINDOWS_BENCH names, and in the PowerShell that IMJOY_PWSH names.
test-windows: $(READY)
	$(BIN)/python -m pytest tests/windows

# The whole of the installer's suite with doubles of a Mac's commands; with its bash where TEST_BASH names one, of 3.2.
test-macos: $(READY)
	TEST_MACOS=1 $(BIN)/python -m pytest tests/integration/install_scripts tests/shell

# Every interpreter that is here, where the other targets take one of each kind.
test-every-python: $(READY)
	IMJOY_EVERY_PYTHON=1 $(PYTEST) tests/integration/packaging tests/integration/legacy \
	  tests/integration/engine/test_worker_pythons.py tests/integration/engine/test_existing_environments.py

check: $(READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/mypy --config-file .ci/mypy-windows.ini
	.ci/parse-on-old-pythons
	shellcheck $(SHELL_SOURCES)
	shfmt -d $(SHELL_SOURCES)
	@$(MAKE) --no-print-directory check-page

# The page's JavaScript. Where its tools are not and cannot be had, that is said, and the rest of the checks stands.
check-page:
	@if [ -e $(PAGE_TOOLS) ] || { command -v npm && npm ci && touch $(PAGE_TOOLS); } >/dev/null; then \
	  npx --no-install prettier --check --log-level warn $(PAGE_SOURCES) && npx --no-install eslint $(PAGE_SOURCES) && \
	    npx --no-install tsc --project jsconfig.json && npx --no-install tsc --project $(PAGE_TESTS)jsconfig.json; \
	else \
	  echo "the page's JavaScript is not checked: npm, or what package-lock.json names, is missing"; \
	fi

# docs/architecture.svg, from the imports; needs Graphviz.
architecture: $(READY)
	$(BIN)/python .ci/draw-architecture

# What the ordinary run tries a part of: an install killed at each of its steps, and each fault with both install.sh and imjoy install.
every-step: $(READY)
	IMJOY_EVERY_STEP=1 $(PYTEST) tests/integration/provision tests/shell \
	  tests/integration/engine/test_spoilt_workspace.py tests/integration/environments/test_build.py \
	  tests/integration/legacy/test_interrupted.py tests/integration/install_scripts/test_install_sh_fetches.py

# Peers are installed, and table, plot and figures written, in .bench/.
bench: $(READY)
	$(BIN)/python -m pip install -qq --disable-pip-version-check --editable ".[dev,bench]"
	$(BIN)/python bench/run.py $(BENCH)

# A picture of 4096 x 4096 values in headless Chromium: shown, moved, and beside it a bare putImageData.
bench-pictures: $(READY)
	$(BIN)/python bench/pictures.py

# Start, idle memory and first paint beside those of an older commit; make bench-paired PAIRED="COMMIT ROUNDS".
bench-paired: $(READY)
	$(BIN)/python bench/paired.py $(PAIRED)

# Which statements of both packages the tests run, by package; make coverage COVERED="tests/unit tests/integration/cli".
coverage: $(READY)
	rm -rf .coverage && mkdir .coverage
	$(BIN)/python -m coverage run -m pytest $(SIDE_BY_SIDE) $(COVERED) || touch .coverage/failed
	$(BIN)/python -m coverage combine --quiet
	$(BIN)/python .ci/coverage_table.py
	@[ ! -e .coverage/failed ]

# 200 clients of 50 plugins for ten minutes; make soak SOAK=--hour for an hour.
soak: $(READY)
	$(BIN)/python bench/soak.py $(SOAK)

# Four clients upload plugin files that were made to keep the engine busy, for a minute; /healthz is asked meanwhile.
hostile: $(READY)
	$(BIN)/python bench/hostile.py $(HOSTILE)

# Mistakes made on purpose in what guards the engine and files; some test has to notice each. make mutants MUTANTS=auth
mutants: $(READY)
	$(BIN)/python bench/mutants.py $(MUTANTS)

# Kills at any moment, in many more orders than the tests try. Took 43 min on two cores that had much else to do.
faults: $(READY)
	IMJOY_FAULT_EXAMPLES=150 $(BIN)/python -m pytest tests/integration/engine/test_fault_machine.py

# Took 8 min 25 s on two cores; a test that takes ten minutes is stopped. `make test` runs a slice, 100 cases of each.
FUZZ := $(BIN)/python -m pytest --hypothesis-profile=fuzz --timeout=600
FUZZED := $(addprefix tests/unit/imjoy_engine/,worker/transport/test_wire.py web/test_relay.py plugin_files)

fuzz: $(READY)
	$(FUZZ) -m hypothesis --numprocesses logical --dist worksteal $(FUZZED)
	$(FUZZ) tests/integration/engine/test_description.py

# Every way in which an upgrade can go, some hundred of them, each on a machine of its own; writes the table of the page.
upgrade-matrix: $(READY)
	$(BIN)/python -m tests.kit.upgrade_runs --write
	IMJOY_UPGRADE_MATRIX=1 $(PYTEST) tests/integration/upgrade

# The pictures in docs/, of today's page in headless Chromium, light and dark.
pictures: $(READY)
	$(BIN)/python -m pytest -q tests/browser/pictures_of_docs.py

# The documentation as a site, in .site/; a link that leads nowhere fails.
site: $(READY)
	$(BIN)/python -m pip install -qq --disable-pip-version-check --editable ".[docs]"
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

fmt: $(READY)
	$(BIN)/ruff check --fix
	$(BIN)/ruff format
	shfmt -w $(SHELL_SOURCES)
	npx --no-install prettier --write --log-level warn $(PAGE_SOURCES)

clean:
	rm -rf .venv build *.egg-info .pytest_cache .mypy_cache .ruff_cache

# A module is compiled when it is first imported; to compile all of them here would be a third of the work.
$(READY): pyproject.toml setup.py
	@PYTHONPATH=bootstrap $(PYTHON) -c 'import sys, imjoy; sys.exit(None if sys.version_info >= imjoy.FLOOR else \
	  "this Python is too old: make PYTHON=python3.12 names another")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -qq --disable-pip-version-check --no-compile --editable ".[dev]"
	touch $@
