# The two commands: `make run` serves the page, `make test` runs every test.  Everything lives in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CORPUS ?= corpus

OUT ?= site

.PHONY: run test explore lint bench evaluate train runs site pictures reference

run: $(VENV)/.run
	$(BIN)/python app.py

# a process a core, each with one thread: threads of several processes on the same cores wait for each other
test: $(VENV)/.test lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist worksteal

# the laws, on cases that no run before tried: one that fails is kept in .hypothesis and tried first the next time
explore: $(VENV)/.test
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m hypothesis --hypothesis-profile explore

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/biome ci --error-on-warnings .
	$(BIN)/node node_modules/typescript/bin/tsc
	$(BIN)/node node_modules/typescript/bin/tsc -p tsconfig.run.json

bench: $(VENV)/.test
	$(BIN)/python -m tests.benchmarks.bench --write

evaluate: $(VENV)/.evaluate
	$(BIN)/python -m dlm_core.training.evaluate --corpus $(CORPUS) --write
	$(BIN)/python -m dlm_core.training.evaluate_sudoku --write

train: $(VENV)/.run
	MALLOC_MMAP_THRESHOLD_=1073741824 MALLOC_TRIM_THRESHOLD_=17179869184 $(BIN)/python -m dlm_core.training --corpus $(CORPUS)

runs: $(VENV)/.run
	$(BIN)/python -m dlm_core.gallery

pictures: $(VENV)/.test
	$(BIN)/python -m tests.pictures

reference: $(VENV)/.test
	$(BIN)/python -m tests.reference

site: $(VENV)/.run
	$(BIN)/python -m dlm_core site $(OUT)

$(VENV)/.run: requirements.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

$(VENV)/.test: $(VENV)/.run tests/requirements.txt tests/browser/chromium.py package.json
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r tests/requirements.txt
	$(BIN)/python tests/browser/chromium.py
	$(BIN)/npm install --no-package-lock --no-audit --no-fund --silent
	touch $@

$(VENV)/.evaluate: $(VENV)/.run requirements-evaluate.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements-evaluate.txt
	touch $@
