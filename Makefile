# make report [PROFILE=quick|original|improved|evidence] [ALL=yes: with runs that want a GPU] [ONLY=mnist: runs named so]
# make published [PROFILE=…] · make test · make lab · make bench [BENCH='--only views --repeats 3']
PROFILE ?= quick
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN := PATH="$(CURDIR)/$(BIN):$$PATH"

.PHONY: report published test lab bench clean
.DELETE_ON_ERROR:

report: $(VENV)/ready
	@$(RUN) snakemake --cores all --quiet rules --rerun-incomplete --nolock --config profile=$(PROFILE) all=$(ALL) only=$(ONLY)
	@echo "Report: runs/$(PROFILE)/report.html"
	@$(RUN) python -c "from lib.pdf import HINT, find_browser as f; print('        runs/$(PROFILE)/report.pdf' if f() else 'Note: ' + HINT)"

# The report on the records that come with the kit, without any training.
published: $(VENV)/ready
	@mkdir -p runs/published
	@$(RUN) papermill notebooks/report.ipynb runs/published/$(PROFILE).ipynb -f notebooks/cover.yaml -y '{profile: $(PROFILE), runs: figures/records}' --no-progress-bar
	@$(RUN) python -m lib.export runs/published/$(PROFILE).ipynb runs/published/$(PROFILE).html
	@echo "Report: runs/published/$(PROFILE).html"
	@$(RUN) python -m lib.pdf runs/published/$(PROFILE).html runs/published/$(PROFILE).pdf && echo "        runs/published/$(PROFILE).pdf"

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
