"""
HEIC, AVIF and WebP of every depth, subsampling and range: what is sent looks as what was stored.
"""

import io
import struct
from pathlib import Path
from typing import Any

import pillow_heif
import pytest
from PIL import Image, ImageChops

from retouchd.pictures.fit_apply import fitted_image
from retouchd.pictures.fit_plan import image_fit
from retouchd.pictures.inspect import look
from retouchd.request.limits import Limits
from sample_pictures import encoded

SIZE = (64, 48)
LEVELS = [(x * 4 % 256, y * 5 % 256, 128) for y in range(SIZE[1]) for x in range(SIZE[0])]
PICTURE = Image.frombytes("RGB", SIZE, b"".join(map(bytes, LEVELS)))


def heic(bits: int, chroma: int, monkeypatch: pytest.MonkeyPatch) -> bytes:
    monkeypatch.setattr(pillow_heif.options, "SAVE_HDR_TO_12_BIT", bits == 12)
    deep = b"".join(struct.pack("<3H", *(level * 257 for level in pixel)) for pixel in LEVELS)
    file = (
        pillow_heif.from_pillow(PICTURE)
        if bits == 8
        else pillow_heif.from_bytes("RGB;16", SIZE, deep)
    )
    buffer = io.BytesIO()
    file.save(buffer, quality=100, chroma=chroma)
    return buffer.getvalue()


def furthest(path: Path) -> int:
    fit = image_fit(look(path, name="cat", max_megapixels=1), Limits())
    data = path.read_bytes()
    if fit is not None:
        data = fitted_image(path, name="cat", fit=fit, max_megapixels=1)
    return max(
        ImageChops.difference(Image.open(io.BytesIO(data)).convert("RGB"), PICTURE).tobytes()
    )


@pytest.mark.parametrize("chroma", [444, 422, 420])
@pytest.mark.parametrize("bits", [8, 10, 12])
def test_heic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bits: int, chroma: int) -> None:
    path = tmp_path / "cat"
    path.write_bytes(heic(bits, chroma, monkeypatch))

    assert furthest(path) <= 8


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
@pytest.mark.parametrize("range_", ["full", "limited"])
def test_avif(tmp_path: Path, subsampling: str, range_: str) -> None:
    path = tmp_path / "cat"
    path.write_bytes(encoded(PICTURE, "AVIF", quality=100, subsampling=subsampling, range=range_))

    assert furthest(path) <= 8


@pytest.mark.parametrize("options", [{"lossless": True}, {"quality": 95}])
def test_webp(tmp_path: Path, options: dict[str, Any]) -> None:
    path = tmp_path / "cat"
    path.write_bytes(encoded(PICTURE, "WEBP", **options))

    assert furthest(path) <= 10
