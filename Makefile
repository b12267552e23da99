# Everything runs in .venv, made from the lock of the machine's flavour; `make` alone lists the targets.
PYTHON ?= python3
FLAVOUR ?= auto
CORES ?= all
ARGS ?=
unexport PYTHONPATH PYTHONHOME

.DEFAULT_GOAL := help
.PHONY: help setup any run cluster cancel quick plan report serve test faults slurm unit lint format lock monitor compare reproduce crate docs verify gallery picture unlock clean distclean

help:  ## this list
	@echo "make TARGET [FLAVOUR=cpu|cuda|plan] [CORES=1] [ARGS='more arguments'] [PYTHON=python3.12]"
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' Makefile

setup:  ## make the environment in .venv, unless it is up to date
	@$(PYTHON) envs/bootstrap.py --flavour $(FLAVOUR)

# What needs no engine runs in the environment that is there; without one it gets the plan flavour.
any:
	@$(PYTHON) envs/bootstrap.py --flavour $(FLAVOUR) --no-engine

# A measurement takes all cores, so nothing runs beside it; preparation, replays and figures share them.
run: setup  ## run the experiment: snakemake --cores $(CORES) $(ARGS)
	@.venv/bin/python scripts/check_files.py $(ARGS)
	@.venv/bin/snakemake --cores $(CORES) $(ARGS)

cluster: setup  ## run the experiment's jobs on SLURM (docs/cluster.md): snakemake with what config.yaml asks for
	@.venv/bin/python scripts/cluster.py $(ARGS)

cancel: any  ## cancel this folder's cluster jobs, also after a lost connection; ARGS="--directory FOLDER"
	@.venv/bin/python scripts/cancel.py $(ARGS)

quick: setup  ## see it in two minutes: the guide's prompts on hf-batch and vllm, once each
	@.venv/bin/python scripts/check_files.py --configfile config.yaml config/quick.yaml $(ARGS)
	@.venv/bin/snakemake --cores $(CORES) --configfile config.yaml config/quick.yaml $(ARGS)

plan: any  ## capacity plans and replays of config.yaml, without an engine
	@.venv/bin/python scripts/check_files.py --configfile config.yaml config/plan.yaml $(ARGS)
	@.venv/bin/snakemake --cores $(CORES) --configfile config.yaml config/plan.yaml $(ARGS)

report: any  ## tables, figures and report of the finished runs in results/ again, without an engine
	@.venv/bin/python scripts/report_again.py --cores $(CORES) $(ARGS)

serve:  ## show the report in a browser, on this machine only; PORT=8000, ARGS=folder
	@exec $(PYTHON) scripts/serve.py --port "$(PORT)" $(ARGS)

# Unit tests run one file per core. Two calls, because vLLM does not start after some modules that unit tests import.
UNIT := pytest tests/unit --numprocesses auto --maxprocesses 8 --dist loadfile
# Of the tests of the workflow those that load engines take gigabytes each, so two files of them run at a time, and with
# them those of faults, which are few and long and so come first, and of pages, so that no process is idle at the end. The
# others are as many as there are CPUs, the longest first. Beside them SLURM's, which wait most of their time, in one more
# process.
APART := $(patsubst %,tests/workflow/test_%.py,\
	reruns bad_input hostile_model lint model partial places plan shapes snakemake_report terminal trace_files)
# The plan flavour has neither engines nor a browser's driver.
test: setup  ## run all tests: pytest $(ARGS)
	@.venv/bin/python -m $(UNIT) $(ARGS)
ifeq ($(FLAVOUR),plan)
	@.venv/bin/python -m pytest tests/workflow/test_plan.py $(ARGS)
else
	@.venv/bin/python -m pytest tests/slurm $(APART) --numprocesses auto --maxprocesses 9 --dist loadfile --no-loadscope-reorder $(ARGS)
	@.venv/bin/python -m pytest tests/faults tests/workflow $(APART:%=--ignore=%) tests/browser -m "not long" \
		--numprocesses auto --maxprocesses 2 --dist loadfile --no-loadscope-reorder $(ARGS)
endif

faults: setup  ## test all faults: kills, stops, signals; writes the table of docs/reliability.md
	@.venv/bin/python -m pytest tests/faults --faults-table docs/reliability.md $(ARGS)

slurm: setup  ## test make cluster on a SLURM of its own; needs root, slurm-wlm and munge
	@.venv/bin/python -m pytest tests/slurm $(ARGS)

unit: setup  ## run the tests without an engine
	@.venv/bin/python -m $(UNIT) $(ARGS)

lint: setup  ## check the style of code and rules, and the layers of kvbench
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/snakefmt --check Snakefile rules workflow
	.venv/bin/snakemake --lint
	PYTHONPATH=scripts .venv/bin/lint-imports --no-logo --no-cache

format: setup  ## format code and rules as `make lint` requires
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .
	.venv/bin/snakefmt Snakefile rules workflow

lock: setup  ## make envs/*.txt from envs/*.in; ARGS=--upgrade for newer versions
	@.venv/bin/python envs/lock.py $(ARGS)

monitor: setup  ## show the memory of GPUs, processes and host, live
	@.venv/bin/python scripts/monitor.py $(ARGS)

compare: any  ## compare finished runs: A=dir B=dir, or DIRS="a b c" [OUT=file.md] [ARGS=--check]
	@.venv/bin/python scripts/compare.py "$(A)" "$(B)" $(DIRS) --out "$(or $(OUT),results/compare.html)" $(ARGS)

verify: any  ## whether results/ follow from what is beside them, the code, settings and packages; A=folder
	@.venv/bin/python scripts/verify.py $(if $(A),"$(A)")

# Listing the claims needs no engine.
reproduce: $(if $(filter-out list,$(CLAIM)),setup,any)  ## repeat the run of CLAIM=id (or list), compare verdicts [RUN=name] [DIR=folder]
	@.venv/bin/python scripts/reproduce.py "$(or $(CLAIM),list)" --run "$(RUN)" $(if $(DIR),--directory "$(DIR)") \
		--cores $(CORES) $(if $(filter cpu,$(FLAVOUR)),--config device=cpu) $(ARGS)

crate: any  ## pack a finished run as an RO-Crate: [DIR=results] [OUT=crate.zip]
	@.venv/bin/python scripts/crate.py "$(or $(DIR),results)" --out "$(or $(OUT),crate.zip)"

docs: any  ## write docs/reproduce.md again
	@.venv/bin/python scripts/reproduce_page.py

gallery: any  ## copy a finished run's figures and tables to docs/gallery/NAME: [DIR=folder with results/]
	@.venv/bin/python scripts/gallery.py "$(NAME)" "$(DIR)"

picture: setup  ## draw a finished run's block map as PNG and GIF; ARGS="map --out folder"; needs Chromium
	@.venv/bin/python scripts/picture.py $(ARGS)

unlock: any  ## remove Snakemake's lock on the folder after a killed run
	@.venv/bin/snakemake --cores 1 --unlock

clean:  ## remove results, logs, repeated runs and what killed calls left; models and the environment stay
	rm -rf results logs reproduce
	@$(PYTHON) scripts/sweep.py

distclean: clean  ## remove also models, caches and the environment
	@case "$$(readlink .venv)" in */kvbench/venv-*) rm -rf "$$(readlink .venv)" ;; esac
	rm -rf resources .snakemake .venv .uv .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
