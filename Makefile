# The two that a newcomer needs: `make run` and `make test`.
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS := -s -w -X main.version=$(VERSION)
GOBUILD := CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)'
PAGES   := $(shell find web -path web/node_modules -prune -o -path web/dist -prune -o -path web/src/generated -prune -o -type f -print)
export PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD := 1

.PHONY: help run build cross web notices test bench bench-browser compat-lk soak fuzz tools clean prerequisites bin/careline

help:
	@echo 'make run     build and start for development; prints a link for two browsers (TLS=self: HTTPS for phones on your network)'
	@echo 'make test    lint, known vulnerabilities, unit, race, fuzz seeds, end to end in Chromium'
	@echo 'make build   bin/careline, static; make cross: for other systems too'
	@echo 'make bench   CPU and memory beside a naive server, delays in Chromium; make soak: a long run (SOAKTIME=40m); make fuzz: fuzz every parser (FUZZTIME=30s)'

prerequisites:
	@tools/prerequisites

# Pages: installed and built when their sources changed, or the API whose description their client is made from.
web: web/dist/.built
web/node_modules/.installed: web/package.json web/package-lock.json | prerequisites
	cd web && npm ci
	@touch $@
web/dist/.built: web/node_modules/.installed docs/openapi.json $(PAGES)
	cd web && npm run --silent build
	@touch $@

test/%/node_modules/.installed: test/%/package.json test/%/package-lock.json | prerequisites
	cd test/$* && npm ci
	@touch $@

# The licences of what the binary and the pages contain, embedded into it. `make notices` when the test says they are old.
NOTICES := internal/notices/text/notices.txt.gz
$(NOTICES): go.mod go.sum web/package-lock.json web/dist/.built $(wildcard internal/notices/generate/*.go)
	go run ./internal/notices/generate -o $@
notices: web
	go run ./internal/notices/generate -o $(NOTICES)

# The binary comes last, also with -j, because it embeds the rest.
build: prerequisites web $(NOTICES)
	@$(MAKE) --no-print-directory bin/careline
bin/careline:
	$(GOBUILD) -o bin/careline ./cmd/careline

cross: prerequisites web $(NOTICES)
	GOOS=linux GOARCH=arm64 $(GOBUILD) -o bin/careline-linux-arm64 ./cmd/careline
	GOOS=darwin GOARCH=arm64 $(GOBUILD) -o bin/careline-darwin-arm64 ./cmd/careline
	GOOS=windows GOARCH=amd64 $(GOBUILD) -o bin/careline-windows-amd64.exe ./cmd/careline

run: build
	@exec env $(if $(TLS),CARELINE_HTTP_TLS_MODE=$(TLS)) bin/careline serve --dev

test: build test/e2e/node_modules/.installed test/react/node_modules/.installed test/node/node_modules/.installed
	@tools/browsers >/dev/null
	@tools/coturn
	@tools/check

bench: build
	go run ./bench
	@tools/coturn
	go run ./bench/relay
	go test -run '^$$' -bench 'Update|Plain' ./internal/store
	go test -run '^$$' -bench . -benchtime 300x ./internal/search
	go test -run '^$$' -bench Append ./chat
	go test -run '^$$' -bench Told -benchtime 100x ./api
	@$(MAKE) --no-print-directory bench-browser

# What a person meets: delays, joins and gaps with livekit-client in Chromium.
bench-browser: build test/e2e/node_modules/.installed
	@cd test/e2e && CHROMIUM=$$(../../tools/browsers | head -1) npx playwright test -c ../../bench/browser/playwright.config.ts

# People come and go for a long time; goroutines, descriptors and memory must stay. Then five cameras and five microphones to twenty, a line
# that loses packets for a minute, and how fast an upstream connection grows. `make test` does all of it for seconds. Between them 128 people write
# and are killed 100 times, and lose their power 50 times (as root): nothing that was acknowledged may be missing.
SOAKTIME ?= 40m
soak: build test/e2e/node_modules/.installed
	CARELINE_SOAK=$(SOAKTIME) go test -count=1 -timeout 0 -run '^TestSoak$$' -v ./server
	CARELINE_SOAK=$(SOAKTIME) go test -count=1 -timeout 0 -run '^(TestKilled|TestPowerFailure)$$' -v ./chat
	CARELINE_SOAK=$(SOAKTIME) go test -count=1 -timeout 0 -run '^TestManyClients' -v ./api
	CARELINE_SOAK=$(SOAKTIME) go test -count=1 -timeout 0 -run '^TestCheck33' -v ./test/compat
	@cd test/e2e && CARELINE_SOAK=$(SOAKTIME) CHROMIUM=$$(../../tools/browsers | head -1) npx playwright test -c ../compat/playwright.config.ts -g 'check 3[12]'

# LiveKit's command line, where there is one.
compat-lk: build
	@tools/lk

# What the tests need beside the prerequisites.
tools:
	@tools/browsers

FUZZTIME ?= 30s
fuzz: prerequisites
	@set -e; for package in $$(go list ./...); do \
	  for target in $$(go test -list '^Fuzz' $$package 2>/dev/null | grep '^Fuzz' || true); do \
	    echo "== $$package $$target"; go test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 5s $$package; \
	  done; \
	done

clean:
	rm -rf bin test-results $(NOTICES) web/node_modules test/e2e/node_modules test/react/node_modules test/node/node_modules
	find web/dist -mindepth 1 ! -name README -delete
