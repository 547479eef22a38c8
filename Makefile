# Every target that needs it brings the environment up to date first (a second, once it is there).
.DEFAULT_GOAL := help
SHELL := /bin/sh
BIN := .venv/bin
MODELS ?= $(CURDIR)/.lockstep/models
VERSION := $(shell awk -F '"' '/^version = / { print $$2; exit }' pyproject.toml)
IMAGE ?= lockstep/runtime:$(VERSION)
export UV := $(CURDIR)/.uv/bin/uv
# Byte-compiled code starts three times faster; whatever environment is active is not ours.
unexport PYTHONDONTWRITEBYTECODE VIRTUAL_ENV

.PHONY: help
help: ## Say what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: environment
environment: ## Bring .venv up to date with uv.lock (uv is fetched if there is none)
	@scripts/bootstrap.sh

.PHONY: taxi
taxi: environment ## Run the Chicago taxi pipeline, from a CSV file to a pushed model that answers
	$(BIN)/lockstep run pipelines/taxi/pipeline.py --param "model_store=$(MODELS)"
	$(BIN)/python pipelines/taxi/predict.py "$(MODELS)"

.PHONY: test
test: environment ## Run the tests, without the slow ones and the large counts
	$(BIN)/pytest

.PHONY: test-slow
test-slow: environment ## Run the slow tests: whole pipelines, comparisons with TFX
	$(BIN)/pytest -m slow

.PHONY: test-full
test-full: environment ## Run every test, large counts included (an hour or more)
	$(BIN)/pytest -m ""

.PHONY: test-cluster
test-cluster: environment ## Run the tests that need a Kubernetes API server (docs/cluster.md)
	@config=$$(scripts/kube_apiserver.sh start) && trap 'scripts/kube_apiserver.sh stop' EXIT && \
		LOCKSTEP_TEST_KUBECONFIG=$$config $(BIN)/pytest -m slow tests/cluster

.PHONY: lint
lint: environment ## Check style and formatting with ruff
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

.PHONY: types
types: environment ## Check types with mypy and pyright, both strict
	$(BIN)/mypy
	$(BIN)/pyright

.PHONY: layers
layers: environment ## Check that imports only go down: pipelines > components > serving
	$(BIN)/lint-imports

.PHONY: validate
validate: environment ## Render and check every overlay, Cloud Build file and workflow
	$(BIN)/lockstep ci validate

.PHONY: golden
golden: environment ## Rewrite the golden files and the generated documents from their sources
	$(BIN)/python tests/golden/regenerate.py
	$(BIN)/lockstep compile pipelines/taxi/pipeline.py -o manifests/components/retrain/taxi.yaml \
		--image lockstep-runtime@sha256:0000000000000000000000000000000000000000000000000000000000000000
	$(BIN)/python scripts/components_page.py
	$(BIN)/python scripts/contract_pages.py
	$(BIN)/python scripts/kfp_page.py
	$(BIN)/python scripts/rules_page.py
	$(BIN)/python scripts/ci_page.py
	$(BIN)/lockstep ci workflow cloudbuild.yaml -o .github/workflows/main.yml
	$(BIN)/lockstep ci workflow cloudbuild-pull-request.yaml -o .github/workflows/pull-request.yml

.PHONY: wheel
wheel: environment ## Build the source distribution and, from it, the wheel into dist/
	$(UV) build --quiet --out-dir dist

.PHONY: image
image: ## Build the runtime image, and say how large it is (BUILD=... for docker build)
	DOCKER_BUILDKIT=1 docker build --build-arg VERSION=$(VERSION) \
		--build-arg REVISION=$$(git rev-parse HEAD)$$(git diff --quiet HEAD || echo -dirty) \
		$(BUILD) --tag $(IMAGE) .
	@docker image ls $(IMAGE)

.PHONY: clean
clean: ## Remove what make made, environment included; runs and models in .lockstep/ stay
	rm -rf .venv .uv build dist lockstep.egg-info .coverage .hypothesis
	rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
