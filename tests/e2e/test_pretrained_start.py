"""Pretrained without a word, from scratch when told, and the folder for the Hub."""

import re

QUICK = ["shapes:32x48:n=8", "--net", "fcn8s-efficientnet_lite0", "--crop", "32x32", "--steps", 1]
QUICK += ["--batch-size", 2, "--workers", 0, "--device", "cpu"]


def test_a_training_starts_pretrained_and_is_pushed_as_a_folder(run, tmp_path):
    said = run("train", *QUICK, "--out", tmp_path / "run")
    assert "efficientnet_lite0-imagenet from the package" in said
    config = (tmp_path / "run" / "config.toml").read_text()
    assert 'weights = "efficientnet_lite0-imagenet"' in config
    run("push", tmp_path / "run", "jane/shapes", "--license", "mit", "--dry-run", tmp_path / "card")
    card = (tmp_path / "card" / "README.md").read_text()
    assert re.search(r"efficientnet_lite0-imagenet .*licence: Apache-2.0", card)


def test_scratch_is_the_plain_word_for_random_weights(run, tmp_path):
    said = run("train", *QUICK, "--scratch", "--out", tmp_path / "run")
    assert "all layers start at random" in said
    assert 'weights = "none"' in (tmp_path / "run" / "config.toml").read_text()
    said = run("train", *QUICK, "--scratch", "--weights", "imagenet", code=2)
    assert "--scratch and --weights exclude each other" in said
    said = run("train", *QUICK, "--weights", "hf:jane", code=2)
    assert "is not hf:OWNER/REPO" in said
