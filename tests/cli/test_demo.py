"""
`retouchd demo`: the first thing a newcomer runs, without a key and in any folder.
"""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

import pytest
from PIL import Image, ImageChops, ImageOps, ImageStat

from checker import digest
from process import Endpoint, Running, Station, open_station
from retouchd.cli.demo import Pair, page
from retouchd.sandbox.painting.lettering import write


def contents(root: Path) -> dict[str, bytes]:
    """
    Return every file for the person, with its bytes.
    """
    return {
        str(path.relative_to(root)): path.read_bytes()
        for folder in ("inbox", "outbox", "done", "error")
        for path in (root / folder).rglob("*")
        if path.is_file()
    }


def pixels(path: Path, size: tuple[int, int] | None = None) -> Image.Image:
    with Image.open(path) as picture:
        found = picture.convert("RGB")
    return ImageOps.fit(found, size) if size else found


def means(picture: Image.Image) -> list[float]:
    return ImageStat.Stat(picture).mean


def difference(one: Image.Image, other: Image.Image) -> float:
    return max(means(ImageChops.difference(one, other)))


def check_pictures(root: Path) -> None:
    """
    Compare each result with what its prompt says.
    """
    cat = pixels(root / "outbox/cat.png")
    assert cat.size == (1536, 1024)
    captioned = Image.new("RGB", cat.size)
    write(captioned, "Chelsea", (0, 0, *cat.size))
    lettering = captioned.getbbox()
    assert lettering is not None
    assert difference(cat.crop(lettering), captioned.crop(lettering)) < 3, "the caption is Chelsea"
    red, _, blue = means(cat.crop((0, 0, cat.width, lettering[1])))
    assert blue > red + 40, "the cat is blue"

    coffee, mask = pixels(root / "outbox/coffee.jpg"), Image.open(root / "done/coffee.mask.png")
    size = coffee.size
    before = pixels(root / "done/coffee.jpg")
    assert size == before.size, "the photo's own size and format"
    inside = ImageOps.fit(mask.getchannel("A"), size, Image.Resampling.NEAREST).point(
        lambda a: 255 * (a == 0)
    )
    outside = ImageOps.invert(inside)
    assert max(ImageStat.Stat(ImageChops.difference(coffee, before), outside).mean) < 1, (
        "nothing else changed"
    )
    red, _, blue = ImageStat.Stat(coffee, inside).mean
    assert blue > red, "the cup is blue"

    rocket = pixels(root / "outbox/studio/rocket.png")
    backdrop = pixels(root / "inbox/studio/_refs/backdrop.jpg", rocket.size)
    original = pixels(root / "done/studio/rocket.jpg", rocket.size)
    edge = (0, 0, rocket.width, rocket.height // 12)
    width, height = rocket.size
    middle = (width * 47 // 100, height * 4 // 10, width * 53 // 100, height * 6 // 10)
    assert difference(rocket.crop(edge), backdrop.crop(edge)) < 3, "the backdrop is behind it"
    assert difference(rocket.crop(middle), original.crop(middle)) < 3, "the rocket is there"


def check_page(page: Path) -> None:
    """
    See that the page leads from the best result to the failure, and shows pictures that are there.
    """
    text = page.read_text("utf-8")
    shown = [page.parent / unquote(path) for path in re.findall(r'src="([^"]+)"', text)]
    assert len(shown) == 7
    assert all(path.is_file() for path in shown)
    assert re.findall(r"<figcaption>((?:done|error)/[^<]+)</figcaption>", text) == [
        "done/coffee.jpg",
        "done/cat.jpg",
        "done/studio/rocket.jpg",
        "error/rocket.jpg",
    ]
    assert text.index("改成蓝色") < text.index("make it blue") < text.index("coffee.jpg")
    assert text.index("error/rocket.jpg") < text.index("rocket.txt holds no text")


def test_a_name_or_prompt_stays_text_in_the_page() -> None:
    """
    Prompts and names come from anywhere.
    """
    pair = Pair(
        prompt="<script>alert(1)</script>",
        note="<script>alert(2)</script>",
        original='done/a"b <i>.jpg',
        results=("outbox/50% #1?.png",),
        reason="x < y",
    )

    text = page("Before & after", [pair], "")

    assert "<script" not in text
    assert "<i>" not in text
    assert 'src="done/a%22b%20%3Ci%3E.jpg"' in text
    assert 'src="outbox/50%25%20%231%3F.png"' in text


class Shown(NamedTuple):
    """
    A demo where a service's variables are set: its folder, how it ended, what it said, and the paid endpoint.
    """

    root: Path
    code: int
    running: Running
    endpoint: Endpoint


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    with open_station(tmp_path_factory.mktemp("demo")) as station:
        endpoint = station.endpoint()
        code, running = station.bare(
            "demo",
            "show",
            RETOUCHD_ENDPOINT__BASE_URL=endpoint.url,
            RETOUCHD_ENDPOINT__API_KEY="sk-real",
            OPENAI_BASE_URL=endpoint.url,
            OPENAI_API_KEY="sk-real",
        )
        yield Shown(station.root / "show", code, running, endpoint)


def test_three_photos_are_edited_and_one_is_explained(demo: Shown) -> None:
    """
    Four originals in a table, three pictures in outbox/, a rocket in error/ and why.
    """
    root, code, running, _ = demo

    assert code == 0
    for text in ("done/cat.jpg", "done/coffee.jpg", "done/studio/rocket.jpg", "error/rocket.jpg"):
        assert text in running.out
    assert os.fspath(root) in running.out
    for name in ("cat", "coffee", "studio/rocket"):
        (path,) = (root / "outbox").glob(f"{name}.*")
        with Image.open(path) as picture:
            picture.load()
    assert sum(path.is_file() for path in (root / "outbox").rglob("*")) == 3
    assert (root / "done/coffee.received.png").is_file()
    assert "3 photos done, 1 not" in (root / "status.txt").read_text("utf-8-sig")
    assert "rocket.txt" in (root / "error/rocket.error.txt").read_text("utf-8")
    assert running.err == ""


def test_the_demo_shows_every_way_to_say_what_is_wanted(demo: Shown) -> None:
    """
    A structured sidecar, a mask that spares what lies outside of it, a folder's prompt and reference.
    """
    root = demo.root
    records = {
        name: json.loads((root / "done" / f"{name}.job.json").read_bytes())["request"]
        for name in ("cat", "coffee", "studio/rocket")
    }
    check_pictures(root)
    check_page(root / "before-after.html")
    assert records["cat"]["from"]["prompt"] == "cat.toml"
    assert records["cat"]["size"] == "1536x1024"
    assert records["coffee"]["mask"] == "coffee.mask.png"
    assert records["studio/rocket"]["from"]["prompt"] == "studio/_prompt.txt"
    assert records["studio/rocket"]["images"] == ["rocket.jpg", "studio/_refs/backdrop.jpg"]


@pytest.mark.parametrize(("style", "end"), [("xai", "jpg"), ("openrouter", "png")])
def test_it_is_shown_for_other_kinds_of_endpoints(station: Station, style: str, end: str) -> None:
    """
    With what such an endpoint has a place for: neither takes a mask, and xAI no size.
    """
    code, running = station.bare("demo", "show", "--style", style)

    assert (code, running.err) == (0, "")
    found = (station.root / "show/outbox").rglob(f"*.{end}")
    assert sorted(path.stem for path in found) == ["cat", "coffee", "rocket"]
    assert not (station.root / "show/done/coffee.mask.png").exists()


def test_a_second_demo_overwrites_nothing(station: Station) -> None:
    """
    In the same folder all of the first one stays as it was, and the second one's files stand beside it.
    """
    root = station.root / "show"
    first_code, _ = station.bare("demo", "show")
    first = contents(root)

    second_code, running = station.bare("demo", "show")

    second = contents(root)
    assert (first_code, second_code) == (0, 0)
    assert {name: second[name] for name in first} == first
    assert len(second) == 2 * len(first)
    for name in (
        "outbox/cat_2.png",
        "done/coffee_2.jpg",
        "done/studio_2/rocket.jpg",
        "error/rocket_2.jpg",
    ):
        assert name in second
        assert name in running.out


def test_a_photo_of_ones_own_in_the_way_is_never_overwritten(station: Station) -> None:
    """
    Whoever runs the demo in a folder that is in use keeps every picture that lies there.
    """
    station.drop("cat.jpg", prompt=None)
    (mine,) = station.originals()

    station.bare("demo", ".")

    kept = [path for path in station.root.rglob("*") if path.is_file()]
    assert mine in map(digest, kept), "the person's cat.jpg is gone"


def test_the_environment_never_leads_the_demo_to_a_paid_endpoint(demo: Shown) -> None:
    """
    Where a service's variables are set, the demo still asks the embedded endpoint, in its own folders.
    """
    assert demo.code == 0
    assert demo.endpoint.requests == []
    assert len(list((demo.root / "outbox").rglob("*.[jp]*g"))) == 3
