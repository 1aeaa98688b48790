# Two commands matter: `make demo` and `make test`. The others are what they are made of.
CARGO ?= cargo
# Tests of the binaries mostly wait, so that more of them than there are cores run side by side.
TEST_THREADS ?= $(shell cores=$$(nproc); echo $$((cores > 6 ? cores : 6)))

PEERS ?= $(CURDIR)/target/peers

.PHONY: demo test test-postgres test-peers peers test-docs reference book test-deploy deploy-tools lint fmt bench bench-fleet bench-collector fuzz deny dist static image packages archives release

demo: ## Build and run the main job on this machine's real processes.
	$(CARGO) build --locked --bin phoenix --bin phoenix-agent --bin phoenix-control-plane
	./target/debug/phoenix demo $(ARGS)

test: ## Every test, the end-to-end ones with the real binaries included.
	$(CARGO) build --locked --workspace --bins
	RUST_TEST_THREADS=$(TEST_THREADS) $(CARGO) test --locked --workspace --all-targets

test-postgres: ## The control plane's tests on a PostgreSQL, the one in the folder POSTGRES_BIN if that is given.
	$(if $(POSTGRES_BIN),PHOENIX_TEST_POSTGRES_BIN=$(POSTGRES_BIN)) $(CARGO) test --locked -p control-plane --test api

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

CRDS = podmonitors servicemonitors prometheusrules
# What the API server says of itself, as Kubernetes' own build sets it.
KUBERNETES = gitVersion=v1.36.3 gitMajor=1 gitMinor=36

deploy-tools: ## Helm, Prometheus, a Collector, Kubernetes with etcd, and what else `test-deploy` needs; needs Go; half an hour at first.
	mkdir -p $(DEPLOY_TOOLS)
	GOBIN=$(DEPLOY_TOOLS) go install -trimpath -ldflags='-s -w' helm.sh/helm/v3/cmd/helm@v3.22.0
	GOBIN=$(DEPLOY_TOOLS) go install -trimpath -ldflags='-s -w' github.com/rhysd/actionlint/cmd/actionlint@v1.7.8
	for tool in objects composed cluster/etcd cluster/kubernetes; do \
	  (cd deploy/tests/$$tool && go build -trimpath -ldflags='-s -w $(KUBERNETES:%=-X k8s.io/component-base/version.%)' -o $(DEPLOY_TOOLS)/$${tool##*/} .) || exit 1; \
	done
	cd e2e/peers/collector && go build -trimpath -ldflags='-s -w' -o $(DEPLOY_TOOLS)/collector .
	cd deploy/tests/cluster/kwok && go build -trimpath -ldflags='-s -w' -o $(DEPLOY_TOOLS)/kwok sigs.k8s.io/kwok/cmd/kwok
	rm -rf $(DEPLOY_TOOLS)/crds && mkdir $(DEPLOY_TOOLS)/crds && cd deploy/tests/cluster/crds && \
	  go mod download github.com/prometheus-operator/prometheus-operator && for kind in $(CRDS); do \
	  cp --no-preserve=mode $$(go list -m -f '{{.Dir}}' github.com/prometheus-operator/prometheus-operator)/example/prometheus-operator-crd/monitoring.coreos.com_$$kind.yaml \
	    $(DEPLOY_TOOLS)/crds || exit 1; done
	rm -rf $(DEPLOY_TOOLS)/prometheus-source && cd e2e/peers/prometheus && go mod download github.com/prometheus/prometheus && \
	  cp -r --no-preserve=mode $$(go list -m -f '{{.Dir}}' github.com/prometheus/prometheus) $(DEPLOY_TOOLS)/prometheus-source
	# Neither rules nor these tests need service discovery, whose clients of every cloud are nine tenths of the build.
	rm $(DEPLOY_TOOLS)/prometheus-source/plugins/*.go && echo 'package plugins' >$(DEPLOY_TOOLS)/prometheus-source/plugins/plugins.go
	cd $(DEPLOY_TOOLS)/prometheus-source && GOFLAGS=-mod=mod go build -trimpath -ldflags='-s -w' -o $(DEPLOY_TOOLS)/ ./cmd/promtool ./cmd/prometheus

DEPLOY_TESTS = systemd helm prometheus dashboards compose workflows release packages kubernetes

test-deploy: deploy-tools ## What deploy/ has, by the tools that will read it; each test says in its head what it needs besides.
	$(CARGO) build --locked --bin phoenix --bin phoenix-agent --bin phoenix-control-plane
	deploy/grafana/generate --check
	for test in $(DEPLOY_TESTS); do echo "== $$test"; PATH=$(DEPLOY_TOOLS):$$PATH deploy/tests/$$test || exit 1; done

reference: ## Pages of the book that are made of the code.
	$(CARGO) build --locked --bin phoenix --bin phoenix-agent --bin phoenix-control-plane
	docs/generate

book: ## The book as pages for a browser, in target/book; needs mdbook.
	mdbook build docs --dest-dir $(CURDIR)/target/book

test-docs: ## Every command of the book, run, and the reference held against the code; minutes.
	$(CARGO) build --locked --bin phoenix --bin phoenix-agent --bin phoenix-control-plane
	docs/generate --check
	docs/tests/run

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

static: ## Static binaries, and what else is in the images; needs musl-tools and binutils.
	rustup target add $(MUSL)
	$(CARGO) build --release --locked --target $(MUSL) $(DIST:%=--bin %)
	rm -rf target/$(MUSL)/dist && mkdir -p target/$(MUSL)/dist/data
	cp /etc/ssl/certs/ca-certificates.crt target/$(MUSL)/dist
	for binary in $(DIST); do \
	  objcopy --strip-all target/$(MUSL)/release/$$binary target/$(MUSL)/dist/$$binary || exit 1; \
	done

image: static ## Images of agent, control plane and CLI, of static binaries; needs buildah and root besides.
	for image in cli:phoenix agent:phoenix-agent control-plane:phoenix-control-plane; do \
	  buildah --storage-driver vfs bud --isolation chroot --quiet --label org.opencontainers.image.version=$(VERSION) \
	    --file deploy/docker/$${image%%:*}.Dockerfile --tag $${image##*:}:$(VERSION) target/$(MUSL)/dist || exit 1; \
	done
	deploy/tests/images $(VERSION)

PACKAGES ?= $(CURDIR)/target/packages
BINARIES ?= $(CURDIR)/target/dist
# cargo's tools look for binaries where cargo puts them.
STAGE = $(PACKAGES)/stage

packages: ## Debian packages and RPMs of the binaries in BINARIES; needs cargo-deb and cargo-generate-rpm.
	mkdir -p $(STAGE)/release && cp $(DIST:%=$(BINARIES)/%) $(STAGE)/release
	for crate in agent control-plane cli; do \
	  CARGO_TARGET_DIR=$(STAGE) cargo deb --locked --no-build --no-strip --package $$crate --output $(PACKAGES)/ $(DEB_OPTIONS) && \
	  cargo generate-rpm --package $$crate --target-dir $(STAGE) --output $(PACKAGES)/ $(RPM_OPTIONS) || exit 1; \
	done
	rm -r $(STAGE)

RELEASE ?= $(CURDIR)/target/release-files
NAME = phoenix-$(VERSION)-x86_64-linux

archives: ## The archive, the chart, the bill of materials and the checksums of a release, of binaries in BINARIES; needs helm and Python 3.
	mkdir -p $(RELEASE)
	rm -rf $(RELEASE)/$(NAME) && mkdir $(RELEASE)/$(NAME) && cp $(DIST:%=$(BINARIES)/%) LICENSE README.md CHANGELOG.md $(RELEASE)/$(NAME)
	cp -r deploy/systemd $(RELEASE)/$(NAME)/systemd
	cd $(RELEASE) && tar --create --gzip --owner 0 --group 0 --sort name --file $(NAME).tar.gz $(NAME) && rm -r $(NAME)
	helm package --destination $(RELEASE) deploy/helm/phoenix
	.ci/sbom >$(RELEASE)/phoenix-$(VERSION).cdx.json
	cd $(RELEASE) && rm -f SHA256SUMS && sha256sum * >SHA256SUMS

release: dist ## All files of a release, in target/release-files.
	rm -rf $(RELEASE)
	$(MAKE) packages PACKAGES=$(RELEASE)
	$(MAKE) archives

deny: ## Licenses and banned crates; needs cargo-deny.
	cargo deny --locked check bans licenses

fmt:
	$(CARGO) fmt --all

bench: ## The figures of benches/README.md.
	$(CARGO) build --profile bench --locked --bin phoenix --bin phoenix-agent --bin phoenix-bench
	./target/release/phoenix-bench $(ARGS)

bench-fleet: ## The table of a fleet of 10,000 agents, on SQLite and on PostgreSQL, which it starts; AGENTS for another number.
	$(CARGO) build --profile bench --locked --bin phoenix-control-plane --bin phoenix-bench
	AGENTS=$(or $(AGENTS),10000) benches/fleet $(ARGS)

bench-collector: ## The Collector's own processors, for `bench` to compare with; needs Go.
	cd benches/collector && go build -trimpath -ldflags='-s -w' -o ../../target/release/phoenix-bench-collector .

fuzz: ## Each target for a minute; needs cargo-fuzz.
	for target in batch config ottl json differential report cost segments state; do RUSTC_BOOTSTRAP=1 cargo fuzz run $$target -- -max_total_time=60 || exit 1; done
