# larder's commands for developers; `make help` lists them. Prerequisites: Go >= 1.21 (go.mod's toolchain line fetches
# what it needs) and make.

GO ?= go
# Two packages at a time: more makes tests that measure or wait fight for a small machine's cores.
P ?= 2
# How long each fuzz target runs.
FUZZTIME ?= 30s
# For `make up` and `make bench`: arguments handed on.
ARGS ?=

# How many random commands `make differential` compares, and with which server if not the installed redis-server.
N ?= 1000000
SERVER ?=

# Everything but what needs binaries or takes long.
UNIT = $(shell $(GO) list ./... | grep -v '/larder/test/') ./test/bench ./test/differential

.NOTPARALLEL:
.DEFAULT_GOAL := help

.PHONY: help
help: ## prints this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# Static, without paths of this machine in it. No VCS stamp: it fails where the checkout belongs to somebody else.
.PHONY: build
build: ## builds larder and larder-server into bin/
	@mkdir -p bin
	CGO_ENABLED=0 $(GO) build -p $(P) -trimpath -buildvcs=false -o bin/ ./cmd/larder ./cmd/larder-server

.PHONY: up
up: build ## builds larder and starts it here (ARGS="--data DIR ..." is handed on)
	./bin/larder up $(ARGS)

.PHONY: test
test: deps lint test-unit test-invariants test-e2e ## runs all tests, after installing what they need

.PHONY: deps
deps: ## installs what the tests need (on Debian as root; elsewhere names it)
	./scripts/install-test-deps

# The rules are not cached: which files exist is nothing that go test's cache knows.
.PHONY: lint
lint: ## go vet, staticcheck, and our own rules
	$(GO) vet ./...
	$(GO) tool staticcheck ./...
	$(GO) test -count=1 ./base/lint ./base/layers

.PHONY: test-unit
test-unit: build ## unit tests, with the race detector
	LARDER_BIN=$(CURDIR)/bin CGO_ENABLED=1 $(GO) test -race -p $(P) -timeout 30m $(UNIT)

# The race detector cannot see the arena: here a shard's memory is unreadable while it is not locked. More threads than there are
# cores, so that one is interrupted while it holds shards; but not as many tests at once.
.PHONY: test-invariants
test-invariants: ## the data plane's unit tests with all assertions on
	GOMAXPROCS=$$((4 * $$(getconf _NPROCESSORS_ONLN))) $(GO) test -tags invariants -p $(P) -parallel 2 -timeout 30m ./base/invariant ./store/... ./engine/... ./commands/... ./node/...

.PHONY: test-e2e
test-e2e: build ## the AWS CLI, boto3, redis-cli and go-redis against bin/larder
	LARDER_BIN=$(CURDIR)/bin $(GO) test -count=1 -p $(P) -timeout 60m -v ./test/e2e/...

.PHONY: suite-go-redis
suite-go-redis: build ## go-redis' own tests of commands and connections against bin/larder-server (ARGS: groups)
	./scripts/go-redis-suite bin/larder-server $(ARGS)

.PHONY: suite-valkey
suite-valkey: build ## Valkey's own tests, with figures for test/suites/valkey.md (RUNNER=what runs a unit CLONE=Valkey's work tree; ARGS: units)
	./test/suites/run-all "$(RUNNER)" "$(CLONE)" $(CURDIR)/bin/larder-server $(ARGS)

.PHONY: test-faults
test-faults: build ## long: kill -9 and SIGSTOP of primaries under load, hundreds of times
	@mkdir -p bench && printf '| fault | times | p50 | p99 | worst | acknowledged writes |\n|---|---|---|---|---|---|\n' > bench/FAULTS.md
	LARDER_BIN=$(CURDIR)/bin $(GO) test -count=1 -p 1 -timeout 6h -v ./test/faults/... -args -out $(CURDIR)/bench/FAULTS.md $(ARGS)

.PHONY: differential
differential: ## N (1000000) random commands, made from the declarations, on larder and redis-server (ARGS="-seed 7", SERVER=PATH)
	REDIS_SERVER="$(SERVER)" $(GO) test -count=1 -timeout 6h -v ./test/differential -args -commands $(N) $(ARGS)

.PHONY: bench
bench: build ## larder beside redis-server in one run, judged by the project's marks (ARGS="-quick", "-valkey PATH", ...)
	LARDER_BIN=$(CURDIR)/bin $(GO) run ./test/bench $(ARGS)

# To be run again when the hot path has changed much: the compiler inlines what the profile shows as hot.
.PHONY: profile
profile: ## measures the hot path and writes the compiler's profile of it, cmd/larder-server/default.pgo
	@mkdir -p bin
	$(GO) test -trimpath -run '^$$' -bench 'Turn/.*/(1000|100000)$$' -benchtime 8000000x -o bin/node.test -cpuprofile $(CURDIR)/bin/cpu.prof ./node
	$(GO) run ./test/profile bin/cpu.prof cmd/larder-server/default.pgo

.PHONY: generate
generate: ## writes all generated files anew
	$(GO) generate ./...

.PHONY: fuzz
fuzz: ## runs each fuzz target for FUZZTIME (30s)
	@set -e; grep -rl --include='*_test.go' '^func Fuzz' . | while read -r file; do \
		for name in $$(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$$file"); do \
			echo "$$(dirname "$$file"): $$name"; \
			$(GO) test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x "$$(dirname "$$file")"; \
		done; \
	done

.PHONY: fuzz-long
fuzz-long: FUZZTIME = 1h
fuzz-long: fuzz ## long: runs each fuzz target for an hour (FUZZTIME=10m: for ten minutes)

.PHONY: clean
clean: ## removes what was built
	rm -rf bin
