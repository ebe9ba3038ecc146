# Works from a fresh clone with Python 3.11+, make and a package index.
.DEFAULT_GOAL := help
.PHONY: help run setup test lint bench explore attack html kills mutants pictures vendor clean
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$python; break; }; done)
MANAGE = .venv/bin/python manage.py

help:  ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## */  make \1\t/' | expand -t 18
	@echo "make run reads PORT, HOST, DATABASE_URL, ADMIN_PASSWORD, DEMO=0 and more: see README.md."

run: .venv/.installed  ## start the product at http://127.0.0.1:8000/
	@exec $(MANAGE) serve

setup: .venv/.installed-dev  ## create .venv with everything in it, start nothing

test: setup  ## lint, then every test on SQLite, on PostgreSQL and in a browser, with a summary
	@exec .venv/bin/python -m tests.run

lint: setup  ## style, format, types, templates and missing migrations
	@exec .venv/bin/python -m tests.run lint

explore: setup  ## run the property tests with ten times as many examples, on the engine of DATABASE_URL
	EXAMPLES=$${EXAMPLES:-4} .venv/bin/python -m pytest -q -n 2 -m "hypothesis and not browser"

attack: setup  ## try to reach another reseller's records by every address and in random histories, on that engine
	EXAMPLES=$${EXAMPLES:-10} .venv/bin/python -m pytest -q -s -n 0 -m "not browser" tests/screens/test_access.py \
		tests/screens/test_attack.py tests/screens/test_branches.py

html: setup  ## check every page with the Nu HTML checker, whose vnu.jar VNU_JAR names
	@test -n "$$VNU_JAR" || { echo "Error: name the vnu.jar of the Nu HTML checker with VNU_JAR=/path/to/vnu.jar." >&2; exit 1; }
	.venv/bin/python -m pytest -q -n 0 tests/screens/test_html.py

bench: setup  ## measure lists and writes on the database of DATABASE_URL
	$(MANAGE) bench

kills: setup  ## kill workers, web processes and connections, 40 of each, and race each pair of writes
	KILLS=$${KILLS:-40} LOCK_ROUNDS=$${LOCK_ROUNDS:-1} .venv/bin/python -m pytest -q -n 2 \
		tests/jobs/test_kills.py tests/events/test_worker.py tests/api/test_writers.py \
		tests/dids/models/test_lock_order.py

mutants: .venv/.installed-mutants  ## list the mutations of ROOM (all: none given) that no test notices
	.venv/bin/python -m tests.mutants $(ROOM)

pictures: setup  ## take the pictures of docs/ again, of the product with demonstration data
	@exec .venv/bin/python -m tests.pictures

vendor: setup  ## fetch the front-end files in static/vendor again
	$(MANAGE) vendor

clean:  ## remove .venv and caches; var/, which holds the data, stays
	rm -rf .venv .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/.installed: requirements.txt | .venv/bin/python
	@echo "Installing the requirements into .venv …" && $(call install,requirements.txt)
	@touch $@

.venv/.installed-dev: requirements.txt requirements-dev.txt | .venv/bin/python
	@echo "Installing the requirements for development into .venv …" && $(call install,requirements-dev.txt)
	@touch .venv/.installed $@

.venv/.installed-mutants: requirements-mutants.txt .venv/.installed-dev
	@echo "Installing mutmut into .venv …" && $(call install,requirements-mutants.txt)
	@touch $@

.venv/bin/python:
	@$(or $(PYTHON),false) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "Error: Python 3.11 or newer is needed; name one with PYTHON=/path/to/python3.11." >&2; exit 1; }
	@$(PYTHON) -m venv .venv || { rm -rf .venv; \
		echo "Error: $(PYTHON) cannot make .venv (on Debian and Ubuntu: apt install python3-venv)." >&2; exit 1; }

install = .venv/bin/python -m pip install --quiet --disable-pip-version-check -r $(1) || { \
	echo "Error: the requirements could not be installed; the lines above say why." >&2; exit 1; }
