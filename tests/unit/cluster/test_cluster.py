"""What is asked of a cluster, and the parts of the work, without one."""

import json
import sys

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from fullconv.cli import app
from fullconv.cluster.connection import ClusterOptions, Pool, pool_of
from fullconv.cluster.photos import _parts, _plain, predict_item
from fullconv.errors import UserError
from fullconv.inference import Predictor, find_inputs
from fullconv.inference.storage.outputs import FolderOutput
from fullconv.inference.storage.predict_stored import predict_recorded, with_relative_results
from small_runs import small_run

CPU2, CPU64 = {"CPU": 2.0}, {"CPU": 64.0}
GPU4 = {"CPU": 32.0, "GPU": 4.0}


@pytest.mark.parametrize(
    ("options", "nodes", "pool"),
    [
        ({}, [CPU2], Pool(1, 2, 0)),
        ({}, [CPU2, CPU64], Pool(33, 2, 0)),
        ({}, [CPU64], Pool(8, 8, 0)),
        ({}, [GPU4, CPU64], Pool(4, 8, 1)),
        ({"gpus": 0.25}, [GPU4], Pool(16, 2, 0.25)),
        ({"gpus": 0, "cpus": 1}, [GPU4, CPU2], Pool(34, 1, 0)),
        ({"workers": 3, "cpus": 0.5}, [CPU2], Pool(3, 0.5, 0)),
    ],
)
def test_workers_fill_the_machines(options, nodes, pool):
    assert pool_of(ClusterOptions(**options), nodes) == pool


@pytest.mark.parametrize(
    ("options", "nodes"),
    [({"workers": 2}, [CPU2]), ({"cpus": 3}, [CPU2]), ({"gpus": 1}, [CPU64]), ({}, []),
     ({}, [{"CPU": 0.0}]), ({"gpus": 8}, [GPU4])],
)  # fmt: skip
def test_no_room_is_an_error_and_no_endless_wait(options, nodes):
    with pytest.raises(UserError) as caught:
        pool_of(ClusterOptions(**options), nodes)
    assert caught.value.code == "FC-CLUSTER-005"


@pytest.fixture
def run(tmp_path):
    return small_run(tmp_path / "run")


@pytest.fixture
def photos(tmp_path):
    draw = np.random.default_rng(0)
    (tmp_path / "photos").mkdir()
    for number in range(5):
        image = Image.fromarray(draw.integers(0, 256, (30, 40, 3), np.uint8))
        image.save(tmp_path / f"photos/{number}.png")
    (tmp_path / "photos/3.png").write_bytes(b"no picture")
    return tmp_path / "photos"


def call(*arguments):
    done = CliRunner().invoke(app, list(map(str, arguments)))
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stderr


@pytest.mark.parametrize("address", ["nowhere", "127.0.0.1:1", "ray://127.0.0.1:1", "a:b", ":1"])
def test_an_address_without_a_cluster_is_one_line(run, photos, tmp_path, address):
    pytest.importorskip("ray", reason="needs fullconv[ray]")
    code, err = call("predict", run, photos, "--out", tmp_path / "out", "--cluster", address)
    assert code == 2 and err.count("\n") == 1 and "FC-CLUSTER-004" in err and address in err


@pytest.mark.parametrize("package", ["ray", "pyarrow"])
def test_ray_that_is_missing_is_named_with_its_extra(run, photos, tmp_path, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    code, err = call("predict", run, photos, "--out", tmp_path / "out", "--cluster", "auto")
    assert code == 2 and "fullconv[ray]" in err and "FC-CLUSTER-003" in err


def test_options_of_workers_need_a_cluster(run, photos):
    for option in ("--workers", "--worker-cpus", "--worker-gpus"):
        for command in (("predict", run, photos), ("evaluate", run, photos)):
            code, err = call(*command, option, "1")
            assert code == 2 and option in err and "FC-CLUSTER-001" in err


def test_what_needs_the_results_here_is_refused(run, photos, tmp_path):
    for option in (("--to", "labelme"), ("--areas",), ("--frames",), ("--input", "depth=d")):
        code, err = call("predict", run, photos, "--cluster", "auto", *option)
        assert code == 2 and option[0] in err and "FC-CLUSTER-002" in err


def test_a_workers_part_is_what_one_machine_does(run, photos, tmp_path):
    predictor = Predictor(run, "cpu")
    found = with_relative_results(find_inputs([photos], tmp_path / "one"), tmp_path / "one")
    expected = list(predict_recorded(predictor, found, FolderOutput(tmp_path / "one"), "job"))
    replies = []
    for part in _parts(found, 1):
        item = {"photos": [_plain(n, found[n]) for n in part], "out": str(tmp_path / "two"),
                "job": "job", "drawn": {}}  # fmt: skip
        replies += predict_item(predictor, json.loads(json.dumps(item)))
    assert [reply["number"] for reply in replies] == list(range(5))
    for reply, result in zip(replies, expected, strict=True):
        error = result.error
        assert (reply["error"], reply["error_code"]) == (
            str(error or ""),
            error.code if error else "",
        )
        assert reply["written"] == [path.as_posix() for path in result.written]
        for name in reply["written"]:
            assert (tmp_path / "two" / name).read_bytes() == (tmp_path / "one" / name).read_bytes()
    assert [reply["error_code"] for reply in replies].count("FC-DATA-002") == 1


def test_parts_are_bounded_and_miss_nothing(photos):
    many = find_inputs([photos], "out") * 2000
    parts = list(_parts(many, 4))
    assert [number for part in parts for number in part] == list(range(len(many)))
    assert max(map(len, parts)) == 32
    assert all(len(part) == 1 for part in _parts(many[:60], 8))
