# The commands of this repository. CI runs the same ones. `make` alone lists them.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run test check fmt schema bench pg web clean

PAGE_SOURCES := web/index.html web/vite.config.js $(wildcard web/src/* web/public/* docs/queries/*.graphql)

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' Makefile

run: ## a server with sample data and GraphiQL, nothing else to install but Rust (and Node.js for GraphiQL)
	@scripts/node && $(MAKE) --no-print-directory web || echo "going on without the GraphiQL page: the API works without it"
	cargo run --release --locked -- demo

test: ## everything: lints, supply chain, documentation, all tests on SQLite and PostgreSQL, the page in a browser
	@scripts/test

check: ## format, lints and the links of the documentation, the quick look before a commit
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked --quiet

fmt: ## format the code
	cargo fmt --all

schema: ## write schema.graphql from the code
	cargo run --quiet --locked -- schema > schema.graphql.new
	mv schema.graphql.new schema.graphql

bench: ## the benchmarks, on SQLite and PostgreSQL
	scripts/postgres --durable cargo bench --locked

pg: ## a private PostgreSQL until Ctrl-C; prints its URL
	@scripts/postgres

web: web/dist/index.html ## build the GraphiQL page into web/dist

clean: ## remove what was built
	cargo clean
	rm -rf web/dist web/node_modules .tools

web/node_modules/.package-lock.json: web/package.json web/package-lock.json web/.npmrc
	@scripts/node
	cd web && npm ci
	@touch $@

web/dist/index.html: web/node_modules/.package-lock.json $(PAGE_SOURCES)
	cd web && npm run --silent build -- --logLevel warn
