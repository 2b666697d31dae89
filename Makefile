# archsim: `make demo` runs the main job, `make test` the tests. Both set everything up.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= 2

.PHONY: demo test test-slow engine-plain mutants lint simulator rtl-verilator rtl-synth fuzz bench clean

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("archsim needs Python 3.11 or newer" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --editable .
	touch $@

$(VENV)/.test-installed: $(VENV)/.installed
	$(BIN)/pip install --quiet --editable '.[test]'
	touch $@

# Icarus Verilog runs the register-transfer blocks; Debian and Ubuntu carry it.
simulator:
	@command -v iverilog >/dev/null || { \
	    sudo="$$(command -v sudo || true)"; \
	    $$sudo apt-get update -qq && \
	    $$sudo apt-get install -y -qq --no-install-recommends iverilog make g++ perl >/dev/null; }

demo: $(VENV)/.installed
	$(BIN)/archsim run array128-hbm3 llama3-8b --phase decode --context 4096

lint: $(VENV)/.test-installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: lint simulator
	$(BIN)/archsim warmup
	ARCHSIM_REQUIRE_RTL=1 $(BIN)/python -m pytest -m 'not slow' -n $(WORKERS)

test-slow: test
	ARCHSIM_REQUIRE_RTL=1 $(BIN)/python -m pytest -m slow -n $(WORKERS)
	$(MAKE) engine-plain
	$(MAKE) fuzz

# The engine's tests on its kernels as plain Python, where an index out of range is an error. The
# compiled kernels work on bare pointers, which NUMBA_BOUNDSCHECK cannot check; slow tests compile
# them for arrays with checks instead.
engine-plain: $(VENV)/.test-installed
	NUMBA_DISABLE_JIT=1 $(BIN)/python -m pytest -m 'not slow' tests/engine -n $(WORKERS)

# Breaks every rule of folding, of summaries and of the walk in turn; a test must notice each.
mutants: $(VENV)/.test-installed
	$(BIN)/python -m tests.engine.mutants

# The reference blocks on a second simulator, and their cells against the stored band.
rtl-verilator: $(VENV)/.test-installed simulator
	ARCHSIM_REQUIRE_RTL=1 $(BIN)/python -m pytest tests/rtl/test_cross_check.py -k verilator

rtl-synth: $(VENV)/.test-installed simulator
	ARCHSIM_REQUIRE_RTL=1 $(BIN)/python -m pytest tests/rtl/test_cross_check.py -k cell

fuzz: $(VENV)/.test-installed
	$(BIN)/python -m tests.fuzz.run --inputs 100000 --seed 0
	$(BIN)/python -m tests.fuzz.run --targets simulation --inputs 300 --seed 0 --seconds 60

bench: $(VENV)/.installed
	$(BIN)/archsim bench engine

clean:
	rm -rf $(VENV) build dist *.egg-info
