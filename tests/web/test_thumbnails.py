"""
Thumbnails: pictures as they are seen, made once, and never more of them than there is room for.
"""

import io
import os
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from retouchd.cli.compose import settings_of
from retouchd.config import SANDBOX, Config, EndpointSection, FoldersSection
from retouchd.disk.calls import Folder
from retouchd.pictures.decoding import ImageFault
from retouchd.pictures.thumbnail import thumbnail
from retouchd.spool.history_cache import HistoryCache
from retouchd.web.page.jobs import Jobs, PictureFile
from retouchd.web.page.looks import Looks
from retouchd.web.page.thumbnails import Thumbnails


def small(image: Image.Image, kind: str, longest: int = 64, **options: Any) -> Image.Image:
    file = io.BytesIO()
    image.save(file, kind, **options)
    file.seek(0)
    data = thumbnail(file, "cat", longest=longest, max_megapixels=1)
    found = Image.open(io.BytesIO(data))
    assert (found.format, len(found.getexif())) == ("WEBP", 0)
    return found


def is_near(colour: tuple[int, ...], other: tuple[int, ...]) -> bool:
    return all(abs(a - b) < 24 for a, b in zip(colour, other, strict=True))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_it_is_upright(kind: str) -> None:
    """
    A phone's photo that lies on its side stands.
    """
    image = Image.new("RGB", (200, 100), "red")
    image.paste("blue", (0, 0, 100, 100))
    exif = Image.Exif()
    exif[0x0112] = 6

    found = small(image, kind, exif=exif.tobytes()).convert("RGB")

    assert found.size == (32, 64)
    assert is_near(found.getpixel((16, 8)), (0, 0, 255))  # type: ignore[arg-type]
    assert is_near(found.getpixel((16, 56)), (255, 0, 0))  # type: ignore[arg-type]


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "I;16", "1", "LA"])
def test_whatever_its_pixels_are_it_is_shown(mode: str) -> None:
    """
    Grey, palettes, sixteen bits, transparency.
    """
    image = Image.new(mode, (80, 40))

    assert small(image, "PNG").size == (64, 32)


def test_cmyk_is_shown_and_noise_is_none() -> None:
    """
    What is no picture, or too large a one, is refused.
    """
    assert small(Image.new("CMYK", (80, 40), (255, 0, 0, 0)), "JPEG").size == (64, 32)
    with pytest.raises(ImageFault):
        thumbnail(io.BytesIO(b"GIF89a"), "cat", longest=64, max_megapixels=1)
    with pytest.raises(ImageFault):
        small(Image.new("RGB", (1200, 1000)), "PNG")


async def test_it_is_made_once_and_the_oldest_go(tmp_path: Path) -> None:
    """
    What was taken away is shown for as long as there is room for it.
    """
    (tmp_path / "work").mkdir()
    config = Config.model_construct(
        folders=FoldersSection(root=tmp_path), endpoint=EndpointSection(base_url=SANDBOX)
    )
    settings, problems = settings_of(config, tmp_path)
    assert settings is not None, problems
    jobs = Jobs(lambda: settings, HistoryCache(tmp_path / "work"))
    looks = Looks(lambda: settings)
    store = Thumbnails(tmp_path / "work", jobs, looks, most_bytes=3000)
    Image.new("RGB", (64, 64), "teal").save(tmp_path / "cat.png")
    picture = PictureFile(places=((Folder.DONE, tmp_path),), path="cat.png")

    first = await store.get("job", "before", 480, lambda: picture)
    (tmp_path / "cat.png").unlink()

    assert first is not None
    assert await store.get("job", "before", 480, lambda: picture) == first
    assert await store.get("other", "before", 480, lambda: picture) is None
    for number in range(4):
        path = tmp_path / f"work/thumbnails/{number}.webp"
        path.write_bytes(b"x" * 1000)
        os.utime(path, (number, number))
    store._clear()
    left = sorted(os.listdir(tmp_path / "work/thumbnails"))
    assert left[-1] == "job-before-480.webp"
    assert "0.webp" not in left
