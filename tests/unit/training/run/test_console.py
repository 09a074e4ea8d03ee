from dataclasses import replace

import pytest

from fullconv.training.run.console import Screen, Status

STATUS = Status(
    step=120,
    steps=2000,
    epoch=3.27,
    lr=1.5e-3,
    loss=0.61234,
    per_pixel=0.61234,
    images_per_second=7.46,
    seconds_left=3723.4,
    data_wait=0.034,
    memory_mib=1480,
)


def test_the_line_holds_everything():
    assert STATUS.line() == (
        "step 120/2000 | epoch 3.3 | loss 0.6123/px | lr 1.50e-03 | 7.5 img/s | left 1:02:03 h | "
        "data wait 3% | 1480 MiB"
    )
    assert replace(STATUS, validation="val mIU 0.5012").line().endswith(" | val mIU 0.5012")


@pytest.mark.parametrize("width", [40, 60, 80, 100])
def test_on_a_narrow_terminal_whole_fields_give_way(width):
    whole = replace(STATUS, loss=105321.7, validation="val mIU 0.5012")
    line = whole.line(width)
    assert len(line) <= width
    fields = line.split(" | ")
    assert set(fields) <= {*whole.line().split(" | "), *STATUS.line().split(" | ")}
    assert fields[0] == "step 120/2000"
    assert ("val mIU 0.5012" in fields) == (width >= 80)


def test_a_summed_or_weighted_loss_stands_beside_the_loss_per_pixel():
    line = replace(STATUS, loss=105321.7).line()
    assert "loss 0.6123/px (trained 1.0532e+05)" in line


def test_without_a_terminal_lines_are_plain_and_whole(capsys):
    with Screen() as screen:
        assert screen.live is None
        screen.say("set augment.crop=[256, 256] for [red]photos[/red] " + "x" * 200, "yellow")
        screen.show(STATUS, due=True)
        screen.show(replace(STATUS, step=121))  # not due, and nobody waits for it
        screen.show(replace(STATUS, step=140), due=True)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "set augment.crop=[256, 256] for [red]photos[/red] " + "x" * 200
    assert [line.split(" | ")[0] for line in lines[1:]] == ["step 120/2000", "step 140/2000"]


def test_quiet(capsys):
    with Screen(quiet=True) as screen:
        screen.say("hello")
        screen.show(STATUS, due=True)
    assert capsys.readouterr().out == ""


def test_on_a_terminal_one_line_moves(monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    with Screen() as screen:
        assert screen.live is not None
        screen.show(STATUS)
        screen.say("validated")
        screen.show(replace(STATUS, step=121))
    out = capsys.readouterr().out
    assert "validated" in out
    assert "step 121/2000" in out
