# make demo [DATA=/path/to/ns1]   from nothing to a figure
# make test                       all tests
# make documentation              the documentation site, in site/
# make release                    all checks, then wheel and source distribution in dist/
PYTHON ?= python3
VENV ?= .venv
DATA ?=
OUT ?= demo
JOBS ?= 2
TORCH := $(shell grep '^torch==' constraints.txt)

.PHONY: environment demo documentation test lint release clean

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

test: environment
	$(VENV)/bin/python -m pytest --numprocesses $(JOBS)

lint: environment
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

release: lint test
	rm -rf dist
	$(VENV)/bin/python -m build --no-isolation --outdir dist

clean:
	rm -rf $(VENV) demo build dist site *.egg-info
