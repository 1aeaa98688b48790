# Two commands matter: `make demo` and `make test`. The others are what they are made of.
CARGO ?= cargo
# Tests of the binaries mostly wait, so that more of them than there are cores run side by side.
TEST_THREADS ?= $(shell cores=$$(nproc); echo $$((cores > 6 ? cores : 6)))

.PHONY: demo test lint fmt bench bench-collector fuzz deny dist

demo: ## Build and run the main job on this machine's real processes.
	$(CARGO) build --locked --bin phoenix --bin phoenix-agent --bin phoenix-control-plane
	./target/debug/phoenix demo $(ARGS)

test: ## Every test, the end-to-end ones with the real binaries included.
	$(CARGO) build --locked --workspace --bins
	RUST_TEST_THREADS=$(TEST_THREADS) $(CARGO) test --locked --workspace --all-targets

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
	for target in batch config ottl json differential report cost; do RUSTC_BOOTSTRAP=1 cargo fuzz run $$target -- -max_total_time=60 || exit 1; done
