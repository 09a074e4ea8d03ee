import io

import numpy as np
import pytest
from PIL import Image

from fullconv.data import read_photo
from fullconv.data.reading.image import probe
from fullconv.errors import UserError
from fullconv.modalities import ReadOptions

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (12, 20, 3), np.uint8)
GREY = RNG.integers(0, 256, (12, 20), np.uint8)


def refused(file, says: str) -> UserError:
    with pytest.raises(UserError) as caught:
        read_photo(file)
    assert str(file) in str(caught.value)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    return caught.value


def test_rgb_comes_back_as_it_is(save):
    photo = read_photo(save(RGB, "a.png"))
    assert photo.dtype == np.uint8
    assert (photo == RGB).all()


def test_open_file_and_its_name(save):
    data = save(RGB, "a.png").read_bytes()
    assert (read_photo(io.BytesIO(data)) == RGB).all()
    with pytest.raises(UserError, match=r"^upload\.png: "):
        read_photo(io.BytesIO(data[:40]), name="upload.png")


def test_grey_and_black_and_white(save):
    assert (read_photo(save(GREY, "g.png")) == GREY[..., None]).all()
    bits = GREY > 127
    assert (read_photo(save(bits, "b.png")) == np.where(bits, 255, 0)[..., None]).all()


def test_palette_gives_its_colours(save):
    image = Image.fromarray(RGB).quantize(16)
    expected = np.array(image.convert("RGB"))
    assert (read_photo(save(image, "p.png")) == expected).all()
    assert (read_photo(save(image, "p.gif")) == expected).all()


def test_transparency_lies_over_white(save):
    alpha = np.full((12, 20, 1), 255, np.uint8)
    assert (read_photo(save(np.concatenate([RGB, alpha], 2), "o.png")) == RGB).all()
    alpha[:6] = 0
    photo = read_photo(save(np.concatenate([RGB, alpha], 2), "t.png"))
    assert (photo[:6] == 255).all()
    assert (photo[6:] == RGB[6:]).all()
    grey_alpha = Image.fromarray(np.stack([GREY, alpha[..., 0]], 2), "LA")
    photo = read_photo(save(grey_alpha, "la.png"))
    assert (photo[:6] == 255).all()
    assert (photo[6:] == GREY[6:, :, None]).all()


def test_cmyk_is_converted(save):
    image = Image.new("CMYK", (8, 6), (0, 255, 255, 0))
    photo = read_photo(save(image, "c.jpg", quality=95))
    assert np.abs(photo.astype(int) - [255, 0, 0]).max() < 12


def test_the_scale_of_16_bits_is_named_never_guessed_from_one_file(save):
    grey = GREY.astype(np.uint16)
    for name, deep, white in (("d.png", grey * 257, 65535), ("e.tif", grey * 16, 4080)):
        path = save(deep, name)
        assert refused(path, "range").code == "FC-RASTER-004"
        photo = read_photo(path, options=ReadOptions(range=(0, white)))
        assert (photo == GREY[..., None]).all()
    dark = save((GREY.astype(np.uint16)), "dark.png")
    assert read_photo(dark, options=ReadOptions(range=(0, 65535))).max() <= 1


def test_modes_without_a_meaning_are_refused(save):
    refused(save(GREY.astype(np.float32), "f.tif"), "float32")
    refused(save(GREY.astype(np.int32), "i.tif"), "int32")
    refused(save(Image.new("LAB", (4, 4)), "l.tif"), "mode LAB")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_against_pillow(save, orientation):
    from PIL import ImageOps

    exif = Image.Exif()
    exif[0x0112] = orientation
    file = save(RGB, "o.jpg", exif=exif, quality=95)
    expected = np.array(ImageOps.exif_transpose(Image.open(file)))
    photo = read_photo(file)
    assert (photo == expected).all()
    assert photo.shape[:2] == ((20, 12) if orientation > 4 else (12, 20))
    assert probe(file) == photo.shape[:2]


def test_animation_is_refused(save):
    frames = [Image.fromarray(RGB), Image.fromarray(RGB[::-1].copy())]
    refused(save(frames[0], "a.gif", save_all=True, append_images=frames[1:]), "2 pictures")


@pytest.mark.parametrize("name", ["t.jpg", "t.png", "t.tif", "t.webp", "t.bmp"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.9])
def test_truncated_is_named(save, name, share):
    noisy = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    file = save(noisy, name)
    data = file.read_bytes()
    file.write_bytes(data[: int(len(data) * share)])
    refused(file, str(file))
    with pytest.raises(UserError):
        probe(file)


def test_what_is_no_picture(tmp_path):
    text = tmp_path / "notes.jpg"
    text.write_text("not a picture")
    refused(text, "cannot be read as a picture")
    refused(tmp_path / "none.jpg", "no such file")
    refused(tmp_path, "folder")


def test_probe_agrees_on_real_photos(shared_data):
    for file in sorted((shared_data("voc_sample") / "JPEGImages").iterdir()):
        assert probe(file) == read_photo(file).shape[:2]
