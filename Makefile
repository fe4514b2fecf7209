# `make help` lists the targets. Every target sets up .venv first. Requirements: Python >= 3.11, git and make.

ifndef SCALE
SCALE = laptop
sweep-offline: SCALE = offline
endif
JOBS ?=
ENGINE ?= local
SLURM ?=
SWEEP ?=
IMPORT ?=
CONFIRM ?= no
FAMILY ?= atari
RUNS ?= runs/$(FAMILY)-$(SCALE)
FILE = sweeps/$(FAMILY)/$(SCALE).yaml
LAUNCH = $(BIN)/python -m sweeps.launch $(FILE) --folder $(RUNS) --confirm $(CONFIRM) $(if $(JOBS),--jobs $(JOBS)) \
	--engine $(ENGINE) $(addprefix --slurm.,$(SLURM)) $(addprefix --wandb.sweep=,$(SWEEP)) $(addprefix --import=,$(IMPORT))
# The data set of sweep-offline: a DQN run like those of the laptop grid.
DATA = runs/atari-offline-data/RoadRunner
RECORDING = --record $(DATA) --folder runs/atari-offline-data/recording --task atari/RoadRunner --method dense --seed 0 \
	--agent.network small --agent.width 128 --agent.learning_rate 0.0001 --agent.epsilon_decay 5000 \
	--agent.epsilon_end 0.02 --learner.target_update_period 20 --replay.capacity 20000 --replay.n_step 10 \
	--trainer.epochs 5 --trainer.epoch_agent_steps 2000 --trainer.initial_samples 1000
# The newest Python from 3.11 on that runs; a pyenv shim may exist and not run.
# A variable of the environment does not name it, since other programs use that name.
PYTHON = $(shell for v in 3.13 3.12 3.11 3; do \
	python$$v -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' >/dev/null 2>&1 && echo python$$v && break; done)
# Another Python has its own packages: make PYTHON=python3.12 test does not change .venv.
VERSION = $(if $(PYTHON),$(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null))
VENV ?= .venv$(if $(filter file,$(origin PYTHON)),,-$(VERSION))
LOCK = requirements.lock
BIN = $(VENV)/bin
READY = $(VENV)/.ready
PYTEST = $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder
comma = ,
# RUNS, if it is set, may be a file or a W&B project.
SOME_RUNS = $(if $(filter file,$(origin RUNS)),,:) test -d $(RUNS) || { if test -f $(FILE); \
	then echo "error: no folder $(RUNS): make sweep-$(FAMILY) SCALE=$(SCALE) makes the runs"; \
	else echo "error: no sweep file $(FILE): make help lists FAMILY and SCALE"; fi >&2; exit 2; }
NO_PYTHON = $(if $(filter file,$(origin PYTHON)),no Python from 3.11 to 3.13 found: install one$(comma) or,$(PYTHON) \
	is no Python from 3.11 to 3.13, or does not run:) name one as in make PYTHON=/path/to/python3.12

.PHONY: help setup setup-cuda sweep-atari sweep-mujoco sweep-minatar sweep-classic sweep-offline status table report results sync dashboard check test test-long test-all fuzz test-slurm chaos lint format bench bench-inference gpu-check docs lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "  options: SCALE=laptop|evening|reference|ablation|paper (sweep-offline: offline|offline-paper) CONFIRM=yes RUNS=folder"
	@echo "           FAMILY=atari|mujoco|minatar|classic (for status, table and report) JOBS=processes IMPORT=my_module"
	@echo "           ENGINE=local|slurm|wandb SLURM='partition=... time=...' SWEEP=entity/project/id PYTHON=python3.12 ARGS=..."
	@echo "  SCALE=reference: the grids of the published results, with CONFIRM=yes; on two cores about one hour per task and"
	@echo "           seed (sweep-mujoco), 40 minutes per game and seed (sweep-atari), 4 hours in all (sweep-minatar)"
	@echo "  JOBS: by default one run per core; with GPUs as many per GPU as gpu-check found best, or 4"

setup: $(READY) ## install the locked packages into .venv

$(READY): $(LOCK) Makefile pyproject.toml
	@test -n "$(PYTHON)" -a -n "$(VERSION)" || { echo "error: $(NO_PYTHON)" >&2; exit 2; }
	@echo "setting up $(VENV) with $(PYTHON): about 2 GB, once"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@$(BIN)/uv pip install --system-certs --quiet --python $(BIN)/python --require-hashes --requirement $(LOCK)
	@$(BIN)/uv pip install --quiet --offline --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

setup-cuda: $(READY) ## add JAX for NVIDIA GPUs
	$(BIN)/uv pip install --system-certs --quiet --python $(BIN)/python --require-hashes --requirement requirements-cuda.lock

sweep-atari: FAMILY = atari
sweep-atari: $(READY) ## run the Atari grid of SCALE, then print its comparison table
sweep-mujoco: FAMILY = mujoco
sweep-mujoco: $(READY) ## run the MuJoCo grid of SCALE, then print its comparison table
sweep-minatar: FAMILY = minatar
sweep-minatar: $(READY) ## run the MinAtar grid of SCALE, then print its comparison table
sweep-classic: FAMILY = classic
sweep-classic: $(READY) ## run the grid of SCALE on classic control and LunarLander, then print its comparison table
sweep-atari sweep-mujoco sweep-minatar sweep-classic:
	@$(LAUNCH)

sweep-offline: $(READY) ## run CQL, gmp and EauDeCQL on a small data set; record the data set first if necessary
	@case "$(SCALE)" in offline*) ;; *) echo "error: SCALE=$(SCALE): sweep-offline needs SCALE=offline or SCALE=offline-paper" >&2; exit 2;; esac
	@test "$(SCALE)" != offline || test -d $(DATA) || { echo "recording $(DATA)" && $(BIN)/python -m sweeps.run $(RECORDING); }
	@$(LAUNCH)

status: $(READY) ## show the state of each run of FAMILY and SCALE, for every engine
	@$(BIN)/python -m sweeps.status $(FILE) --folder $(RUNS) $(addprefix --import=,$(IMPORT))

table: $(READY) ## write the comparison table of FAMILY and SCALE from the records
	@$(SOME_RUNS)
	@$(BIN)/python -m analysis.table --runs $(RUNS) --sweep $(FILE) $(ARGS)

report: $(READY) ## write the table, all figures, all runs and missing cells on one HTML page
	@$(SOME_RUNS)
	@$(BIN)/python -m analysis.report --runs $(RUNS) --sweep $(FILE) $(ARGS)

results: $(READY) ## write the tables and figures of results/ and of the README again, from the committed curves
	@$(BIN)/python -m analysis.published results/results.yaml && $(BIN)/python -m docs.generate.headline

sync: $(READY) ## upload the runs in RUNS to W&B; send only what is missing there
	@$(BIN)/python -m suite.publish.sync $(RUNS)

dashboard: $(READY) ## create a W&B workspace with this benchmark's charts; without an account, show the newest run
	@$(BIN)/python -m suite.publish.dashboard $(RUNS) $(ARGS)

check: $(READY) ## run format, lint, types and the tests that your change affects, in a minute; ARGS="--base main"
	@$(BIN)/python -m tests.check $(ARGS)

test: $(READY) ## run the tests, in ten minutes on two cores; pytest receives ARGS
	@$(PYTEST) --tier fast $(ARGS)

test-long: $(READY) ## run the long tests, which tests/long.py lists; ARGS="--minutes 20" starts no test after 20 minutes
	@$(PYTEST) --tier long $(ARGS)

test-all: $(READY) ## run all tests, the fast and the long ones
	@$(PYTEST) --tier all $(ARGS)

fuzz: $(READY) ## run the property tests on new examples for ten minutes, or ARGS="--minutes 300"; print the seeds
	@$(BIN)/python -m tests.fuzz $(ARGS)

test-slurm: $(READY) ## install a SLURM of one node (root, apt-get), and run a grid with preemption on it
	@tests/slurm/install.sh
	@NEEDS_SLURM=yes $(BIN)/python -m pytest tests/slurm $(ARGS)

chaos: $(READY) ## kill runs at 100 random moments, and compare their results bit for bit
	@$(BIN)/python -m tests.chaos $(ARGS)

lint: $(READY) ## run ruff and mypy
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

format: $(READY) ## format the code
	@$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

bench: $(READY) ## measure the speed of this machine: gradient step, replay, mask update, whole runs
	@$(BIN)/python -m sweeps.bench.training $(ARGS)

bench-inference: OUT = runs/inference
bench-inference: $(READY) ## measure from which sparsity sparse layers are faster on this machine; OUT=runs/inference
	@$(BIN)/python -m sweeps.bench.inference --out $(OUT) $(ARGS) && $(BIN)/python -m analysis.inference $(OUT)

gpu-check: $(READY) ## compare a GPU with the CPU and measure its speed, into results/gpu/; ARGS="--minutes 8"
	@$(BIN)/python -m sweeps.gpu $(ARGS)

docs: $(READY) ## build the documentation into site/
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict && echo "written: site/index.html"

lock: $(READY) ## resolve the packages again, after a change of pyproject.toml
	$(BIN)/uv pip compile --system-certs --quiet --universal --generate-hashes --no-header --no-annotate --no-emit-index-url \
		--no-emit-find-links --extra dev pyproject.toml --output-file $(LOCK)
	$(BIN)/uv pip compile --system-certs --quiet --universal --generate-hashes --no-header --no-annotate --no-emit-index-url \
		--no-emit-find-links --all-extras pyproject.toml --output-file requirements-cuda.lock

clean: ## remove .venv and caches; keep runs and results
	rm -rf .venv .venv-3.* site .mypy_cache .pytest_cache .ruff_cache .hypothesis
