# The targets people type. `make` alone prints them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# Everything the project needs of Debian 12, in this one place.
PACKAGES := g++ cmake ninja-build pkg-config git \
  liblz4-dev libzstd-dev liburing-dev libxxhash-dev libfmt-dev libtomlplusplus-dev nlohmann-json3-dev \
  libboost-program-options-dev libbenchmark-dev libgtest-dev librocksdb-dev fio \
  python3 python3-numpy python3-scipy python3-pandas python3-matplotlib python3-pytest
TOOLS := clang-format clang-tidy

JOBS ?= $(shell nproc)
CCACHE := $(shell command -v ccache 2>/dev/null)
LAUNCHER := $(if $(CCACHE),-DCMAKE_CXX_COMPILER_LAUNCHER=$(CCACHE))
# Ten files compiled as one: two thirds of the time of a clean build.
UNITY := -DCMAKE_UNITY_BUILD=ON -DCMAKE_UNITY_BUILD_BATCH_SIZE=10
DEMO_DIR ?= results/runs/quickstart-$(shell date -u +%Y%m%d-%H%M%S)
SOURCES = $(shell git ls-files -- '*.h' '*.cc')

.PHONY: help deps tools build demo test test-sanitizers format lint clean

help:
	@echo 'make deps    install the Debian packages that are missing'
	@echo 'make build   deps, then build/lsmlab (preset release: -O3, x86-64-v2, assertions on)'
	@echo 'make demo    build, then a real experiment over several variants: table, plots, report'
	@echo 'make test    build, then every test: release, address+undefined, thread sanitizer'
	@echo 'make format  clang-format over the sources'
	@echo 'make lint    clang-format --dry-run and clang-tidy'
	@echo 'make clean   remove the build directories'

# Asks dpkg first, so that a machine which has everything needs no root and no network.
define install_missing
	@missing=(); \
	for package in $(1); do \
	  state=$$(dpkg-query -W -f '$${db:Status-Status}' "$$package" 2>/dev/null || true); \
	  [[ "$$state" == installed ]] || missing+=("$$package"); \
	done; \
	if (( $${#missing[@]} == 0 )); then echo "deps: all packages are installed"; exit 0; fi; \
	echo "deps: installing $${missing[*]}"; \
	sudo=(); \
	if (( EUID != 0 )); then sudo=(sudo); fi; \
	"$${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -qq; \
	"$${sudo[@]}" env DEBIAN_FRONTEND=noninteractive \
	  apt-get install -y -qq --no-install-recommends "$${missing[@]}"
endef

deps:
	$(call install_missing,$(PACKAGES))

tools:
	$(call install_missing,$(TOOLS))

build: deps
	cmake --preset release $(LAUNCHER) $(UNITY)
	ninja -C build -j$(JOBS) lsmlab

# The portable release build, not the native one: the demo shall compile once, and compares parts
# with each other.
demo: deps
	cmake --preset release $(LAUNCHER) $(UNITY) -DLSMLAB_TESTS=OFF
	ninja -C build -j$(JOBS) lsmlab
	build/lsmlab run harness/experiments/quickstart.toml --out $(DEMO_DIR)
	@echo
	@echo 'plots:  $(DEMO_DIR)/plots/'
	@echo 'report: $(DEMO_DIR)/report.html (open it in a browser)'

# ctest's own output comes last, so that its closing line is the result.
test: deps
	cmake --preset release $(LAUNCHER) $(UNITY) -DLSMLAB_TESTS=ON -DLSMLAB_SANITIZER_TESTS=ON
	ninja -C build -j$(JOBS)
	cmake --preset asan $(LAUNCHER)
	ninja -C build-asan -j$(JOBS) lsmlab_asan_tests
	cmake --preset tsan $(LAUNCHER)
	ninja -C build-tsan -j$(JOBS) lsmlab_tsan_tests
	ctest --test-dir build --output-on-failure -j$(JOBS)

format: tools
	clang-format -i $(SOURCES)

lint: tools
	clang-format --dry-run --Werror $(SOURCES)
	cmake --preset release -B build-tidy -DLSMLAB_TESTS=ON
	clang-tidy -p build-tidy --quiet $(filter %.cc,$(SOURCES))

clean:
	rm -rf build build-asan build-tsan build-debug build-lto build-tidy
