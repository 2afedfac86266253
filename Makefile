# The short form of python lab.py, which does the work and says more: python3 lab.py --help
# make report [PROFILE=quick|original|improved|evidence] [ALL=yes: with runs that want a GPU] [ONLY=mnist: runs named so]
# make lessons: the notebooks from notebooks/lessons/ (needs requirements-test.txt)
# make published [PROFILE=…] · make test · make lab · make check · make bench [BENCH='--only views --repeats 3']
PROFILE ?= quick
PYTHON ?= python3

.PHONY: report published test lab lessons check bench clean

report:
	@$(PYTHON) lab.py report $(PROFILE) $(if $(ONLY),--only $(ONLY)) $(if $(ALL),--all)

published:
	@$(PYTHON) lab.py published $(PROFILE)

test check:
	@$(PYTHON) lab.py $@

lab:
	@$(PYTHON) lab.py notebooks

lessons:
	@$(PYTHON) lab.py lessons

bench:
	@$(PYTHON) lab.py bench $(BENCH)

clean:
	@$(PYTHON) lab.py clean --yes
