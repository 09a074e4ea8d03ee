import csv
import io
import re
import statistics

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from fullconv.benchmark import (
    Candidate,
    Comparison,
    Evaluated,
    Machine,
    Request,
    Row,
    Timing,
    compare,
    find_candidates,
    measure,
    verdicts,
    write_comparison,
)
from fullconv.benchmark import timing as measuring
from fullconv.benchmark.compare_models import photo_size
from fullconv.benchmark.comparison_files import markdown, table_csv
from fullconv.data import open_source
from fullconv.errors import UserError
from fullconv.evaluation import evaluate
from fullconv.metrics import SUMMARY, PhotoMetrics, Scores
from fullconv.models import NetSpec, summarize
from fullconv.report.plots.points import name_box, points_figure
from small_runs import small_run

DATA = "shapes:32x48:n=20"
MACHINE = Machine("cpu (x86_64, AVX2)", 1, "fp32", "2.13.0")


def save_run(folder, head="fcn16s", padding="same"):
    """A run of a narrow net whose scores differ from pixel to pixel."""
    classes = open_source(DATA, "val").classes
    small_run(folder, classes, f"{head}-resnet18", padding=padding)
    (folder / "config.toml").write_text(f'[data]\npath = "{DATA}"\n')
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return save_run(tmp_path_factory.mktemp("runs") / "first")


@pytest.fixture(scope="module")
def compared(run):
    """A run beside an untrained net, the run scored on what it was trained on.

    The comparison, its progress, and of each turn the name of the net and what its process says.
    """
    progress, turns, forward = [], [], measuring._forward

    def listed(candidate, *rest):
        turns.append((candidate.name, forward(candidate, *rest)))
        return turns[-1][1]

    request = Request(nets=["fcn32s-caffenet"], runs=[run], size=(32, 48), width=0.75, rounds=2)
    parent = torch.ones(2**28)  # 1 GiB that no measured process may count as its own
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measuring, "_forward", listed)
        comparison = compare(request, lambda *step: progress.append(step))
    del parent
    return comparison, progress, turns


def test_every_net_has_its_turn_in_every_round(compared):
    comparison, _, turns = compared
    assert [name for name, _ in turns] == ["fcn32s-caffenet", "first"] * 2
    assert comparison.machine.torch == torch.__version__
    for place, row in enumerate(comparison.rows):
        mine = [answer for _, answer in turns[place::2]]
        seconds = [second for answer in mine for second in answer["seconds"]]
        assert len(seconds) == 2 * measuring.TIMED
        assert min(seconds) > 0
        assert row.timing.seconds == tuple(seconds)
        assert row.timing.median == statistics.median(seconds)
        assert row.timing.peak_mib == max(answer["peak_mib"] for answer in mine)
    heavy, light = comparison.rows
    weights = [row.summary.parameters * 4 / 2**20 for row in (heavy, light)]
    assert light.timing.peak_mib < heavy.timing.peak_mib - 0.9 * (weights[0] - weights[1])
    assert light.timing.peak_mib < 1024


def test_a_photo_too_large_for_the_memory():
    net = Candidate("mine", NetSpec("fcn32s-resnet18", 3, width=0.0625))
    with pytest.raises(UserError, match=r"^mine: a photo of 1000000x2000000 needs more memory"):
        measure([net], (1000000, 2000000), "cpu", rounds=1)


def test_rows_are_what_summarize_and_evaluate_say(compared, run):
    comparison, *_ = compared
    untrained, trained = comparison.rows
    assert [row.candidate.name for row in comparison.rows] == ["fcn32s-caffenet", "first"]
    assert untrained.candidate.spec == NetSpec("fcn32s-caffenet", 21, width=0.75)
    assert untrained.scores is None
    assert trained.candidate.spec == NetSpec("fcn16s-resnet18", 6, width=0.0625)
    assert trained.scores.summary() == evaluate(run, DATA).summary()
    assert len(np.unique(trained.scores.confusion.sum(0))) > 1  # it predicts several classes
    assert trained.classes == open_source(DATA, "val").classes.names
    assert len(trained.scores.photos) == 2
    assert trained.scored_on == f"2 photos of {DATA} (val)"
    for row in comparison.rows:
        assert row.summary == summarize(row.candidate.spec, (32, 48))


def test_progress_counts_turns_and_photos(compared):
    assert compared[1] == [(done, 6) for done in range(1, 7)]


def test_the_files_say_what_was_found(compared, tmp_path):
    comparison, *_ = compared
    paths = write_comparison(comparison, tmp_path / "out")
    assert [path.name for path in paths] == ["comparison.md", "comparison.csv", "comparison.png"]
    text = paths[0].read_text("utf-8")
    assert "fullconv compare --nets fcn32s-caffenet --runs first --size 32x48" in text
    assert f"torch {torch.__version__}" in text
    assert "first is fcn16s-resnet18 for 6 classes, width 0.0625, padding same." in text
    assert f"{comparison.machine.threads} thread" in text
    assert Image.open(paths[2]).size[0] > 300
    for path in paths[:2]:
        assert str(tmp_path.parent) not in path.read_text("utf-8")


def table_of(text):
    """Rows of the first table of a Markdown page, by column."""
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert {len(line) for line in cells} == {len(cells[0])}
    return [dict(zip(cells[0], line, strict=True)) for line in cells[2:]]


SPECS = [
    NetSpec("fcn32s-caffenet", 21),
    NetSpec("fcn8s-vgg16", 21, padding="paper", width=0.25),
    NetSpec("fcn32s-googlenet", 33),
]
SUMMARIES = [summarize(spec, (64, 64)) for spec in SPECS]
seconds = st.lists(st.floats(1e-5, 100), min_size=1, max_size=7)
matrices = st.none() | st.lists(st.integers(0, 999), min_size=4, max_size=4)
measured = st.lists(
    st.tuples(seconds, st.integers(1, 10**6), matrices), min_size=len(SPECS), max_size=len(SPECS)
)


@given(measured)
@settings(max_examples=25, deadline=None)
def test_csv_and_markdown_parse_back(found):
    rows = []
    for spec, summary, (times, peak, matrix) in zip(SPECS, SUMMARIES, found, strict=True):
        scores = matrix and Scores.from_confusion(np.array(matrix).reshape(2, 2))
        timing = Timing(tuple(times), peak)
        rows.append(Row(Candidate(spec.name, spec), summary, timing, scores, "photos"))
    comparison = Comparison(rows, (64, 64), MACHINE, 1, "fullconv compare")
    written = list(csv.DictReader(io.StringIO(table_csv(comparison))))
    shown = table_of(markdown(comparison))
    assert len(written) == len(shown) == len(rows)
    for row, line, cells in zip(rows, written, shown, strict=True):
        assert line["name"] == cells["net"] == row.candidate.name
        assert float(line["forward_seconds"]) == statistics.median(row.timing.seconds)
        milliseconds = float(cells["forward"].removesuffix(" ms"))
        assert milliseconds == pytest.approx(1e3 * float(line["forward_seconds"]), 5e-3, 0.051)
        assert cells["peak memory"] == f"{line['peak_mib']} MiB" == f"{row.timing.peak_mib} MiB"
        assert int(line["parameters"]) == row.summary.parameters
        assert cells["parameters"] == f"{row.summary.parameters / 1e6:.1f} M"
        assert cells["conv layers"] == line["conv_layers"] == str(row.summary.conv_layers)
        for key, head in zip(
            SUMMARY, ("pixel acc.", "mean acc.", "mean IU", "f.w. IU"), strict=True
        ):
            value = getattr(row.scores, key) if row.scores else np.nan
            if np.isnan(value):
                assert line[key] == ""
                assert cells.get(head, "-") == "-"
            else:
                assert float(line[key]) == value
                assert float(cells[head]) == pytest.approx(100 * value, abs=0.051)


def test_the_table_of_the_paper():
    specs = [NetSpec(f"fcn32s-{name}", 21) for name in ("caffenet", "vgg16", "googlenet")]
    rows = [Row(Candidate(s.name, s), summarize(s, (64, 64)), Timing((1.0,), 1)) for s in specs]
    table = table_of(markdown(Comparison(rows, (64, 64), MACHINE, 1, "")))
    columns = ("conv layers", "parameters", "receptive field", "stride")
    assert [tuple(row[name] for name in columns) for row in table] == [
        ("8", "57.0 M", "355", "32"),
        ("16", "134.3 M", "404", "32"),
        ("22", "6.0 M", "715 (907)", "32"),
    ]


def evaluated(counts, names=("a", "b"), own=("a", "b"), of="p"):
    """Scores of photos with these counts, and the classes that the run was trained for."""
    photos = PhotoMetrics(tuple(f"{of}{i}" for i in range(len(counts))), names, counts)
    hits, true, predicted = counts.sum(0)
    matrix = np.array([[hits[0], true[0] - hits[0]], [true[1] - hits[1], hits[1]]])
    assert matrix.sum(0).tolist() == predicted.tolist()
    return Scores.from_confusion(matrix, names, photos), own


def photos_with(right, photos=30, seed=0):
    """Counts (P, 3, 2) of photos of 100 pixels of each class, about ``right`` of them right."""
    hits = np.random.default_rng(seed).binomial(100, right, (photos, 2))
    true = np.full_like(hits, 100)
    return np.stack([hits, true, hits + 100 - hits[:, ::-1]], 1)


def comparison_of(**runs):
    summary = SUMMARIES[0]
    rows = [
        Row(Candidate(name, SPECS[0], name), summary, Timing((1.0,), 1), scores, "photos", own)
        for name, (scores, own) in runs.items()
    ]
    untrained = Row(Candidate("untrained", SPECS[0]), summary, Timing((1.0,), 1))
    return Comparison([*rows, untrained], (64, 64), MACHINE, 1, "fullconv compare")


def test_each_run_is_compared_with_the_best():
    comparison = comparison_of(
        near=evaluated(photos_with(0.905, seed=1)),
        best=evaluated(photos_with(0.91)),
        far=evaluated(photos_with(0.7, seed=2)),
    )
    near, far = comparison.verdicts.verdicts
    assert (near.word, far.word) == ("no significant difference", "worse")
    assert re.fullmatch(
        r"No significant difference between best and near "
        r"\(by \d\.\d, 95 % interval -\d\.\d to \d\.\d\)\.",
        str(near),
    )
    scores = {row.candidate.name: row.scores for row in comparison.rows if row.scores}
    lead = 100 * (scores["best"].mean_iu - scores["far"].mean_iu)
    assert str(far).startswith(f"best is better than far (by {lead:.1f}, 95 % interval ")
    assert far.difference.interval.low > 0.2
    text = markdown(comparison)
    assert f"- {near}\n" in text and f"- {far}\n" in text
    cells = [row["against the best"] for row in table_of(text)]
    assert cells == ["no significant difference", "best", f"worse by {lead:.1f}", "-"]
    rows = list(csv.DictReader(io.StringIO(table_csv(comparison))))
    assert [row["verdict"] for row in rows] == ["no significant difference", "best", "worse", ""]
    assert [row["compared_with"] for row in rows] == ["best", "", "best", ""]
    assert float(rows[2]["difference"]) == pytest.approx(-lead / 100)
    low, high = (float(rows[2][key]) for key in ("difference_low", "difference_high"))
    assert low < -lead / 100 < high < 0
    assert float(rows[0]["mean_iu_low"]) < scores["near"].mean_iu < float(rows[0]["mean_iu_high"])
    assert (rows[3]["mean_iu_low"], rows[3]["difference"]) == ("", "")


def test_other_classes_and_other_photos_get_no_verdict_but_a_reason():
    counts = photos_with(0.9)
    comparison = comparison_of(
        first=evaluated(counts),
        renamed=evaluated(counts, own=("a", "x")),
        elsewhere=evaluated(photos_with(0.5), of="q"),
    )
    assert not comparison.verdicts.verdicts and not comparison.verdicts.best
    assert comparison.verdicts.obstacles == [
        "first and renamed are not compared: their classes differ.",
        "first and elsewhere are not compared: they were not evaluated on the same photos.",
    ]
    text = markdown(comparison)
    assert "not compared: their classes differ" in text
    assert "against the best" not in text


def test_one_photo_tells_nothing():
    verdict = verdicts(
        [
            Evaluated(name, ("a", "b"), scores.photos, scores.mean_iu)
            for name, (scores, _) in {
                "one": evaluated(photos_with(0.9, 1)), "two": evaluated(photos_with(0.1, 1)),
            }.items()
        ]
    ).verdicts[0]  # fmt: skip
    assert verdict.word == "no significant difference"
    assert str(verdict) == "One photo shows no significant difference between one and two."


def test_names_of_runs(tmp_path, run):
    one, two = save_run(tmp_path / "a" / "net"), save_run(tmp_path / "b" / "net")
    alike = find_candidates((), [one, two, one, one / "model.safetensors"])
    assert [(c.name, c.run) for c in alike] == [
        *((f"{one}", one), (f"{two}", two), (f"{one}/model.safetensors", one / "model.safetensors"))
    ]
    assert [c.name for c in find_candidates((), [one, two])] == ["a/net", "b/net"]
    assert [c.name for c in find_candidates(("fcn8s-vgg16",) * 2, [run])] == [
        "fcn8s-vgg16",
        "first",
    ]
    clash = save_run(tmp_path / "c" / "fcn8s-vgg16")
    assert find_candidates(["fcn8s-vgg16"], [clash])[1].name == "c/fcn8s-vgg16"


def test_classes_of_untrained_nets(tmp_path):
    file = tmp_path / "classes.txt"
    file.write_text("a\nb\nc\n")
    shapes = open_source(DATA, "val")
    assert Request().class_count(None) == 21
    assert Request().class_count(shapes) == 6
    assert Request(classes="33").class_count(shapes) == 33
    assert Request(classes=str(file)).class_count(None) == 3


def test_the_size_of_most_photos(tmp_path):
    for place, size in enumerate([(40, 30), (64, 48), (64, 48), (48, 64)]):
        for folder, mode in (("images", "RGB"), ("masks", "L")):
            (tmp_path / folder / "val").mkdir(parents=True, exist_ok=True)
            exif = Image.Exif()
            exif[0x0112] = 6 if place == 3 and mode == "RGB" else 1  # turned upright when read
            path = tmp_path / folder / "val" / f"{place}.png"
            Image.new(mode, size).save(path, exif=exif)
    (tmp_path / "classes.toml").write_text('[[class]]\nname = "a"\n')
    assert (
        photo_size(open_source(tmp_path, "val"))
        == (48, 64)
        == photo_size(open_source("shapes:48x64", "val"))
    )


def test_a_command_names_no_place_of_one_machine(tmp_path):
    request = Request(
        str(tmp_path / "my photos"), ["fcn8s-vgg16"], [tmp_path / "a", "runs/b"],
        classes=str(tmp_path / "classes.txt"), precision="bf16",
    )  # fmt: skip
    assert request.command() == (
        "fullconv compare 'my photos' --nets fcn8s-vgg16 --runs a --runs runs/b "
        "--classes classes.txt --precision bf16"
    )


def test_classes_that_do_not_fit_are_refused_before_measuring(run, tmp_path):
    (tmp_path / "classes.toml").write_text('[[class]]\nname = "a"\n')
    for folder, mode in (("images", "RGB"), ("masks", "L")):
        (tmp_path / folder / "val").mkdir(parents=True)
        Image.new(mode, (32, 32)).save(tmp_path / folder / "val" / "one.png")
    steps = []
    with pytest.raises(
        UserError, match=r"^first: the net and .* have different classes \(6 and 1\)"
    ):
        compare(Request(str(tmp_path), runs=[run]), lambda *step: steps.append(step))
    assert steps == []


def test_a_run_that_is_damaged(run, tmp_path):
    broken = tmp_path / "broken" / "model.safetensors"
    broken.parent.mkdir()
    broken.write_bytes((run / "model.safetensors").read_bytes()[:-100])
    with pytest.raises(UserError, match="broken"):
        compare(Request(runs=[broken.parent]))


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=9))
@settings(max_examples=8, deadline=None)
def test_no_name_lies_on_another(places):
    points = [(f"fcn8s-net{i}", x, y) for i, (x, y) in enumerate(places)]
    figure = points_figure(points, "across", "up", "title")
    names = figure.axes[0].texts
    assert {name.get_text() for name in names} == {name for name, _, _ in points}
    boxes = [name_box(name) for name in names]
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
