# make bench: from a fresh clone to a leaderboard.  make test: the tests.  make check: tests and the quality gate.
# make drill: the harness under faults.  make numerics: the numerical tests as on another CPU.
# make docs: the documentation, as build/docs/html/index.html.
# make lowest: the core tests, those of the extras and one small run with the lowest versions that pyproject.toml allows.
PYTHON ?= python3
JOBS ?= 2
OUT ?= runs/quick
BIN := .venv/bin
READY := .venv/.ready

.PHONY: bench benchmarks gpu test docs numerics drill slow lowest lint check env clean

bench: env
	$(BIN)/bbo run --suite quick --jobs $(JOBS) --out $(OUT)
	@echo
	@$(BIN)/bbo report $(OUT)
	@$(BIN)/bbo report $(OUT) --format html --out $(OUT)/leaderboard.html
	@echo "The page with the figure: $(OUT)/leaderboard.html"

test: env
	$(BIN)/python -m pytest -n $(JOBS) --dist loadgroup

# The golden and numerical tests without AVX: other instructions round differently, as another CPU would.
# If torch ignores its variable, the first line fails; if no test is selected, pytest does.
numerics: export ATEN_CPU_CAPABILITY := default
numerics: export MKL_CBWR := COMPATIBLE
numerics: env
	$(BIN)/python -c 'import torch; found = torch.backends.cpu.get_cpu_capability(); assert found == "DEFAULT", found'
	$(BIN)/python -m pytest -m "numerics and not slow" -n $(JOBS) --dist loadgroup

# Every ratio of speed, into benchmarks/README.md; resumable, for a quiet machine, not part of the CI. QUICK=--quick tries small sizes.
benchmarks: env
	$(BIN)/python -m benchmarks $(QUICK)

# Every fault that we know beside an honest method; changed bytes in messages, plans and cells; 500 cells under kills and a full disk.
# Prints what it counted; takes some minutes.
drill: env
	$(BIN)/python -m pytest -m drill tests/harness -n $(JOBS)

# The other slow tests of the harness, such as every method bit for bit under several threads, and those of the tasks. Takes longer.
slow: env
	$(BIN)/python -m pytest -m "slow and not drill" tests/harness tests/tasks -n $(JOBS) --dist loadgroup

# Warnings are errors. With BBO_DATA_DIR, tasks that need data files get their histograms too.
docs: env
	$(BIN)/python -m tools.docs

# What needs a GPU, in one command: the tests, which fail without one, and results/gpu.md. Not part of the CI.
gpu: env
	BBO_TEST_CUDA=1 $(BIN)/python -m pytest tests/gpu
	$(BIN)/python tools/gpu_report.py runs/gpu

# Its environment, .venv-lowest, is made from constraints-lowest.txt; torch is the tested one, as that file explains.
# Where a package of an extra is missing its tests are skipped, so the second line asks for all of them. nevergrad-ngopt runs only here:
# its package does not work with the NumPy of constraints.txt.
lowest: .venv-lowest/.ready
	.venv-lowest/bin/python -m pytest -q tests/core -n $(JOBS)
	.venv-lowest/bin/python -c 'import distributed, nevergrad, openpyxl, pyarrow, submitit'
	.venv-lowest/bin/python -m pytest -q -m extras -n $(JOBS) tests/baselines/test_nevergrad_ngopt.py tests/cli/test_end_to_end.py \
	  tests/harness/test_engines.py tests/proposals tests/reporting/test_collect.py
	.venv-lowest/bin/python -m pytest -q -n $(JOBS) -k nevergrad-ngopt tests/harness/test_determinism.py tests/baselines/test_conformance.py
	rm -rf build/lowest && .venv-lowest/bin/bbo run -t thin-film -b random -b gp-ascent -b gradient-ascent -b root --preset smoke \
	  --seeds 0 --jobs 1 --out build/lowest
	.venv-lowest/bin/bbo report build/lowest --format html --out build/lowest/leaderboard.html

.venv-lowest/.ready: pyproject.toml constraints-lowest.txt
	rm -rf .venv-lowest && $(PYTHON) -m venv .venv-lowest
	.venv-lowest/bin/python -m pip install -q --disable-pip-version-check -c constraints-lowest.txt \
	  -e ".[dask,excel,nevergrad,parquet,slurm]" hypothesis pytest pytest-timeout pytest-xdist
	@touch $@

# import-linter looks at packages as they are installed: tasks/ and baselines/ are bbo.tasks and bbo.baselines only there.
lint: env
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m mypy
	rm -rf build/lint build/lib && $(BIN)/python -m pip install -q --no-deps --no-build-isolation --target build/lint .
	cd build/lint && ../../$(BIN)/lint-imports --config ../../pyproject.toml --no-cache

check: lint test

env: $(READY)

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "error: Python 3.11 or newer is needed; $(PYTHON) is $$($(PYTHON) -V 2>&1). Try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@echo "Making the environment in .venv (a few minutes the first time) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt "setuptools>=77" && \
	$(BIN)/python -m pip install --disable-pip-version-check --progress-bar off -c constraints.txt -e ".[dev]" 2>&1 | \
	  grep -E "^(Collecting|Installing|Successfully|ERROR|error)" ; test $${PIPESTATUS[0]} -eq 0 || \
	  { echo "error: the installation failed; see above. If the package index could not be reached, run the same command again."; exit 1; }
	@touch $(READY)

clean:
	rm -rf .venv .venv-lowest build runs

SHELL := /bin/bash
