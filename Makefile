# make report [PROFILE=quick|original|improved|evidence] [ALL=yes: with runs that want a GPU] [ONLY=mnist: runs named so]
# make published [PROFILE=…] · make test · make lab · make bench [BENCH='--only views --repeats 3']
PROFILE ?= quick
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN := PATH="$(CURDIR)/$(BIN):$$PATH"

.PHONY: report published test lab bench clean
.DELETE_ON_ERROR:

# published: the report on the records that come with the kit, without any training
report published: FOLDER = runs/$(if $(filter published,$@),published/)$(PROFILE)
report published: $(VENV)/ready
	@$(RUN) snakemake --cores all --quiet rules --rerun-incomplete --nolock --config profile=$(PROFILE) all=$(ALL) only=$(ONLY) published=$(filter published,$@)
	@echo "Report: $(FOLDER)/report.html"
	@$(RUN) python -c "from lib.report.pdf import HINT, find_browser as f; print('        $(FOLDER)/report.pdf' if f() else 'Note: ' + HINT)"

test: $(VENV)/ready-test
	$(RUN) python -m pytest

lab: $(VENV)/ready
	$(RUN) jupyter lab --notebook-dir notebooks

bench: $(VENV)/ready-test
	$(RUN) python -m bench.run $(BENCH)

$(VENV)/ready: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 10) else "Python 3.10 or newer is needed; $(PYTHON) is " + sys.version.split()[0] + ". Name another: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -e .
	touch $@

$(VENV)/ready-test: $(VENV)/ready requirements-test.txt
	$(BIN)/python -m pip install --quiet -e '.[test]'
	touch $@

clean:
	rm -rf runs .snakemake
