# The front door. `make` lists what there is; every target does its own set-up.

VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
SITE_VENV := build/site-venv
IMAGE  ?= ghcr.io/vlm-operator/vlm-operator:dev
VERSION ?= 0.1.0
PYTEST := $(BIN)/pytest
# The newest Python from 3.11 on that is at hand; name another with `make PYTHON=…`.
PYTHON ?= $(firstword $(foreach p,python3.13 python3.12 python3.11 python3,$(if $(shell $(p) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo yes),$(p))) no-python-3.11-or-newer)

.DEFAULT_GOAL := help
.PHONY: help install tools demo test test-unit test-control-plane test-kind test-real test-engine check generate docs image chart krew accuracy bench

help: ## This list
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "make %-20s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(STAMP) ## A .venv with everything: vlmctl, vlm-operator and what the tests need

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c '' 2>/dev/null || { echo "error: no Python 3.11 or newer found; name one: make PYTHON=/path/to/python3"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	$(BIN)/python -m compileall -q -j 0 operator/vlm_operator $(VENV)/lib # vlmctl starts fast where no bytecode is written, too
	@touch $@

tools: ## The control-plane binaries: from the cache, KUBEBUILDER_ASSETS, a download, or a Go build
	@$(PYTHON) hack/tools/get
	@! command -v go >/dev/null || $(PYTHON) hack/tools/get --only lws-manager # its project publishes no binary

demo: install ## A plan at once, then the operator on a real control plane with simulated GPU nodes (KEEP=1 keeps it)
	@$(BIN)/python hack/demo/run

test: install tools ## Every test but test-real and test-engine: unit, control plane, and kind where a Docker engine answers
	$(PYTEST) -m "not real and not engine"

test-unit: install ## Tests that need nothing but Python
	$(PYTEST) tests -m "not control_plane and not kind and not real and not engine"

test-control-plane: install tools ## Tests on a real API server with simulated GPU nodes
	$(PYTEST) tests -m control_plane

test-kind: install tools ## Tests on a kind cluster; says so and skips where no Docker engine answers
	$(PYTEST) tests -m kind -rs

test-real: install tools ## Tests on a real kubelet with real vLLM on the CPU: root on Linux; says first what it changes and downloads
	@$(BIN)/python hack/real/run

test-engine: install ## Dry runs in the code of three vLLM releases, without a GPU; says first what it downloads (6 GB)
	@$(BIN)/python hack/engine/run

check: install ## Lint, format, types, layers, generated files
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python hack/generators/api --check
	$(BIN)/python hack/generators/worked-example --check
	$(BIN)/python hack/generators/workload-figures --check
	$(BIN)/python hack/generators/diagnosis-reference --check
	$(BIN)/python hack/generators/audit-reference --check
	$(BIN)/python hack/generators/cli-reference --check
	$(BIN)/python hack/generators/model-coverage --check
	$(BIN)/python hack/generators/terminals --check

generate: install ## CRDs, schemas and reference pages from the code
	$(BIN)/python hack/generators/api
	$(BIN)/python hack/generators/worked-example
	$(BIN)/python hack/generators/workload-figures
	$(BIN)/python hack/generators/diagnosis-reference
	$(BIN)/python hack/generators/audit-reference
	$(BIN)/python hack/generators/cli-reference
	$(BIN)/python hack/generators/model-coverage
	$(BIN)/python hack/generators/terminals

$(SITE_VENV)/.installed: hack/site/requirements.lock
	@$(PYTHON) -c '' 2>/dev/null || { echo "error: no Python 3.11 or newer found; name one: make PYTHON=/path/to/python3"; exit 1; }
	$(PYTHON) -m venv $(SITE_VENV)
	$(SITE_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r hack/site/requirements.lock
	@touch $@

docs: install $(SITE_VENV)/.installed ## The documentation as a site in build/site, every link checked
	NO_MKDOCS_2_WARNING=1 $(SITE_VENV)/bin/mkdocs build --strict --clean --quiet
	VLM_OPERATOR_SITE=build/site $(PYTEST) tests/site
	@echo "build/site/index.html; with search: $(PYTHON) -m http.server --bind 127.0.0.1 --directory build/site 8000"

image: ## The operator's image by Docker: make image IMAGE=NAME:TAG
	docker build -f hack/image/Dockerfile -t $(IMAGE) .

chart: ## The Helm chart as a file in build/chart: make chart VERSION=X.Y.Z
	helm package charts/vlm-operator --version $(VERSION) --app-version $(VERSION) --destination build/chart

krew: install ## The plugin `kubectl vlm` as krew takes it, in build/krew: make krew VERSION=X.Y.Z
	@$(BIN)/python hack/krew/build $(VERSION) $(KREW_ADDRESS)

accuracy: install ## Predictions against recorded start-ups: how far off, and in which direction
	$(BIN)/python hack/accuracy

bench: install ## How long the hot paths take
	@for script in hack/bench/*; do echo "== $$script"; $(BIN)/python $$script || exit 1; done
