"""The OpenAPI description against the service, by schemathesis: what it says is what happens."""

import io

import pytest
import torch
from PIL import Image
from serving import served

from fullconv.checkpoints import Checkpoint, save
from fullconv.classes import CAMVID
from fullconv.models import TORCH, NetSpec, build

schemathesis = pytest.importorskip("schemathesis", reason="pip install schemathesis")
import hypothesis  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

pytestmark = pytest.mark.slow


def picture(size, form):
    file = io.BytesIO()
    Image.new("RGB", size, (90, 120, 30)).save(file, form)
    return file.getvalue()


PICTURES = st.builds(
    picture, st.tuples(st.integers(1, 40), st.integers(1, 40)), st.sampled_from(["PNG", "JPEG"])
)
for kind in ("image/*", "application/octet-stream"):
    schemathesis.openapi.media_type(kind, PICTURES)


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    torch.manual_seed(0)
    net = build(NetSpec("fcn8s-resnet18", len(CAMVID), width=0.0625))
    folder = tmp_path_factory.mktemp("runs") / "street"
    save(folder / "model.safetensors", Checkpoint(net, CAMVID, TORCH))
    with served(folder) as made:
        yield made


PATHS = ["POST /v1/segment", "GET /v1/models", "GET /healthz", "GET /readyz", "GET /metrics"]


@pytest.fixture(scope="module")
def described(service):
    found = schemathesis.openapi.from_url(f"{service.url}/openapi.json").get_all_operations()
    return {operation.label: operation for operation in (each.ok() for each in found)}


def test_all_paths_are_tried(described):
    assert sorted(described) == sorted(PATHS)


CASES = [*((path, "positive") for path in PATHS), (PATHS[0], "negative")]


@pytest.mark.parametrize(("path", "mode"), CASES)
def test_what_is_described_is_what_happens(described, path, mode):
    """Right requests (positive) and wrong ones; all but the first path have nothing to be wrong."""
    generation = schemathesis.GenerationMode(mode)

    @hypothesis.settings(
        max_examples=100,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(described[path].as_strategy(generation_mode=generation))
    def check(case):
        case.call_and_validate()

    check()
