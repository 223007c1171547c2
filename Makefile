# `make` alone lists the targets. All that is made lies in .venv and _build.

PYTHON := $(shell command -v python3.11 || command -v python3)
PY := .venv/bin/python
INSTALLED := .venv/.installed

# One thread for each process: two notebooks run side by side, and sums come out the same everywhere.
export OMP_NUM_THREADS := 1
export OPENBLAS_NUM_THREADS := 1
export MKL_NUM_THREADS := 1

# Where the pretrained model of chapter 21 is kept. NTP_LM=off leaves the chapter out.
export NTP_MODEL_DIR ?= $(CURDIR)/_build/model

.DEFAULT_GOAL := help
.PHONY: help book model test notebooks bench mutate results lock clean

help:  ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):[^#]*## /  make \1\t/' | expand -t 18

book: $(INSTALLED) model  ## execute the notebooks that changed and build the book into _build/html (NTP_SCALE=full: at full size)
	@$(PY) scripts/build.py

model: $(INSTALLED)  ## fetch the pretrained model of chapter 21, once (93 MB; `make book` does it; NTP_LM=off: not)
	@$(PY) scripts/model.py

test: book  ## run every test: library, notebooks (nbval), the built book in a browser
	$(PY) -m pytest -n 2 --dist loadscope --nbval --nbval-current-env ntputils tests notebooks/*.ipynb

notebooks: $(INSTALLED) model  ## make the .ipynb of every notebook from its .py, execute it, keep the text that nbval compares
	$(PY) scripts/notebooks.py

bench: $(INSTALLED)  ## run the benchmarks (minutes, several GB of memory; in a folder of their own, beside the lock)
	$(PY) -m pip install --quiet --disable-pip-version-check --upgrade --target _build/benchlibs -r benchmarks/requirements.txt
	PYTHONPATH=.:_build/benchlibs $(PY) benchmarks/counting.py --kjv
	PYTHONPATH=.:_build/benchlibs $(PY) benchmarks/solver.py
	PYTHONPATH=.:_build/benchlibs $(PY) benchmarks/training.py
	PYTHONPATH=. $(PY) benchmarks/widgets.py

mutate: $(INSTALLED)  ## change the library's formulas one by one and count what the tests catch (half an hour; can be stopped)
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --upgrade --target _build/mutatelibs -r tests/mutation/requirements.txt
	$(PY) scripts/mutate.py --write

results: $(INSTALLED)  ## train every model of Part III from five seeds and write the tables (hours; can be stopped; NTP_SCALE=full: the paper's sizes)
	$(PY) scripts/results.py --scale $(or $(NTP_SCALE),small)

lock: $(INSTALLED)  ## resolve the dependencies of pyproject.toml again and write requirements.lock
	$(PY) scripts/lock.py

clean:  ## remove what was built (the environment in .venv stays)
	rm -rf _build

$(INSTALLED): requirements.lock pyproject.toml
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || \
	  { echo "make: the book needs Python 3.11 (found: $$("$(PYTHON)" --version 2>&1)); install it so that python3.11 is on the PATH" >&2; exit 1; }
	@test -x $(PY) || "$(PYTHON)" -m venv .venv
	$(PY) -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@
