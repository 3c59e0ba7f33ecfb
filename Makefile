# Each target is one command; the set-up comes by itself.
PYTHON ?= python3
BIN    := .venv/bin
# course/ is run by tests/test_offline.py, with the network cut off
TESTS  ?= tests solutions
JOBS   ?= 2
.DELETE_ON_ERROR:
.PHONY: help setup lab test build check grade demo lock bench clean

help:
	@echo "make lab      set up, then open JupyterLab on the course"
	@echo "make test     set up, then run every test and every notebook"
	@echo "make demo     the live demos as an app in the browser     (NN=04 for one)"
	@echo "make build    course/ and the executed solutions/ from the lecture sources"
	@echo "make grade    FOLDER=submissions OUT=results"
	@echo "make bench    our methods against captum and zennit"
	@echo "make lock     requirements.lock anew from pyproject.toml"

setup: .venv/ready

# uv comes from the lock too, by its hash; then everything else by uv, which is quick; then the package itself.
.venv/ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	awk '/^uv==/{keep=1} keep{print} keep&&!/\\$$/{exit}' requirements.lock > .venv/uv.lock
	test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --require-hashes -r .venv/uv.lock
	VIRTUAL_ENV=$(CURDIR)/.venv $(BIN)/uv pip sync --quiet --compile-bytecode --require-hashes requirements.lock
	VIRTUAL_ENV=$(CURDIR)/.venv $(BIN)/uv pip install --quiet --no-build-isolation --no-deps --editable .
	touch $@

lab: setup
	$(BIN)/xaikit lab

test: setup
	$(BIN)/python -m pytest --nbval-lax --nbval-current-env --nbval-cell-timeout 120 \
	  --nbval-kernel-startup-timeout 120 --nbval-sanitize-with tests/sanitize.cfg \
	  -n $(JOBS) --dist loadfile --durations 15 -q $(TESTS)

build: setup
	$(BIN)/xaikit build

check: setup
	$(BIN)/xaikit check

grade: setup
	$(BIN)/xaikit grade $(FOLDER) --out $(OUT)

demo: setup
	$(BIN)/xaikit demo $(NN)

bench: setup
	$(BIN)/python -m benchmarks

lock:
	$(BIN)/uv pip compile pyproject.toml --extra test --universal --generate-hashes --no-emit-index-url \
	  --no-header --python-version 3.11 --output-file requirements.lock

clean:
	rm -rf .venv build *.egg-info
