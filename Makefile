# Everything runs in .venv, made from the lock of the machine's flavour; `make` alone lists what there is.
PYTHON ?= python3
FLAVOUR ?= auto
CORES ?= all
ARGS ?=
unexport PYTHONPATH PYTHONHOME

.DEFAULT_GOAL := help
.PHONY: gallery help setup run test unit lint format lock monitor compare unlock clean distclean

help:  ## this list
	@echo "make TARGET [FLAVOUR=cpu|cuda] [CORES=1] [ARGS='more arguments'] [PYTHON=python3.12]"
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' Makefile

setup:  ## the environment in .venv; nothing to do once it is there
	@$(PYTHON) envs/bootstrap.py --flavour $(FLAVOUR)

# A measurement takes all cores, so nothing runs beside it; figures, replays and what is prepared share them.
run: setup  ## the experiment: snakemake --cores $(CORES) $(ARGS)
	@.venv/bin/snakemake --cores $(CORES) $(ARGS)

# Unit tests a file at a time on every core. Two calls: vLLM does not start beside some of the modules that they import.
UNIT := pytest tests/unit --numprocesses auto --maxprocesses 8 --dist loadfile
test: setup  ## all tests: pytest $(ARGS)
	@.venv/bin/python -m $(UNIT) $(ARGS)
	@.venv/bin/python -m pytest tests/workflow $(ARGS)

unit: setup  ## the tests that take seconds
	@.venv/bin/python -m $(UNIT) $(ARGS)

lint: setup  ## style of code and rules, and the layers of kvbench
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/snakefmt --check Snakefile rules
	.venv/bin/snakemake --lint
	PYTHONPATH=scripts .venv/bin/lint-imports --no-logo --no-cache

format: setup  ## code and rules laid out as `make lint` wants them
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .
	.venv/bin/snakefmt Snakefile rules

lock: setup  ## envs/*.txt from envs/*.in; ARGS=--upgrade for newer versions
	@.venv/bin/python envs/lock.py $(ARGS)

monitor: setup  ## memory of GPUs, processes and host, live
	@.venv/bin/python scripts/monitor.py $(ARGS)

compare: setup  ## two result folders side by side: A=dir B=dir [OUT=file.md]
	@.venv/bin/python scripts/compare.py "$(A)" "$(B)" --out "$(or $(OUT),results/compare.html)"

gallery: setup  ## a finished run's figures and tables in docs/gallery/NAME
	@.venv/bin/python scripts/gallery.py "$(NAME)"

unlock: setup  ## after a killed run: take its lock off the folder
	@.venv/bin/snakemake --cores 1 --unlock

clean:  ## remove results and logs; models and the environment stay
	rm -rf results logs

distclean: clean  ## remove also models, caches and the environment
	@case "$$(readlink .venv)" in */kvbench/venv-*) rm -rf "$$(readlink .venv)" ;; esac
	rm -rf resources .snakemake .venv .uv .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
