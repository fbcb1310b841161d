# minifed. `make help` lists the targets. Every target installs the tools that it needs.

SHELL     := /bin/bash
.ONESHELL:
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# Separate modules, so that minifed's own module does not depend on what their tests need.
MODULES   := storage/mongodb/ferretdb wechat/wechattest/sdks server/sms/sdks examples/mcp-server

FUZZTIME  ?= 20s
BENCHTIME ?= 2s
BASE      ?= be09ad4
OPERATION ?= login/ES256
GOFLAGS   += -buildvcs=auto
# The race detector watches the memory of Go. SQLite's C code, translated to Go, allocates other memory: instrumented, it takes
# seven times as long and no race is found. The others compute on memory of their own: arithmetic, regular expressions, parsers,
# pictures. Instrumented, they take a fifth of the time of the tests. Our code, and all that shares memory with it, is instrumented.
UNWATCHED := modernc.org/libc modernc.org/memory modernc.org/sqlite/lib crypto/internal/... math/big regexp regexp/syntax \
  text/template/parse golang.org/x/net/html golang.org/x/crypto/argon2 golang.org/x/crypto/blake2b golang.org/x/text/... \
  encoding/base64 unicode/utf8 strconv compress/flate image/... go/ast go/parser go/scanner go/token
RACE      := -race $(foreach package,$(UNWATCHED),-gcflags=$(package)=-race=false)
# Lint includes vet.
GO_TEST   := -vet=off $(RACE) -timeout 20m
# SecantusDB executes commands at the same time, creates TTL indexes, and executes repeated writes again; FerretDB does not. These
# tests depend on that. All others run on FerretDB only, and the engine's contract in the package secantusdb.
SECANTUSDB_TESTS := ^Test(Commands|Hello|Indexes|Instances|Settle|Sweep|TTLIndex|UnknownOutcome|Upgrade|Wire)_|^TestFaults_AtAnyWriteAreHarmless$$/replica_set
export CGO_ENABLED ?= 1

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 12

.PHONY: demo
demo: ## run the demonstration: simulator, server, mini-program logins
	go run ./cmd/minifed demo

.PHONY: build
build: ## build bin/minifed, static and stripped
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o bin/minifed ./cmd/minifed

# Tests wait for processes, browsers and disks. Several steps at a time use that time. A test allocates much and ends soon, so less
# garbage collection (GOGC) takes less time.
.PHONY: test
test: setup bin/golangci-lint ## run lint and all tests: with the race detector, the modules for MongoDB, SDKs of WeChat and of SMS, and MCP, the JavaScript examples
	@$(MAKE) --no-print-directory --jobs --keep-going lint test-minifed test-mongodb test-sdks test-mcp test-release

# The packages that take longest are first, so that none of them runs alone at the end.
.PHONY: test-minifed
test-minifed: compile
	@GOGC=400 go test $(GO_TEST) -p 3 ./server ./cmd/minifed ./server/admin/console ./...

# The variable selects the server before the test cache records variables, so the cache would return the run on FerretDB.
.PHONY: test-mongodb
test-mongodb: compile
	@export GOGC=400
	go -C storage/mongodb/ferretdb test $(GO_TEST) ./...
	MINIFED_TEST_SECANTUSDB=1 go -C storage/mongodb/ferretdb test $(GO_TEST) -count=1 -run '$(SECANTUSDB_TESTS)' . | sed -E 's/^(ok  |FAIL)\t/&on SecantusDB: /'

.PHONY: test-sdks
test-sdks: compile
	@export GOGC=400
	go -C wechat/wechattest/sdks test $(GO_TEST) ./...
	go -C server/sms/sdks test $(GO_TEST) ./...

.PHONY: test-mcp
test-mcp: compile
	@GOGC=400 go -C examples/mcp-server test $(GO_TEST) ./...

.PHONY: test-release
test-release:
	@go -C .ci/release test ./...

# Steps that run at the same time would each compile what they share.
.PHONY: compile
compile:
	@compile() { for module in . $(MODULES); do go -C $$module list -deps -test -export $(RACE) ./... >/dev/null; done; }
	TIMEFORMAT='compile  %0Rs'; time compile

.PHONY: setup
setup: ## install the tools that the tests need in addition to Go (Node.js, Chromium, strace, SecantusDB), if they are missing
	@TIMEFORMAT='setup  %0Rs'; time .ci/setup

.PHONY: lint
lint: bin/golangci-lint ## check the format, the order of imports, vet, staticcheck and the rest of .golangci.yml
	@for module in . $(MODULES) .ci/release; do
	  TIMEFORMAT="lint $$module  %0Rs"; time (cd $$module && GOGC=400 GOMEMLIMIT=3GiB $(CURDIR)/bin/golangci-lint run --allow-parallel-runners ./...)
	done

bin/golangci-lint: .ci/lint/go.mod
	go -C .ci/lint build -o $(CURDIR)/bin/golangci-lint github.com/golangci/golangci-lint/v2/cmd/golangci-lint
	touch $@

.PHONY: format
format: bin/golangci-lint ## format the code as lint requires
	bin/golangci-lint fmt ./...

.PHONY: bench
bench: ## measure CPU, throughput and latency of every operation and its floor, on a store of MINIFED_BENCH_USERS (1000)
	go test -run '^$$' -bench . -benchmem -benchtime $(BENCHTIME) -timeout 2h ./...

.PHONY: pair
pair: ## compare the CPU of two builds in alternation: BASE (be09ad4) and this tree; OPERATION (login/ES256)
	.ci/pair $(BASE) $(OPERATION)

.PHONY: interop
interop: setup ## run minifed with programs of others, which it installs (2 GB): relying parties, into docs/relying-parties.md; MCP SDKs, Taro, uni-app
	go test -tags interop -run '^TestInterop' -v -count=1 -timeout 60m ./examples/...
	go -C examples/mcp-server test -tags interop -run '^TestInterop' -v -count=1 -timeout 60m .
	go test ./server/admin/relyingparty -update

.PHONY: fuzz
fuzz: ## run every fuzz target for FUZZTIME (20s)
	go list ./... | while read -r package; do
	  for target in $$(go test -list '^Fuzz' $$package | grep '^Fuzz' || true); do
	    echo "$$package $$target"
	    go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$package
	  done
	done

.PHONY: release
release: ## write dist: binaries of all platforms, each built twice and compared, images, SBOMs, licences, checksums; run those of this machine
	go -C .ci/release run . -root $(CURDIR) -out $(CURDIR)/dist $(if $(ONLY),-only $(ONLY))

.PHONY: clean
clean: ## remove bin and dist
	rm -rf bin dist
