# One-word gates. Each sets up what it needs; PYTHON chooses the interpreter (>= 3.11), JOBS how many tests run at once.
PYTHON ?= python3
VENV   ?= .venv
JOBS   ?= 2
BIN    := $(VENV)/bin
SETUP  := $(VENV)/.setup
PACKAGES := engine stream calibrate label studio train cli

.PHONY: help site release setup setup-train setup-mediapipe setup-cuda setup-all demo unit check format test faults soak fuzz lint types bench gpu-check docs clean
.DEFAULT_GOAL := help

help:                ## list these commands
	@grep -hE '^[a-z-]+: .*##|^[a-z-]+:  +##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16

$(SETUP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "mtclar-stream needs Python 3.11 or newer; try: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[test,lint]'
	@touch $@

setup: $(SETUP)      ## .venv with everything that the tests and the demo need, without torch

setup-train: $(SETUP)  ## adds torch and what training needs
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[train]'

setup-mediapipe: $(SETUP)  ## build/mediapipe, an environment with MediaPipe's own face finder and its model
	$(BIN)/python -m tools.convert.mediapipe_env build/mediapipe

setup-cuda: $(SETUP)  ## build/cuda, an environment with NVIDIA's driver library and pycuda, for tests without a card (Debian)
	$(BIN)/python -m tools.cuda_env build/cuda

setup-all: setup-train setup-mediapipe setup-cuda  ## adds tables and figures, the network sinks, the site, Ray, and TensorRT for RTX, which compiles without a card: with these, no test is skipped
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[analysis,reference,tensorrt-rtx,ray,lsl,osc,mqtt,nats,docs,release]'

demo: $(SETUP)       ## a rendered face through the whole chain, with its dashboard; in a terminal until Ctrl-C
	$(BIN)/mtclar-stream demo --summary-json build/demo/summary.json

unit: $(SETUP)       ## fast tests, about a minute: no browser, server, process, wheel or network
	$(BIN)/pytest -q -m unit -n $(JOBS)

check: lint types unit  ## before a commit: lint, types, unit

format: $(SETUP)     ## ruff: fix what it can, and format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

test: $(SETUP)       ## all tests but the fault suite
	$(BIN)/pytest -m 'not faults' -n $(JOBS)

faults: $(SETUP)     ## the fault suite: killed servers, bad networks, frozen clients, kills at any moment, a short soak
	$(BIN)/pytest -m faults -n $(JOBS)

MINUTES ?= 60
soak: $(SETUP)       ## faults in turn for MINUTES (60): does anything grow? -> docs/results/data/soak.json and .png
	$(BIN)/python -m tools.soak --minutes $(MINUTES) --write

SECONDS ?= 60
fuzz: $(SETUP)       ## random and damaged input for SECONDS (60) to each reader of files, messages and pictures
	$(BIN)/pytest -m fuzz --fuzz-seconds $(SECONDS)

lint: $(SETUP)       ## ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

build/typing/mtclar: Makefile  # the packages under their names, for programs that read sources
	@mkdir -p $@
	@for p in $(PACKAGES); do ln -sfn ../../../$$p $@/$$p; done
	@touch $@

types: $(SETUP) build/typing/mtclar  ## mypy over the packages, tools/, experiments/ and examples/
	$(BIN)/mypy $(foreach p,$(PACKAGES),-p mtclar.$(p)) -p tools -p experiments -p examples

bench: $(SETUP)      ## stages, latency, throughput and scaling on this machine -> build/bench.json and .html
	$(BIN)/mtclar-stream bench --json build/bench.json --html build/bench.html

gpu-check: $(SETUP)  ## everything that needs a graphics card, under 8 minutes -> build/gpu-check.json and .md
	$(BIN)/python -m tools.gpu_check --out build

docs: $(SETUP)       ## run demo and benchmark, write their figures into README and docs/, take the pictures, check links
	$(BIN)/python -m tools.docs.make_docs

$(VENV)/.docs: $(SETUP)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[docs]'
	@touch $@

site: $(VENV)/.docs build/typing/mtclar  ## the documentation as a site, links checked -> build/site/index.html
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

$(VENV)/.release: $(SETUP)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[release]'
	@touch $@

release: $(VENV)/.release  ## wheel and sdist, built twice and compared, requirements with hashes, SBOM -> dist/
	$(BIN)/python -m tools.release.build --out dist

clean:               ## remove everything that was built
	rm -rf build dist $(VENV) *.egg-info
