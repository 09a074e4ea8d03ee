"""The parts of benchmarks/accuracy.py that need no training, and SMP's where its venv is made."""

import math
import sys
from pathlib import Path

import numpy as np
import pytest

from fullconv.metrics import Scores, confusion

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
sys.path += [str(BENCHMARKS), str(BENCHMARKS / "peers")]

import accuracy  # noqa: E402
import accuracy_page  # noqa: E402
import accuracy_results  # noqa: E402
import lite0_names  # noqa: E402
import mean_iu  # noqa: E402
import smp_recipes  # noqa: E402
import turns  # noqa: E402
from photos import photo_of  # noqa: E402

SETTINGS = {"minutes": 10, "every": 9, "threads": 2, "batch_size": 8}


def run_of(name, curve, seed=0, **more):
    more = {"steps": 9, "data_wait": 0.01, "photos": 41, "machine": "a CPU", **more}
    return {"name": name, "seed": seed, "settings": SETTINGS, "curve": curve, **more}


OURS = run_of("fullconv", [[2, 0.2, 1], [4, 0.4, 2], [10, 0.6, 3]], arguments="--recipe x")


@pytest.mark.parametrize(
    ("theirs", "timms"),
    [
        ("_conv_stem.weight", "conv_stem.weight"),
        ("_bn0.running_var", "bn1.running_var"),
        ("_blocks.0._depthwise_conv.weight", "blocks.0.0.conv_dw.weight"),
        ("_blocks.0._bn1.bias", "blocks.0.0.bn1.bias"),
        ("_blocks.0._project_conv.weight", "blocks.0.0.conv_pw.weight"),
        ("_blocks.2._expand_conv.weight", "blocks.1.1.conv_pw.weight"),
        ("_blocks.3._bn0.weight", "blocks.2.0.bn1.weight"),
        ("_blocks.8._bn1.weight", "blocks.4.0.bn2.weight"),
        ("_blocks.15._project_conv.weight", "blocks.6.0.conv_pwl.weight"),
        ("_bn1.bias", "bn2.bias"),
        ("_fc.bias", "classifier.bias"),
    ],
)
def test_lite0s_arrays_have_timms_names(theirs, timms):
    assert lite0_names.timms_name(theirs) == timms


@pytest.mark.parametrize("name", ["_blocks.16._bn0.bias", "_blocks.0._expand_conv.weight", "fc.w"])
def test_a_name_that_is_not_lite0s_is_refused(name):
    with pytest.raises(KeyError):
        lite0_names.timms_name(name)


def test_an_encoder_has_no_classifier():
    state = {"_blocks.0._bn1.bias": 1, "_conv_head.weight": 2, "_bn1.bias": 3, "_fc.bias": 4}
    assert lite0_names.encoders(state) == {"blocks.0.0.bn1.bias": 1}


def test_the_peers_mean_iu_is_this_projects():
    rng = np.random.default_rng(0)
    truth, found = rng.choice([0, 1, 2, 255], (9, 7)), rng.integers(0, 3, (9, 7))
    matrix = mean_iu.confusion(truth, found, 5)  # two classes are nowhere
    assert (matrix == confusion(truth, found, 5, 255)).all()
    assert mean_iu.mean_iu(matrix) == pytest.approx(Scores.from_confusion(matrix).mean_iu)


def test_the_rate_warms_up_and_falls_as_a_cosine_to_its_end():
    example, tuned = (smp_recipes.RECIPES[name] for name in ("example", "tuned"))
    assert smp_recipes.lr_factor(0, example) == 1
    assert smp_recipes.lr_factor(0.5, example) == pytest.approx((1 + 0.05) / 2)
    assert smp_recipes.lr_factor(0.025, tuned) == pytest.approx(0.5)
    assert smp_recipes.lr_factor(0.05, tuned) == 1
    for recipe in (example, tuned):
        for done in (1, 1.2):  # the last step may end late
            assert smp_recipes.lr_factor(done, recipe) * recipe["lr"] == pytest.approx(1e-5)


def test_photos_are_padded_around_to_multiples_of_32():
    assert smp_recipes.padding((360, 480)) == (0, 0, 12, 12)
    assert smp_recipes.padding((33, 31)) == (0, 1, 15, 16)


def test_a_curve_between_its_points_by_hand():
    curve = OURS["curve"]
    assert accuracy_results.at(curve, 3) == pytest.approx(0.3)
    assert accuracy_results.at(curve, 7) == pytest.approx(0.5)
    assert accuracy_results.at(curve, 11) == 0.6
    assert math.isnan(accuracy_results.at(curve, 1))


def test_leads_are_over_the_mean_of_the_seeds_of_the_first_way():
    other = run_of("fullconv", [[2, 0.4, 1], [10, 0.8, 3]], seed=1, arguments="--recipe x")
    early = run_of("fullconv-small", [[1, 0.5, 1], [10, 0.5, 3]], arguments="--net y")
    peer = run_of("smp-fpn-lite0", [[1, 0.3, 1], [10, 0.75, 2]])
    found = accuracy_results.leads([OURS, other, early, peer], "smp-fpn-lite0")
    assert found == pytest.approx([math.nan, 0.7 - 0.75], nan_ok=True)


def test_a_point_of_a_peer_above_the_curve_is_said():
    peer = run_of("smp-unet-lite0", [[1, 0.9, 1], [4, 0.41, 2], [10, 0.6, 3]])
    speeds = [{"engine": "torch", "seconds": 0.2, "mean_iu": 0.6, "mib": 300}]
    peer["speed"] = [*speeds, {"engine": "OpenVINO fp32", "seconds": 0.05, "mean_iu": 0.6}]
    ours = {**OURS, "speed": [{"engine": "torch", "seconds": 0.1, "mean_iu": 0.6, "mib": 200}]}
    assert accuracy_page.verdict([ours, peer], "smp-unet-lite0") == (
        "smp-unet-lite0: 1 of its 2 points in training lie on or below fullconv's curve (1 come "
        "before fullconv's first); 1 of 2 ways to predict are beaten in both time and mean IU."
    )


def test_runs_are_found_again_by_all_that_decides_them(tmp_path):
    results = accuracy_results.Results.read(tmp_path / "accuracy.json")
    key = {"name": "fullconv", "seed": 0, "settings": SETTINGS, "arguments": "--recipe x"}
    results.add(key, {"curve": [[1, 0.1, 1]]})
    results.add(key, {"curve": [[1, 0.2, 1]]})
    again = accuracy_results.Results.read(tmp_path / "accuracy.json")
    assert [run["curve"] for run in again.runs] == [[[1, 0.2, 1]]]
    assert again.has(key)
    for other in ({"seed": 1}, {"arguments": "--recipe y"}, {"settings": {**SETTINGS, "every": 1}}):
        assert not again.has({**key, **other})


def test_the_curve_of_fullconv_is_its_log_by_its_clock(tmp_path):
    (tmp_path / "log.csv").write_text("step,loss,val_mean_iu\n20,3,\n40,2,0.25\n60,1,\n80,1,0.5\n")
    rows = "20,30,0.1\n40,90,0.2\n60,120,0.1\n80,180,0.04\n"
    (tmp_path / "timing.csv").write_text(f"step,seconds,data_wait\n{rows}")
    found = accuracy_results.fullconv_curve(tmp_path)
    assert found == {"curve": [[1.5, 0.25, 40], [3.0, 0.5, 80]], "steps": 80, "data_wait": 0.04}


def test_the_time_is_added_to_fullconvs_options_where_they_have_no_length(tmp_path):
    timed, counted = accuracy.ours(["--recipe x", "small --recipe x --epochs=3"])
    assert (timed.name, counted.name) == ("fullconv", "fullconv-small")
    assert "--time 15m" in " ".join(timed.command(tmp_path, tmp_path, 15, 0))
    assert "--time" not in counted.command(tmp_path, tmp_path, 15, 0)


def test_names_that_cannot_be_meant_are_errors():
    with pytest.raises(SystemExit, match="smp-fpn is unknown: use smp-fpn-lite0,"):
        accuracy.chosen("smp-fpn", ["--recipe x"])
    with pytest.raises(SystemExit, match="fullconv: begin each --fullconv with a name"):
        accuracy.chosen(None, ["--recipe x", "--recipe y"])


def test_every_ninth_training_photo_and_all_of_val(tmp_path):
    data = tmp_path / "data"
    for split, many in (("train", 20), ("val", 3)):
        for kind, suffix in (("images", "jpg"), ("masks", "png")):
            (data / kind / split).mkdir(parents=True)
            for number in range(many):
                (data / kind / split / f"{number:02d}.{suffix}").write_text(f"{number}")
    (data / "classes.toml").write_text("ignore = 255\n")
    for _ in range(2):  # the second finds the links of the first
        found = accuracy.subset(data, 9, tmp_path / "links")
    names = {path.relative_to(found).as_posix() for path in found.rglob("*.*")}
    kept = {f"train/{n}" for n in ("00", "09", "18")} | {f"val/{n}" for n in ("00", "01", "02")}
    wanted = {f"images/{n}.jpg" for n in kept} | {f"masks/{n}.png" for n in kept}
    assert names == wanted | {"classes.toml"}
    assert (found / "masks/train/18.png").read_text() == "18"


def test_the_page_has_tables_pictures_and_verdicts(tmp_path):
    results = accuracy_results.Results(tmp_path / "accuracy.json")
    about = accuracy.__doc__
    accuracy_page.write(results, tmp_path / "accuracy.md", tmp_path / "pictures", about)
    assert "Nothing has been measured yet" in (tmp_path / "accuracy.md").read_text()
    peer = run_of("smp-fpn-lite0", [[4, 0.3, 1], [10, 0.5, 2]], parameters=4_712_075)
    peer["recipe"] = "tuned"
    peer["speed"] = [{"engine": "torch", "seconds": 0.2, "mean_iu": 0.5, "mib": 300}]
    results.runs = [OURS, peer]
    accuracy_page.write(results, tmp_path / "accuracy.md", tmp_path / "pictures", about)
    text = (tmp_path / "accuracy.md").read_text()
    assert "## 10 minutes, 41 photos" in text
    assert "| smp-fpn-lite0 | 4.7 | 9 | 1 % | 50.0 | +10.0 to +10.0 |" in text
    assert "| smp-fpn-lite0, torch | 0.200 | 300 | 50.0 | no |" in text
    assert "smp-fpn-lite0: 2 of its 2 points in training lie on or below" in text
    for kind in ("time", "photo"):
        assert f"(pictures/accuracy-9-10m-{kind}.png)" in text
        assert (tmp_path / "pictures" / f"accuracy-9-10m-{kind}.png").stat().st_size > 5000


@pytest.mark.slow
def test_timm_with_the_mapped_weights_computes_the_readers_logits(tmp_path):
    if not (BENCHMARKS.parent / ".venv-peers" / ".smp").exists():
        pytest.skip("make .venv-peers/.smp")
    np.save(tmp_path / "photo.npy", photo_of((224, 224)))
    job = {"do": "verify", "photo": str(tmp_path / "photo.npy"), "threads": 1}
    found = turns.run(turns.Way("verify", "smp_camvid", job))
    assert found["off"] < 1e-4 < found["largest"]
