# Two commands matter: `make demo` and `make test`. The others are what they are made of.
CARGO ?= cargo
# Tests of the binaries mostly wait, so that more of them than there are cores run side by side.
TEST_THREADS ?= $(shell cores=$$(nproc); echo $$((cores > 6 ? cores : 6)))

PEERS ?= $(CURDIR)/target/peers

.PHONY: demo test test-peers peers test-deploy deploy-tools lint fmt bench bench-collector fuzz deny dist image

demo: ## Build and run the main job on this machine's real processes.
	$(CARGO) build --locked --bin phoenix --bin phoenix-agent --bin phoenix-control-plane
	./target/debug/phoenix demo $(ARGS)

test: ## Every test, the end-to-end ones with the real binaries included.
	$(CARGO) build --locked --workspace --bins
	RUST_TEST_THREADS=$(TEST_THREADS) $(CARGO) test --locked --workspace --all-targets

peers: ## A Collector, Prometheus and SDKs for `test-peers`; needs Go, Python 3, Node.js and npm; a quarter of an hour at first.
	cd e2e/peers/collector && go build -trimpath -ldflags='-s -w' -o $(PEERS)/collector .
	cd e2e/peers/prometheus && go build -trimpath -ldflags='-s -w' -o $(PEERS)/prometheus github.com/prometheus/prometheus/cmd/prometheus
	python3 -m venv $(PEERS)/python && $(PEERS)/python/bin/pip install -q -r e2e/peers/python/requirements.txt
	mkdir -p $(PEERS)/javascript && cp e2e/peers/javascript/* $(PEERS)/javascript
	cd $(PEERS)/javascript && npm install --no-package-lock --no-audit --no-fund --silent

test-peers: peers ## Tests with real Collectors, Prometheus and SDKs of other languages.
	$(CARGO) build --locked --workspace --bins
	PHOENIX_PEERS=$(PEERS) $(CARGO) test --locked -p e2e --test peers -- --ignored

DEPLOY_TOOLS ?= $(CURDIR)/target/deploy

deploy-tools: ## Helm, promtool, and what knows Kubernetes' types, for `test-deploy`; needs Go; minutes at first.
	mkdir -p $(DEPLOY_TOOLS)
	GOBIN=$(DEPLOY_TOOLS) go install -trimpath -ldflags='-s -w' helm.sh/helm/v3/cmd/helm@v3.22.0
	cd deploy/tests/objects && go build -trimpath -ldflags='-s -w' -o $(DEPLOY_TOOLS)/objects .
	rm -rf $(DEPLOY_TOOLS)/prometheus && cd e2e/peers/prometheus && go mod download github.com/prometheus/prometheus && \
	  cp -r --no-preserve=mode $$(go list -m -f '{{.Dir}}' github.com/prometheus/prometheus) $(DEPLOY_TOOLS)/prometheus
	# Rules need no service discovery, whose clients of every cloud are nine tenths of the build.
	rm $(DEPLOY_TOOLS)/prometheus/plugins/*.go && echo 'package plugins' >$(DEPLOY_TOOLS)/prometheus/plugins/plugins.go
	cd $(DEPLOY_TOOLS)/prometheus && GOFLAGS=-mod=mod go build -trimpath -ldflags='-s -w' -o $(DEPLOY_TOOLS)/promtool ./cmd/promtool

test-deploy: deploy-tools ## What deploy/ has, by the tools that will read it; needs systemd's `systemd-analyze` besides.
	$(CARGO) build --locked --bin phoenix --bin phoenix-agent --bin phoenix-control-plane
	for test in deploy/tests/systemd deploy/tests/helm deploy/tests/prometheus; do \
	  echo "== $$test"; PATH=$(DEPLOY_TOOLS):$$PATH $$test || exit 1; \
	done

lint: ## What a change must pass besides the tests.
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings

DIST = phoenix phoenix-agent phoenix-control-plane

dist: ## Binaries for a release in target/dist: optimized over crates, stripped, debug information apart; needs binutils.
	$(CARGO) build --release --locked $(DIST:%=--bin %)
	mkdir -p target/dist
	for binary in $(DIST); do \
	  objcopy --only-keep-debug target/release/$$binary target/dist/$$binary.debug && \
	  objcopy --strip-all --add-gnu-debuglink=target/dist/$$binary.debug target/release/$$binary target/dist/$$binary || exit 1; \
	done
	ls -l target/dist

MUSL = x86_64-unknown-linux-musl
VERSION = $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)

image: ## Images of agent, control plane and CLI, of static binaries; needs buildah, musl-tools, binutils and root.
	rustup target add $(MUSL)
	$(CARGO) build --release --locked --target $(MUSL) $(DIST:%=--bin %)
	rm -rf target/$(MUSL)/dist && mkdir -p target/$(MUSL)/dist/data
	cp /etc/ssl/certs/ca-certificates.crt target/$(MUSL)/dist
	for binary in $(DIST); do \
	  objcopy --strip-all target/$(MUSL)/release/$$binary target/$(MUSL)/dist/$$binary || exit 1; \
	done
	for image in cli:phoenix agent:phoenix-agent control-plane:phoenix-control-plane; do \
	  buildah --storage-driver vfs bud --isolation chroot --quiet --label org.opencontainers.image.version=$(VERSION) \
	    --file deploy/docker/$${image%%:*}.Dockerfile --tag $${image##*:}:$(VERSION) target/$(MUSL)/dist || exit 1; \
	done
	deploy/tests/images $(VERSION)

deny: ## Licenses and banned crates; needs cargo-deny.
	cargo deny --locked check bans licenses

fmt:
	$(CARGO) fmt --all

bench: ## The figures of benches/README.md.
	$(CARGO) build --profile bench --locked --bin phoenix --bin phoenix-agent --bin phoenix-bench
	./target/release/phoenix-bench $(ARGS)

bench-collector: ## The Collector's own processors, for `bench` to compare with; needs Go.
	cd benches/collector && go build -trimpath -ldflags='-s -w' -o ../../target/release/phoenix-bench-collector .

fuzz: ## Each target for a minute; needs cargo-fuzz.
	for target in batch config ottl json differential report cost segments state; do RUSTC_BOOTSTRAP=1 cargo fuzz run $$target -- -max_total_time=60 || exit 1; done
