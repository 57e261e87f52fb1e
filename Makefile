# What there is to run. Everything but `make graphiql`, `make clients` and `make test-tools` needs only Python 3.11+ and make.
PYTHON ?= python3
PORT ?= 8000
BIN = .venv/bin
SBOM ?= sbom.json
# What only audit and sbom need is no dependency of the project.
SUPPLY = .venv/supply
PEERS = .venv/peers
SIZES ?= small
ONLY ?=
comma = ,
# Twice as many as there are cores: tests of real processes wait as much as they compute.
PROCESSES ?= $(shell $(PYTHON) -c 'import os; print(2 * (os.cpu_count() or 1))')
# Of `make soak`, half of them on each database.
MINUTES ?= 60

# Hundreds of processes are started by the tests: what one of them compiled the next one loads.
test test-slow test-tools bench ratios soak: export PYTHONDONTWRITEBYTECODE =

.PHONY: install develop serve test test-slow test-tools bench ratios peers soak lint schema graphiql clients pictures audit sbom lock

# Each package is told: on a terminal in one line, else every tenth. What serving needs is compiled by all cores at the
# end, wherever the caller's Python writes no bytecode.
define install
@total=$$(grep -c '^[A-Za-z0-9]' $(1)); echo "Installing $$total packages of $(1) into .venv"; rm -f .venv/whole; \
{ PYTHONUNBUFFERED=1 $(BIN)/pip install --disable-pip-version-check --no-compile --no-deps \
    --require-hashes -r $(1) && touch .venv/whole; } | awk -v total="$$total" -v shown="$$([ -t 1 ] && echo 1)" ' \
    /^(Collecting|Processing|Ignoring|Requirement already)/ { n++; sub(/.*\//, "", $$2); \
      if (shown) printf "\r\033[K%d of %d: %s", n, total, $$2; \
      else if (n % 10 == 0) print n " of " total; fflush() } \
    /^Installing collected/ { printf shown ? "\r\033[KUnpacking" : "Unpacking\n"; fflush() } \
    END { if (shown) printf "\r\033[K" }'; test -e .venv/whole
endef

.venv/serving: requirements.lock pyproject.toml
	test -d .venv || $(PYTHON) -m venv .venv
	$(call install,requirements.lock)
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	-$(BIN)/python -m compileall -q -j 0 -x '/(pip|setuptools|pygments/(lexers|styles))/' .venv/lib gql domain persistence
	touch $@

.venv/testing: .venv/serving requirements-dev.lock
	$(call install,requirements-dev.lock)
	touch $@

install: .venv/serving

develop: .venv/testing

serve: install
	PORT=$(PORT) $(BIN)/segments serve --demo

test: develop
	$(BIN)/python -m pytest -m "not tools and not slow" --numprocesses $(PROCESSES) --dist loadfile --no-loadscope-reorder --durations 20

test-slow: develop
	$(BIN)/python -m pytest -m "(slow or hypothesis) and not tools" --hypothesis-profile=full

test-tools: develop graphiql clients
	$(BIN)/python -m pytest -m "tools $(WITHOUT)" --numprocesses auto --dist loadfile --no-loadscope-reorder --durations 20

# SIZES=small (a few minutes) or full (an hour and more); ONLY=reports, or several with commas.
bench: develop peers
	$(BIN)/python -m tests.benchmarks --sizes $(SIZES) $(foreach name,$(subst $(comma), ,$(ONLY)),--only $(name))

# What became slower, as ratios and not as seconds, in about a minute.
ratios: develop
	$(BIN)/python -m tests.benchmarks --ratios

# Servers that `make bench` measures beside ours: those in Python have packages that do not fit ours, those in Node are
# left out where there is no npm.
peers: $(PEERS)/installed
	if command -v npm >/dev/null; then npm install --silent --no-audit --no-fund --no-package-lock --prefix node_modules/.peers \
	  graphql@16.15.0 graphql-yoga@5.24.1 @apollo/server@5.5.1 mercurius@16.10.1 fastify@5.12.8 better-sqlite3@12.11.1 dataloader@2.2.3; \
	  else echo "There is no npm, so servers in Node are not measured."; fi

$(PEERS)/installed: .venv/serving
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/pip install --quiet --disable-pip-version-check graphene==3.4.3 ariadne==1.1.1 aiodataloader==0.4.3 aiosqlite==0.22.1 uvicorn==0.54.0 uvloop==0.23.0 httptools==0.9.0
	touch $@

soak: develop
	$(BIN)/python -m tests.soak --minutes $(MINUTES)

lint: develop
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/segments schema --check schema.graphql

schema: install
	$(BIN)/segments schema > schema.graphql

graphiql:
	npm install --silent --no-audit --no-fund --no-package-lock --prefix node_modules/.graphiql react@18.3.1 react-dom@18.3.1 js-cookie@3.0.5 graphiql@3.8.3 @graphiql/plugin-explorer@3.2.5

# The clients that docs/subscriptions.md and docs/clients.md are about, for the tests of what stands there; and what
# looks for barriers in pages of the console.
clients:
	npm install --silent --no-audit --no-fund --no-package-lock --prefix node_modules/.clients graphql@16.11.0 graphql-ws@6.0.6 ws@8.18.3 @apollo/client@4.0.9 rxjs@7.8.2 @urql/core@6.0.1 @urql/exchange-graphcache@9.0.2 @urql/exchange-persisted@5.0.1 axe-core@4.14.1

# Of the console, to be looked at; with DOCS=--docs those of README, too.
pictures: develop
	$(BIN)/python -m tests.drivers.console_pictures $(DOCS)

$(SUPPLY)/installed: .venv/serving
	$(PYTHON) -m venv $(SUPPLY)
	$(SUPPLY)/bin/pip install --quiet --disable-pip-version-check pip-audit==2.10.1 cyclonedx-bom==7.5.0
	touch $@

# Without the tool, or the network, it says what it would ask.
audit: develop
	-@$(MAKE) --no-print-directory $(SUPPLY)/installed
	@$(BIN)/python -m tests.drivers.advisories $(SUPPLY)/bin/pip-audit

sbom: $(SUPPLY)/installed
	$(SUPPLY)/bin/cyclonedx-py requirements requirements.lock --pyproject pyproject.toml --output-reproducible --output-format JSON --output-file $(SBOM)

# For all platforms, with hashes and without addresses; --upgrade takes newer versions.
LOCKED = uv pip compile pyproject.toml --universal --generate-hashes --no-strip-extras --no-header --no-annotate --quiet
lock:
	$(LOCKED) --group install $(UPGRADE) --output-file requirements.lock
	$(LOCKED) --group dev --extra otel --extra lake --extra cluster $(UPGRADE) --constraint requirements.lock --output-file requirements-dev.lock \
	  $$(sed -n 's/^\([A-Za-z0-9._-]*\).*==.*/--no-emit-package \1/p' requirements.lock)
