# Needs Python 3.11 or newer, and make. Paths are relative: make cannot hold one with a space.

PORT ?= 8000
BIN := .venv/bin
# Every server, command and test worker would otherwise compile all its modules anew: seconds each.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup run test check page format reference shots picture dist clean
.DEFAULT_GOAL := help

help: ## Show this
	@sed -n 's/^\([a-z]*\):.*## /\1	/p' Makefile | expand -t 10

setup: ## Set up everything that the others need (they do it themselves)
	@scripts/setup

run: setup ## Serve on http://127.0.0.1:8000, or on the port of PORT=
	@$(BIN)/python -m scripts.page build --optional
	@$(BIN)/rekindle serve --port $(PORT)

test: check page ## Check, and run all tests; show the coverage of lines and branches
	@$(BIN)/python -m scripts.browser
	$(BIN)/pytest -n 4 --dist worksteal --cov --cov-report=
	@$(BIN)/coverage report  # by itself: within pytest it is reckoned twice

check: setup ## Look for what is wrong without running it
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	@$(BIN)/python -m scripts.page check

page: setup ## Build the page into the package, unless it was built from the same files
	@$(BIN)/python -m scripts.page build

format: setup ## Format the code, and mend what can be mended by itself
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

reference: setup ## Write docs/reference/ and the page's types of the API anew, from the code
	@$(BIN)/python -m scripts.reference
	@$(BIN)/python -m scripts.page types

shots: setup page ## Take pictures of every view, light and dark, desktop and phone, into shots/
	@$(BIN)/python -m scripts.browser
	$(BIN)/python -m scripts.shots

picture: setup ## Draw docs/images/chat.svg anew, from a real terminal chat
	@scripts/uv run --quiet --locked --with pyte==0.8.2 python -m scripts.picture

dist: page ## Build the wheel into dist/, the page in it
	@scripts/uv build --wheel --out-dir dist

clean: ## Remove all that the others made here; conversations are elsewhere and stay
	rm -rf .venv .tools web/node_modules web/lib src/rekindle/http/page_files shots dist build htmlcov .coverage* .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +
