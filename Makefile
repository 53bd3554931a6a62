# make room   set everything up, then the room in this terminal (without a terminal: line mode)
# make test   the same set-up, then the whole suite
# make check  all that a change must pass; make fast is the part of it that takes seconds
# TORCH_INDEX=URL names another index for PyTorch, as its CPU builds; ROOM_ARGS="--plain" is handed to the room.

PYTHON ?= python3
TORCH_INDEX ?=
ROOM_ARGS ?=
BIN := .venv/bin
PIP := $(BIN)/pip --disable-pip-version-check install --quiet --constraint constraints.txt \
	$(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))

.PHONY: room test check fast format docs clean

room: .venv/room
	@$(BIN)/python launch.py knowledge build >/dev/null || true
	@$(BIN)/python launch.py room $(ROOM_ARGS)

test: .venv/dev
	@$(BIN)/python -m pytest

check: .venv/dev fast
	@$(BIN)/python -m docs.generate --check
	@$(BIN)/python -m pytest

fast: .venv/dev
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m pytest tests/unit

format: .venv/dev
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

docs: .venv/dev
	@$(BIN)/python -m docs.generate

clean:
	rm -rf .venv

.venv/room: pyproject.toml constraints.txt
	@echo "Setting up .venv (once; PyTorch is large) ..." >&2
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv >&2
	@$(PIP) torch >&2
	@$(PIP) --editable . >&2
	@touch $@

.venv/dev: .venv/room
	@$(PIP) --editable ".[dev]" >&2
	@touch $@
