# `make build lint test` is the gate. PYTHON chooses the interpreter; its `dev` extra has
# to be installed there (`docs` and `bench` for these two targets).
PYTHON ?= python
# Where `import routilux` finds compiled modules; the root does after `make build`.
BUILT ?= .
SUFFIX = $(shell $(PYTHON) -c "import sysconfig; print(sysconfig.get_config_var('EXT_SUFFIX'))")
MODULES = $(subst /,.,$(basename $(wildcard routilux/_core/[a-z]*.pyi)))

.PHONY: build trace debug asan ubsan tsan annotate test stress nightly bench lint docs
.PHONY: bench-seeing bench-ratios bench-peers bench-metg bench-published bench-free-threaded
.PHONY: bench-instructions bench-record bench-all bench-report test-all ft-test
.PHONY: nightly probe mutants schedules soak coverage
.PHONY: asan-test ubsan-test tsan-test valgrind sdist clean

# In place, one mode at a time. What another mode left there has to go first: it may be
# newer than what is copied now, and would stay.
build trace debug asan ubsan tsan:
	rm -f routilux/_core/*$(SUFFIX)
	ROUTILUX_BUILD=$(@:build=release) $(PYTHON) setup.py -q build_ext --inplace

annotate: export ROUTILUX_ANNOTATE = 1
annotate: build
	@find build/cython-release-* -name '*.html'

test:
	$(PYTHON) -m pytest

# The quick variants are part of `make test`; these take some minutes.
stress: export ROUTILUX_STRESS_SECONDS ?= 120
stress: export ROUTILUX_STRESS_POSTS ?= 1000000
stress:
	$(PYTHON) -m pytest tests/stress -s

# Hours: 20,000 random flows against the model, 100,000 in simulation, every public
# callable 500 times, and the loads of tests/stress at full size. A variable that is set
# makes its part shorter.
nightly: export ROUTILUX_MODEL_FLOWS ?= 20000
nightly: export ROUTILUX_SIM_SEEDS ?= 100000
nightly: export ROUTILUX_FUZZ_CALLS ?= 500
nightly: export ROUTILUX_STRESS_ITEMS ?= 10000000
nightly: export ROUTILUX_STRESS_POSTS ?= 1000000
nightly: export ROUTILUX_STRESS_RUNTIMES ?= 10000
nightly: export ROUTILUX_STRESS_SECONDS ?= 600
nightly: export ROUTILUX_STRESS_ALLOCATIONS ?= 1
nightly:
	$(PYTHON) -m pytest tests/model tests/sim tests/stress tests/fuzz -s

# The core with its seeded bugs and yield points, beside what `make build` left in place.
# What a bug was not noticed by, or a schedule broke, is printed; docs/reliability has more.
PROBE = build/probe/lib$(SUFFIX:.so=)
MUTANTS ?= --table docs/reliability/mutants.md
SCHEDULES ?= 100000
probe:
	ROUTILUX_BUILD=probe $(PYTHON) setup.py -q build --build-lib $(PROBE)

mutants: probe
	$(PYTHON) tests/mutation/run.py --lib $(PROBE) $(MUTANTS)

schedules: probe
	cd $(PROBE) && ROUTILUX_PROBE="$(CURDIR)/$(PROBE)" \
	    $(PYTHON) -m pytest "$(CURDIR)/tests/schedules"
	$(PYTHON) tests/schedules/run.py --lib $(PROBE) --count $(SCHEDULES)

soak:
	PYTHONPATH="$(BUILT)" $(PYTHON) tests/stress/soak.py

# What a sanitizer's build is run with; docs/reliability.md explains each. `make build`
# afterwards, or the slow modules stay.
SAN = $(CURDIR)/tests/sanitizers
SLOWLY = --timeout 900 -o faulthandler_timeout=800 --ignore tests/test_instructions.py
PRELOAD = LD_PRELOAD=$(shell $(CC) -print-file-name=lib$(1).so)
asan-test: asan
	$(call PRELOAD,asan) PYTHONMALLOC=malloc \
	    ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1 \
	    $(PYTHON) -m pytest -p no:cacheprovider -m "not memory" $(SLOWLY)

ubsan-test: ubsan
	UBSAN_OPTIONS=print_stacktrace=1 $(PYTHON) -m pytest -p no:cacheprovider $(SLOWLY)

# Needs a free-threaded CPython that was configured --with-thread-sanitizer.
tsan-test: tsan
	$(PYTHON) -c "import sysconfig as s; assert 'thread-san' in s.get_config_var('CONFIG_ARGS')"
	TSAN_OPTIONS=suppressions=$(SAN)/tsan.supp:history_size=5:die_after_fork=0:report_thread_leaks=0 \
	    PYTHON_GIL=0 ROUTILUX_MODEL_FLOWS=100 \
	    $(PYTHON) -m pytest -p no:cacheprovider -m "not memory" \
	    --timeout 1800 -o faulthandler_timeout=1700 -k "not fork" \
	    tests/stress/test_races.py tests/stress/test_mixed.py tests/model tests/contract \
	    tests/regressions tests/sim/test_sim_threads.py

# CPython 3.11 and 3.12 look up small ints by a digit that zero does not have; what was
# looked up counts as uninitialised wherever it goes, so that is not asked about.
valgrind: debug
	PYTHONMALLOC=malloc PYTHONPATH="$(BUILT)" valgrind --quiet --num-callers=45 \
	    --error-exitcode=9 --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite \
	    --undef-value-errors=no $(PYTHON) $(SAN)/short_run.py

# Lines of Python as coverage.py sees them, and of the .pyx files as gcc does. Needs the
# extras test and browser. `make build` afterwards, or the slow modules stay.
coverage: trace
	find build/trace -name '*.gcda' -delete
	$(PYTHON) -m coverage erase
	$(PYTHON) -m coverage run -m pytest -p no:cacheprovider -m "not memory" $(SLOWLY)
	$(PYTHON) -m coverage combine -q
	ROUTILUX_STRESS_ALLOCATIONS=1 $(PYTHON) -m pytest -p no:cacheprovider tests/memory
	$(PYTHON) tests/coverage/report.py --fail-under 95

bench:
	$(PYTHON) -m pytest benchmarks --timeout=900 -o faulthandler_timeout=0 \
	    --benchmark-disable-gc --benchmark-autosave --benchmark-max-time=0.5 \
	    --benchmark-group-by=group,param \
	    --benchmark-columns=min,median,iqr,rounds --benchmark-sort=name

# Each of these prints a table and writes its figures as JSON into RESULTS.
# PUBLISHED is an interpreter with routilux==1.1.0, FREE_THREADED one without a GIL;
# what is missing is skipped, and the table says so. ROUNDS overrides the default.
RESULTS ?= .benchmarks/last
PUBLISHED ?=
FREE_THREADED ?= $(PYTHON)
MEASURE = PYTHONPATH="$(BUILT)" $(PYTHON) benchmarks/$(1).py \
    --json $(RESULTS)/$(1).json
TIMED = $(MEASURE) $(if $(ROUNDS),--rounds $(ROUNDS))

bench-ratios:
	$(call TIMED,ratios)

bench-peers:
	$(call TIMED,chains)

bench-metg:
	$(call TIMED,metg)

bench-published:
	$(call TIMED,published) --python "$(PUBLISHED)"

bench-free-threaded:
	$(call TIMED,free_threaded)

bench-seeing:
	$(call TIMED,seeing)

bench-instructions:
	$(call MEASURE,instructions)

bench-record:
	$(call MEASURE,instructions) --record

# All of it, in about half an hour; then `make bench-report` draws what was measured.
bench-all: bench bench-ratios bench-seeing bench-peers bench-published bench-metg
	$(MAKE) bench-free-threaded PYTHON="$(FREE_THREADED)"
	$(MAKE) bench-instructions

bench-report:
	$(PYTHON) benchmarks/report.py --results $(RESULTS)

lint:
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy
	cd "$(BUILT)" && $(PYTHON) -m mypy.stubtest $(MODULES) \
	    --allowlist "$(CURDIR)/tests/typing/stubtest.txt" \
	    --ignore-unused-allowlist --ignore-disjoint-bases
	cd "$(BUILT)" && $(PYTHON) -m pytest -q "$(CURDIR)/tests/typing"

docs:
	$(PYTHON) -m sphinx -W -n --keep-going -b html docs build/docs

test-all:
	$(PYTHON) -m nox -s tests

# A free-threaded interpreter: make ft-test PYTHON=python3.13t
ft-test:
	$(PYTHON) -c "import sys; assert not sys._is_gil_enabled()"
	$(PYTHON) -m venv --clear build/ft-venv
	build/ft-venv/bin/python -m pip install -q --prefer-binary --only-binary pydantic-core ".[test]"
	cd build && ft-venv/bin/python -W error -c "import routilux"  # warns if it needs the GIL
	PYTHON_GIL=0 build/ft-venv/bin/pytest

sdist:
	$(PYTHON) -m build

clean:
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
	find routilux src_cy \( -name '*.so' -o -name '*.pyd' -o -name '*.c' \
	    -o -name '*.html' \) -delete
