# make demo [DATA=/path/to/ns1]   from nothing to a figure
# make examples [DATA=/path/to/ns1]   all examples, on synthetic or real recordings (DATA_AA1=, DATA_DOWNER= too)
# make notebooks                  the examples as notebooks, beside them
# make test                       all tests
# make documentation              the documentation site, in site/
# make release                    all checks, then wheel and source distribution in dist/
PYTHON ?= python3
VENV ?= .venv
DATA ?=
OUT ?= demo
JOBS ?= 2
EXAMPLES := $(filter-out examples/recordings.py,$(wildcard examples/*.py))
KERNEL := {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
TORCH := $(shell grep '^torch==' constraints.txt)

.PHONY: environment demo examples notebooks documentation test lint release clean

environment: $(VENV)/.installed

# torch first and pinned: any other request can pull several gigabytes of accelerator libraries.
$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --upgrade pip
	$(VENV)/bin/python -m pip install --quiet '$(TORCH)'
	$(VENV)/bin/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: environment
	$(VENV)/bin/python -m scripts.demo --out '$(OUT)' $(if $(DATA),--data '$(DATA)')

documentation: environment
	$(VENV)/bin/python -m mkdocs build --strict

examples: environment
	for example in $(EXAMPLES); do \
	  echo "== $$example" && DATA='$(DATA)' OUT='$(OUT)/examples' $(VENV)/bin/python $$example || exit 1; \
	done

notebooks: environment
	$(VENV)/bin/jupytext --to notebook --update-metadata '$(KERNEL)' $(EXAMPLES)

# Each process computes with one thread: together they have no more than the processors.
test: environment
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(VENV)/bin/python -m pytest --numprocesses $(JOBS)

lint: environment
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

release: lint test
	rm -rf dist
	$(VENV)/bin/python -m build --no-isolation --outdir dist

clean:
	rm -rf $(VENV) demo build dist site *.egg-info
