# `make build lint test` is the gate. PYTHON chooses the interpreter; its `dev` extra has
# to be installed there (`docs` and `bench` for these two targets).
PYTHON ?= python
# Where `import routilux` finds compiled modules; the root does after `make build`.
BUILT ?= .
SUFFIX = $(shell $(PYTHON) -c "import sysconfig; print(sysconfig.get_config_var('EXT_SUFFIX'))")
MODULES = $(subst /,.,$(basename $(wildcard routilux/_core/[a-z]*.pyi)))

.PHONY: build trace debug asan ubsan tsan annotate test stress nightly bench lint docs
.PHONY: bench-ratios bench-peers bench-metg bench-published bench-free-threaded
.PHONY: bench-instructions bench-record bench-all bench-report test-all ft-test
.PHONY: sdist clean

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

# What is too long for each change: 100,000 simulated flows.
nightly: export ROUTILUX_SIM_SEEDS ?= 100000
nightly:
	$(PYTHON) -m pytest tests/sim -s

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

bench-instructions:
	$(call MEASURE,instructions)

bench-record:
	$(call MEASURE,instructions) --record

# All of it, in about half an hour; then `make bench-report` draws what was measured.
bench-all: bench bench-ratios bench-peers bench-published bench-metg
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
