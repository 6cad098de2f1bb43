# The commands of the project; `make help` lists them. Each one but help first sets up .venv.
#
#   DATA=mnist TRIALS=20 SWEEP=name ARGS="any Hydra overrides" PYTHON=/path/to/python

VENV := .venv
BIN := $(VENV)/bin
# The one in .venv is first, where its set-up was finished.
PYTHONS := $(if $(PYTHON),"$(PYTHON)",$(if $(wildcard $(VENV)/installed.json),$(BIN)/python) \
	python3.13 python3.12 python3.11 python3 python)
NO_PYTHON := Found no Python 3.11 to 3.13 that runs and can make a virtual environment (tried: \
$(subst ",,$(PYTHONS)); Debian and Ubuntu keep that in the package python3-venv); install one, or \
name it with PYTHON=/path/to/python.

# Some of these exist and fail when run (pyenv's shims), others lack venv: try each.
SUITABLE := import sys, venv, ensurepip; \
raise SystemExit(not (3, 11) <= sys.version_info[:2] <= (3, 13))

# $(call setup,) or $(call setup,dev)
setup = @for python in $(PYTHONS); do \
	  if "$$python" -Ic "$(SUITABLE)" >/dev/null 2>&1; then \
	    exec "$$python" -I requirements/install.py $(1); \
	  fi; \
	done; \
	echo "$(NO_PYTHON)" >&2; exit 1

# Values reach the commands as they are, neither make nor the shell expands anything in them. ARGS
# is split into words as a shell would, quotes included.
# What the environment calls DATA is somebody else's.
given = $(if $(findstring command line,$(origin $(1))),$(value $(1)))
override DATA := $(call given,DATA)
override TRIALS := $(call given,TRIALS)
override SWEEP := $(call given,SWEEP)
override ARGS := $(call given,ARGS)
export DATA TRIALS SWEEP ARGS
# Packages that lie there would be taken in the place of those that are locked.
unexport PYTHONPATH PYTHONHOME
SPLIT := import os, shlex; print(shlex.join(shlex.split(os.environ["ARGS"])))
words = args=$$($(BIN)/python -Ic '$(SPLIT)' 2>/dev/null) || { \
	  echo "ARGS=$$ARGS has a quotation mark without its partner." >&2; exit 2; }; \
	eval "set -- $$args"; \
	set -- $${DATA:+"data=$$DATA"} $${TRIALS:+"search.trials=$$TRIALS"} \
	  $${SWEEP:+"sweep_name=$$SWEEP"} "$$@"

# uv reads neither pip's variables nor its files: where pip has an index of its own, it is uv's.
index = export UV_DEFAULT_INDEX="$${UV_DEFAULT_INDEX:-$${PIP_INDEX_URL:-$$($(BIN)/python -m pip \
	config get global.index-url 2>/dev/null)}}"; [ -n "$$UV_DEFAULT_INDEX" ] || unset UV_DEFAULT_INDEX

# Run in a folder that holds pyproject.toml and requirements/. What the lock files hold already
# is kept as far as it fits, so that a release on the index changes nothing by itself.
UV := "$(CURDIR)/$(BIN)/uv" pip compile --quiet --universal --python-version 3.11 \
	--fork-strategy fewest --generate-hashes --no-emit-index-url \
	--custom-compile-command "make lock" --python "$(CURDIR)/$(BIN)/python"
compile = $(UV) pyproject.toml --output-file requirements/run.txt $(1) && \
	$(UV) --group build --constraints requirements/run.txt --output-file requirements/build.txt $(1) && \
	$(UV) --group dev --constraints requirements/run.txt --output-file requirements/dev.txt $(1) && \
	$(UV) --group peers --constraints requirements/run.txt --output-file requirements/peers.txt $(1) && \
	$(UV) pyproject.toml --extra cuda --constraints requirements/run.txt \
	  --output-file requirements/cuda.txt $(1)

.DEFAULT_GOAL := help
.PHONY: help sweep train status report ui dashboard docs test check audit lock bench soak clean

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' Makefile
	@echo 'Variables: DATA=mnist  TRIALS=20  SWEEP=name  ARGS="any Hydra overrides"'
	@echo '           PYTHON=/path/to/python'

sweep: ## search for the sweet spot; again continues (variables below)
	$(call setup,)
	@$(words); exec $(BIN)/sweetspot sweep "$$@"

train: ## train one network by hand (DATA= ARGS=architecture=64k3-d128)
	$(call setup,)
	@$(words); exec $(BIN)/sweetspot train "$$@"

status: ## how far a sweep is (SWEEP= ARGS=--watch)
	$(call setup,)
	@$(words); exec $(BIN)/sweetspot status "$$@"

report: ## write a sweep's page and figures anew (SWEEP=)
	$(call setup,)
	@$(words); exec $(BIN)/sweetspot report "$$@"

ui: ## serve MLflow on this machine's 127.0.0.1 (ARGS=port=5002)
	$(call setup,)
	@$(words); exec $(BIN)/sweetspot ui "$$@"

dashboard: ## serve optuna-dashboard on 127.0.0.1 (ARGS=port=8081)
	$(call setup,)
	@$(words); exec $(BIN)/sweetspot dashboard "$$@"

clean: ## list sweeps and their sizes; free, remove or rename one (ARGS=)
	$(call setup,)
	@$(words); exec $(BIN)/sweetspot clean "$$@"

docs: ## build the documentation into build/site
	$(call setup,dev)
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet && echo "$(CURDIR)/build/site/index.html"

test: ## run the tests (ARGS= for pytest, then without coverage)
	$(call setup,dev)
	@$(words); exec $(BIN)/python -m pytest $(if $(ARGS),,--cov) "$$@"

soak: ## run the tests that take long
	$(call setup,dev)
	@$(words); exec $(BIN)/python -m pytest -m soak --timeout 0 "$$@"

bench: ## measure side by side (ARGS= for python -m benchmarks)
	$(call setup,)
	@$(words); exec $(BIN)/python -m benchmarks "$$@"

check: ## lint, format, types, layers, lock files; needs a package index
	$(call setup,dev)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	@$(index); copy=$$(mktemp -d) && trap 'rm -rf "$$copy"' EXIT && cp -R pyproject.toml requirements "$$copy" && \
	(cd "$$copy" && $(call compile,)) && \
	if diff -r requirements "$$copy/requirements"; then echo "The lock files fit pyproject.toml"; else \
	  echo "The lock files do not fit pyproject.toml (above): run make lock" >&2; exit 1; fi

audit: ## look up known vulnerabilities; needs a network (ARGS="-s osv")
	$(call setup,dev)
	@$(words); $(index); for lock in run build dev cuda; do \
	  echo "requirements/$$lock.txt:"; \
	  "$(BIN)/uv" tool run pip-audit --strict --disable-pip --require-hashes \
	    --requirement "requirements/$$lock.txt" "$$@" || status=1; \
	done; exit $${status:-0}

lock: ## write requirements/*.txt (ARGS=--upgrade for new versions)
	$(call setup,dev)
	@$(index); $(call compile,$(ARGS))
