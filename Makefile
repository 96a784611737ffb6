# Aisle. Bare `make` lists the targets.
.DEFAULT_GOAL := help
SHELL := bash

DATA ?= data
PORT_BASE ?= 5555
BROKERS ?= 2
SERVERS ?= 3
ID ?= server-1
SEEDS ?= 1000
FROM ?= 1
AISLE := node dist/main.js
export NODE_OPTIONS_TEST := --experimental-vm-modules --disable-warning=ExperimentalWarning

# A cluster's ports are in fixed places above its base; see docs/operations.md.
FRONTENDS = $(shell for k in $$(seq 0 $$(($(BROKERS) - 1))); do echo tcp://127.0.0.1:$$(($(PORT_BASE) + k)); done)
BACKEND = tcp://127.0.0.1:$(shell expr $(PORT_BASE) + 20)
UPDATES = tcp://127.0.0.1:$(shell expr $(PORT_BASE) + 40)
PUBLISH = tcp://127.0.0.1:$(shell expr $(PORT_BASE) + 60)

.PHONY: help install build check test test-long sim bench crash-table power-loss picture start stop demo broker server clean

help: ## list the targets
	@grep -hE '^[a-z%-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-13s %s\n", $$1, $$2 }'

node_modules/.package-lock.json: package.json package-lock.json
	npm ci --no-audit --no-fund --loglevel=error
	@touch $@

install: node_modules/.package-lock.json ## install what package-lock.json names

dist/main.js: node_modules/.package-lock.json scripts/build.mjs scripts/make-executable.mjs $(shell find src -name '*.ts')
	npm run --silent build

build: dist/main.js ## bundle to dist/

check: install ## types, lint, format and layers
	npm run --silent check

test: check build ## everything that must hold, in a few minutes
	NODE_OPTIONS="$(NODE_OPTIONS_TEST)" npx jest $(TESTS)

test-long: check build ## the same with the stated numbers of runs
	AISLE_LONG=1 NODE_OPTIONS="$(NODE_OPTIONS_TEST)" npx jest $(TESTS)

sim: install ## play simulated clusters: SEED=7 replays one, SEEDS=10000 FROM=1 searches
	@node --max-semi-space-size=64 --disable-warning=ExperimentalWarning --import ./scripts/ts-node.mjs test/sim/main.ts \
	  $(if $(SEED),replay $(SEED),search $(FROM) $(SEEDS)) $(VARIANT)

bench: build ## measure everything, beside what it is measured against (half an hour)
	@node --disable-warning=ExperimentalWarning --import ./scripts/ts-node.mjs bench/main.ts

bench-%: build ## one of them: start-up, sync, crdt, broker, system, recovery, journal, edits, many-lists
	@node --disable-warning=ExperimentalWarning --import ./scripts/ts-node.mjs bench/main.ts $*

crash-table: build ## every write, fsync, rename and unlink, killed and refused
	@npm run --silent crash-table

power-loss: build ## 100 times on ext4 and on xfs (takes root)
	@npm run --silent power-loss

picture: build ## draw docs/session.svg from a real session (takes tmux)
	@node --disable-warning=ExperimentalWarning --import ./scripts/ts-node.mjs scripts/picture.ts

start: build ## bring up a cluster on this machine and open Aisle
	@$(AISLE) cluster up --data $(DATA)/cluster --port-base $(PORT_BASE) --brokers $(BROKERS) --servers $(SERVERS)
	@[ $(PORT_BASE) = 5555 ] || echo 'Other commands find it after: npx aisle connect $(FRONTENDS)'
	@if [ -t 0 ] && [ -t 1 ]; then AISLE_BROKERS=$$(echo $(FRONTENDS) | tr " " ,) $(AISLE) || [ $$? -eq 130 ]; else \
	  echo; \
	  echo 'Aisle is up. In a terminal, `make start` opens it; from anywhere in this folder:'; \
	  echo '  npx aisle new Groceries'; \
	  echo '  npx aisle add "2 milk" eggs x6'; \
	  echo '  npx aisle show'; \
	  echo 'Stop the cluster with `make stop`.'; \
	fi

stop: build ## stop the cluster on this machine
	@$(AISLE) cluster down --data $(DATA)/cluster

demo: build ## two shoppers, offline edits included, on a cluster of their own
	@node --import ./scripts/ts-node.mjs scripts/demo.ts

broker: build ## run one broker in the foreground
	$(AISLE) broker --frontend tcp://127.0.0.1:$(PORT_BASE) --backend $(BACKEND) --updates $(UPDATES)

server: build ## run one server in the foreground (ID=server-1)
	$(AISLE) server --id $(ID) --broker $(BACKEND) --publish $(PUBLISH) --data $(DATA)/$(ID)

clean: ## remove what was built; keeps data
	rm -rf dist coverage
