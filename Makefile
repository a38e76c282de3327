# Each target does its own set-up in .venv. Needed beforehand: make, and Python 3.11 to 3.13 with its venv module.
#   make book PYTHON=python3.12     takes another Python
PYTHON ?= python3
# In words that a Python of any age understands.
SUPPORTED = $(PYTHON) -c 'import sys; (3, 11) <= sys.version_info[:2] <= (3, 13) or sys.exit("This project needs Python \
  3.11, 3.12 or 3.13; %s is %s" % (sys.executable, sys.version.split()[0]))'
RUN = .venv/bin/python
BOOK = $(RUN) -m lifbook.build.book

.DEFAULT_GOAL := help
.PHONY: help setup book test backends full serve lock clean

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST)

setup: ## the environment in .venv, from the lock
	@$(SUPPORTED)
	@$(PYTHON) tools/environment.py

book: setup ## execute the chapters, verify the numbers, build the HTML
	@$(BOOK) build

# The tests look at the built book: its chapters are executed once for both.
test: book ## build the book and run every test
	@$(RUN) -m pytest -n auto --maxprocesses 4 --dist loadfile

backends: ## run the module's tests on JAX, PyTorch, other libraries and a cluster
	@$(SUPPORTED)
	@$(PYTHON) tools/backends.py

full: setup ## record full runs on the real data (hours); CHAPTER=04-mnist for one
	@$(BOOK) full $(CHAPTER)

serve: setup ## show the built book at http://127.0.0.1:8000
	@$(BOOK) serve

# Hashes of every file for every supported Python and platform; no registry's address goes into the file.
lock: ## renew requirements.txt from pyproject.toml (asks the package registry)
	@$(SUPPORTED)
	@$(PYTHON) -m venv _build/uv && _build/uv/bin/pip install --quiet uv
	@_build/uv/bin/uv pip compile --quiet pyproject.toml --extra test --universal --python-version 3.11 --generate-hashes \
	  --no-header --no-annotate --no-emit-index-url --output-file requirements.txt $(UPGRADE)

clean: ## remove what a build made, not the environment
	rm -rf _build results/quick build *.egg-info
