# SPDX-License-Identifier: Apache-2.0
# The commands people type. The build itself is meson's (meson.build); the tests are run by tools/run_tests.py.

REEVE_DATA ?= build/data

.PHONY: all build run test bench soak conformance check-style install clean help

all: build

help:
	@echo 'make             build build/reeve'
	@echo 'make run         install what is missing, build, start reeve up (data in $$REEVE_DATA, by default build/data)'
	@echo 'make test        all tests; the last line is "N passed, N failed"'
	@echo 'make bench       measure, beside yardsticks; writes build/bench.json and README.md'
	@echo 'make soak        the long tests: ten million requests, a thousand kills'
	@echo 'make conformance count the requirements that tests prove; writes docs/conformance.md'
	@echo 'make check-style style, licence lines and layers'
	@echo 'make install     into $$DESTDIR'

build:
	@tools/build.sh build

run:
	@tools/deps.sh run
	@echo 'building build/reeve'
	@tools/build.sh build
	@exec build/reeve up --store.data "$(REEVE_DATA)"

test:
	@tools/deps.sh test
	@exec /usr/bin/python3 tools/run_tests.py

bench:
	@tools/deps.sh bench
	@tools/build.sh build
	@/usr/bin/python3 bench/run.py
	@/usr/bin/python3 tools/bench_readme.py

soak:
	@tools/deps.sh test
	@tools/build.sh build
	@exec /usr/bin/python3 tools/run_tests.py --soak

conformance:
	@exec /usr/bin/python3 tools/conformance.py

check-style:
	@/usr/bin/python3 tools/check_style.py
	@/usr/bin/python3 tools/check_layers.py

install: build
	@meson install -C build --no-rebuild

clean:
	rm -rf build build-asan build-tsan build-fuzz
