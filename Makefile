# The front door. `make demo` and `make check` work on a fresh Debian 12 by themselves.
#
#   make demo  [COORDINATION=dir|zookeeper]   a database grows from three nodes to four while it is used
#   make check [ONLY=LEVEL[/TEST],...]        all tests, or some: make check ONLY=cluster/transactions
#   make levels                               what there is to check, a line each
#   make unit | lint | scenarios              some of it
#   make fmt                                  puts the code into the form that lint wants
#   make soak [ROUNDS=20]                     the fault scenarios, and kills at every journal write: hours
#   make tpch                                 the 22 queries of TPC-H against a plain PostgreSQL
#   make bench                                ratios to a plain PostgreSQL on this machine
#   make sql                                  sql/expanse--VERSION.sql, put together from sql/parts
#   make docs                                 pages that are made of the sources
#   make install [PG_CONFIG=...] [PREFIX=...] library, SQL and programs for this server
PG_CONFIG ?= $(firstword $(wildcard /usr/lib/postgresql/15/bin/pg_config) $(shell command -v pg_config) pg_config)
PREFIX ?= /usr/local
COORDINATION ?= dir
CARGO ?= cargo
INSTALL ?= install

# PostgreSQL for tests: a relocated copy, so that nothing outside of this clone is changed.
BOX ?= $(CURDIR)/target/pg
BOX_CONFIG = $(BOX)/bin/pg_config

export PGRX_PG_CONFIG_PATH = $(PG_CONFIG)

.PHONY: all help deps build sql install box demo check levels tpch bench soak fmt lint unit scenarios clean

all: build

help:
	@sed -n 's/^#   //p' $(firstword $(MAKEFILE_LIST))

deps:
	@packaging/deps.sh

build: deps
	$(CARGO) build --release --workspace

# The parts in the order of their names. The file is kept with them, so that nothing has to be made to install it; `make unit`
# fails when it is not what the parts make.
SQL_VERSION := $(shell sed -n "s/^default_version = '\(.*\)'/\1/p" sql/expanse.control)
.PHONY: sql
sql:
	@{ echo "-- Put together from sql/parts by make sql: change those."; \
	   for part in $(sort $(wildcard sql/parts/*.sql)); do echo; cat $$part; done; } >sql/expanse--$(SQL_VERSION).sql

install: build
	$(MAKE) --no-print-directory files

# What install copies; without building, for packages.
.PHONY: files
files:
	$(INSTALL) -d "$(DESTDIR)$$($(PG_CONFIG) --pkglibdir)" "$(DESTDIR)$$($(PG_CONFIG) --sharedir)/extension" "$(DESTDIR)$(PREFIX)/bin"
	$(INSTALL) -m 755 target/release/libexpanse.so "$(DESTDIR)$$($(PG_CONFIG) --pkglibdir)/expanse.so"
	$(INSTALL) -m 644 sql/expanse.control sql/expanse--*.sql "$(DESTDIR)$$($(PG_CONFIG) --sharedir)/extension/"
	$(INSTALL) -m 755 target/release/expansed target/release/expansectl "$(DESTDIR)$(PREFIX)/bin/"

# The unit of expansed for the systemd of this machine.
.PHONY: service
service:
	packaging/install-service.sh "$(PREFIX)/bin/expansed" "$(DESTDIR)"

box: build
	@regress/box.sh "$(PG_CONFIG)" "$(BOX)"

demo: box
	@target/release/expanse-demo --expansectl "$(BOX)/bin/expansectl" --coordination $(COORDINATION) $(DEMO_ARGS)

bench: box
	@target/release/expanse-bench --expansectl "$(BOX)/bin/expansectl" --pg-config "$(BOX_CONFIG)" $(BENCH_ARGS)

tpch: box
	@target/release/expanse-tpch --expansectl "$(BOX)/bin/expansectl" --pg-config "$(BOX_CONFIG)" $(TPCH_ARGS)

# All levels, or some of them: make check ONLY=cluster/transactions,crash
check: box
	@target/release/expanse-check --box "$(BOX)" --only "$(ONLY)"

# The levels that break things, again and again, and kills at every journal write of every operation.
ROUNDS ?= 20
soak: box
	@EXPANSE_ROUNDS=$(ROUNDS) target/release/expanse-check --box "$(BOX)" \
		--only ensemble,overload,daemon,crash,takeover,killsteps-all

# What `make check` can be asked for, with a line on each.
levels: build
	@target/release/expanse-check --box "$(BOX)" --list

# Some of them by a name of their own.
unit scenarios: box
	@target/release/expanse-check --box "$(BOX)" --only $@
lint: box
	@target/release/expanse-check --box "$(BOX)" --only format,lint

fmt:
	$(CARGO) fmt --all

# The pages of docs/ that are made of the sources; `make unit` fails when they are out of date.
.PHONY: docs
docs:
	UPDATE_DOCS=1 $(CARGO) test --release -p expanse-core --test documents
	UPDATE_DOCS=1 $(CARGO) test --release -p expanse-floors --test code_map

clean:
	$(CARGO) clean
