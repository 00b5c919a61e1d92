# One command for each thing a person does. Everything bootstraps itself into .venv.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
PHOTO := artifacts/photo/2/manifest.json
WORKERS ?= 3
SBOM ?= sbom
PEERS := mosec litserve bentoml mlserver ray pytriton

.DEFAULT_GOAL := help
.PHONY: help serve photo clients protos test test-all fuzz lint types train bench \
	bench-peers bench-protocols drills peers dashboard rules lock digests sbom clean

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 13

# Photo is too large for the repository. It is built once, beside the service, which
# takes it up when it is there; without a network everything else is served.
serve: .venv/serve.stamp ## serve all models on http://127.0.0.1:8000
	@test -e $(PHOTO) || exec nice $(BIN)/python -m training photo & \
	photo=$$!; trap 'kill $$photo 2>/dev/null || true' EXIT INT TERM; \
	$(BIN)/servery serve

photo: $(PHOTO) ## fetch and convert the photo model, 95 MB, once

$(PHOTO): | .venv/serve.stamp
	$(BIN)/python -m training photo

test: .venv/dev.stamp .venv-clients/stamp ## run the tests, but for the slow ones
	$(BIN)/pytest -m "not slow" -n $(WORKERS)

# Those on whole services have both cores to themselves.
ALONE := tests/e2e tests/fuzz tests/loadtest

test-all: test ## run all tests
	$(BIN)/pytest -m slow -n 2 $(ALONE:%=--ignore=%)
	$(BIN)/pytest -m slow $(ALONE)

fuzz: .venv/dev.stamp ## throw thousands of generated requests at every endpoint, an hour
	FUZZ_EXAMPLES=$(or $(EXAMPLES),5000) $(BIN)/pytest -m slow tests/fuzz

protos: .venv/dev.stamp ## make Python of the protocol buffers in service/rpc/protos
	$(BIN)/python -m grpc_tools.protoc -Iservice/rpc/protos \
		--python_out=service/rpc/generated --pyi_out=service/rpc/generated \
		service/rpc/protos/open_inference.proto

# Other servers' clients want other versions than we do, and know our messages by the
# same names: they live apart, and tests call them as programs.
clients: .venv-clients/stamp ## build the environment of other servers' clients

.venv-clients/stamp: requirements-clients.lock | .venv/dev.stamp
	$(BIN)/uv venv --quiet --clear --python $(PYTHON) .venv-clients
	$(BIN)/uv pip install --quiet --require-hashes -r requirements-clients.lock \
		--python .venv-clients/bin/python
	@touch $@

lint: .venv/dev.stamp ## check style and imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/dev.stamp ## check types
	$(BIN)/mypy

train: .venv/dev.stamp ## train every model into artifacts/, as a new version
	$(BIN)/python -m training all

bench: .venv/dev.stamp ## measure this machine: Servery beside plain FastAPI, 10 minutes
	$(BIN)/python -m benchmarks

bench-protocols: .venv/dev.stamp ## one model by every protocol; write docs/benchmarks-protocols.md
	$(BIN)/python -m benchmarks.protocols

# What cannot be built is named on the page, with the reason; the rest is measured.
bench-peers: .venv/dev.stamp ## the same beside every peer, 45 minutes; write docs/benchmarks.md
	-$(MAKE) --keep-going photo peers
	$(BIN)/python -m benchmarks --peers

drills: .venv/dev.stamp ## overload, kill, fill up and mislead a service, 40 minutes; write docs/operations-measured.md
	$(BIN)/python -m benchmarks.operations

peers: $(PEERS:%=.venv-peers/%/stamp) ## build the environments of the peers

.venv-peers/%/stamp: benchmarks/peers/%/requirements.lock | .venv/dev.stamp
	$(BIN)/uv venv --quiet --clear --python $(PEER_PYTHON) $(@D)
	$(BIN)/uv pip install --quiet --require-hashes --requirement $< \
		--python $(@D)/bin/python || { rm -r $(@D); exit 1; }
	@touch $@

# Triton's back end links the system's libpython, which wants that Python's library.
PEER_PYTHON = $(PYTHON)
.venv-peers/pytriton/stamp: PEER_PYTHON = $(or $(wildcard /usr/bin/python3.11),$(PYTHON))

dashboard: .venv/dev.stamp ## make Grafana's dashboard of its table
	$(BIN)/python -m deploy.grafana.dashboard

rules: .venv/dev.stamp ## put Prometheus' rules into the resource that Kubernetes takes
	$(BIN)/python -m deploy.kubernetes.prometheus_rules

lock: .venv/dev.stamp ## pin the newest dependencies that pyproject.toml allows
	$(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes --no-header \
		--no-emit-index-url --no-emit-find-links --python-version 3.11 --extra train \
		--extra loadtest --extra tracing pyproject.toml \
		--output-file requirements.lock
	$(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes --no-header \
		--no-emit-index-url --no-emit-find-links --python-version 3.11 --extra dev \
		--constraint requirements.lock pyproject.toml --output-file requirements-dev.lock
	$(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes --no-header \
		--no-emit-index-url --no-emit-find-links --python-version 3.11 \
		--constraint requirements.lock --override deploy/container/cpu.in \
		--extra tracing pyproject.toml deploy/container/cpu.in \
		--output-file requirements-cpu.lock
	$(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes --no-header \
		--no-emit-index-url --no-emit-find-links --python-version 3.11 --extra gpu \
		--extra tracing --constraint requirements.lock pyproject.toml \
		--output-file requirements-gpu.lock
	printf 'tritonclient[grpc,http]>=2.73,<3\nkserve>=0.21,<1\n' | $(BIN)/uv pip \
		compile --quiet --upgrade --universal --generate-hashes --no-header \
		--no-emit-index-url --no-emit-find-links --python-version 3.11 - \
		--output-file requirements-clients.lock
	printf 'hatchling>=1.27,<2\neditables>=0.5,<1\nuv>=0.9,<1\n' | $(BIN)/uv pip compile \
		--quiet --upgrade --universal --generate-hashes --no-header \
		--no-emit-index-url --no-emit-find-links --python-version 3.11 - \
		--output-file requirements-build.lock

digests: .venv/dev.stamp ## pin the images of others by digest; asks their registries, by docker
	$(BIN)/python -m deploy.container.pin_images

sbom: $(SBOM)/servery-cpu.cdx.json $(SBOM)/servery-gpu.cdx.json ## list what is in the images, with hashes (CycloneDX), in sbom/

# A lock is a list, and no tree: that the tool warns of.
$(SBOM)/servery-%.cdx.json: requirements-%.lock pyproject.toml .venv/dev.stamp
	@mkdir -p $(@D)
	SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct 2>/dev/null || date +%s) \
		PYTHONWARNINGS=ignore::UserWarning $(BIN)/cyclonedx-py requirements $< \
		--pyproject pyproject.toml --output-reproducible --spec-version 1.6 --output-file $@

clean: ## remove .venv and the caches
	rm -rf .venv .venv-clients $(SBOM) .mypy_cache .pytest_cache .ruff_cache .hypothesis

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Servery needs Python 3.11 or later; '$(PYTHON)' is older." \
		"Name another: make serve PYTHON=/path/to/python3.11" >&2; exit 1; }
	$(PYTHON) -m venv .venv

# The build back end is pinned too, so nothing is fetched that was not looked at.
define INSTALL_SOURCE
$(BIN)/python -m pip install --disable-pip-version-check --require-hashes -r requirements-build.lock
	$(BIN)/python -m pip install --disable-pip-version-check --no-deps --no-build-isolation --editable .
endef

.venv/serve.stamp: requirements.lock requirements-build.lock pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --disable-pip-version-check --require-hashes -r requirements.lock
	$(INSTALL_SOURCE)
	@touch $@

.venv/dev.stamp: requirements-dev.lock requirements-build.lock pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(INSTALL_SOURCE)
	@touch $@ .venv/serve.stamp
