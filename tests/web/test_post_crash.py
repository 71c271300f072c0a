"""
A post that dies at each change of the disk, by a kill and by a power cut: asked again, it is one drop.
"""

import io
from functools import partial
from pathlib import Path

import pytest
from starlette.datastructures import Headers, UploadFile

from filming import FilmingDisk, filmed
from retouchd.config.settings import EditDefaults, Settings
from retouchd.disk.folders import Folders
from retouchd.endpoint.client import Endpoint
from retouchd.inbox.readiness import Patience
from retouchd.pictures.end_markers import is_whole
from retouchd.request.limits import Limits
from retouchd.spool.history_cache import HistoryCache
from retouchd.throttle.retry import RetryBudget
from retouchd.web.lookup import Found, Lookup, Place
from retouchd.web.posting import Post, PostRefused
from retouchd.web.taking import drop_post, drop_references
from web_station import picture

STEM = "post-0123456789abcdef"
IMAGE, REFERENCE, MASK = picture("teal"), picture("red"), picture("white")


def settings_for(root: Path) -> Settings:
    names = ("inbox", "outbox", "review", "done", "error", "work")
    folders = Folders(**{name: root / name for name in names})
    for place in folders.by_name().values():
        place.mkdir(parents=True)
    endpoint = Endpoint(
        base_url="http://127.0.0.1:1/v1", api_key=None, timeout_seconds=1, connect_timeout_seconds=1
    )
    return Settings(
        folders=folders,
        endpoint=endpoint,
        budget=RetryBudget(),
        edit=EditDefaults(model="gpt-image-2"),
        limits=lambda _: Limits(),
        patience=Patience(),
    )


def upload(data: bytes) -> UploadFile:
    return UploadFile(io.BytesIO(data), size=len(data), filename="a.png", headers=Headers({}))


def dropped(settings: Settings) -> list[str]:
    """
    Drop the post as one that comes with its key for the first time, or again.
    """
    post = Post(
        image=upload(IMAGE),
        extension="png",
        mask=upload(MASK),
        references=[(upload(REFERENCE), "png")],
        fields={"prompt": "make it blue", "folder": "booth"},
        digest="d" * 64,
    )
    drop_references(post, STEM, settings)
    return drop_post(post, STEM, {"n": 2}, settings)


def lookup_in(settings: Settings) -> Lookup:
    return Lookup(settings.folders, HistoryCache(settings.folders.work))


def names_in(settings: Settings) -> list[str]:
    folder = settings.folders.inbox / "booth"
    found = [p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()]
    return sorted(name for name in found if not name.startswith(".retouchd-drop-"))


@pytest.mark.parametrize("power_cut", [False, True], ids=["kill", "power cut"])
def test_a_drop_may_die_at_any_moment(tmp_path: Path, *, power_cut: bool) -> None:
    """
    The picture is there whole or not at all, and never before what belongs to it; a second try completes it.
    """
    root = tmp_path / "w"
    settings = settings_for(root)
    disk = FilmingDisk([root], power_cut=power_cut, shelf=root / "lost")
    film = filmed(partial(dropped, settings), disk)
    check_completed(settings)

    for frame in film:
        frame.develop([root])
        names = names_in(settings)
        image = settings.folders.inbox / "booth" / f"{STEM}.png"
        if image.exists():
            assert is_whole(image.read_bytes())
            assert len(names) == 5, f"step {frame.step}: the picture came before {names}"
        check_completed(settings)
    assert len(film) > 24, "the sweep covered a whole drop"


def check_completed(settings: Settings) -> None:
    """
    Try again unless the picture is there; then all of it is, and nothing else.
    """
    if lookup_in(settings).find(STEM, "booth") is None:
        dropped(settings)
    assert names_in(settings) == sorted(
        [f"_{STEM}/1.png", *(f"{STEM}.{end}" for end in ("mask.png", "png", "toml", "txt"))]
    )
    assert (settings.folders.inbox / "booth" / f"{STEM}.png").read_bytes() == IMAGE
    found = lookup_in(settings).find(STEM)
    assert found == Found(place=Place.INBOX, folder="booth", name=f"{STEM}.png")
    assert lookup_in(settings).digest(found) == "d" * 64
    lookup_in(settings).clear_drops()
    assert list(settings.folders.inbox.rglob(".retouchd-drop-*")) == []


def test_a_withdrawal_may_die_at_any_moment(tmp_path: Path) -> None:
    """
    What is left is the whole duplicate, or no picture; a second try leaves nothing.
    """
    root = tmp_path / "w"
    settings = settings_for(root)
    dropped(settings)
    lookup = lookup_in(settings)
    found = lookup.find(STEM)
    assert found is not None
    film = filmed(partial(lookup.withdraw, found), FilmingDisk([root]))
    assert names_in(settings) == []

    for frame in film:
        frame.develop([root])
        is_there = (settings.folders.inbox / "booth" / f"{STEM}.png").exists()
        assert not is_there or len(names_in(settings)) == 5
        lookup_in(settings).withdraw(found)

        assert names_in(settings) == []
    assert len(film) > 7, "the sweep covered a whole withdrawal"


def test_a_file_of_somebody_else_s_is_not_written_over(tmp_path: Path) -> None:
    """
    It keeps its name and bytes, and the post is refused with nothing left behind but what was its own.
    """
    settings = settings_for(tmp_path / "w")
    folder = settings.folders.inbox / "booth"
    folder.mkdir()
    (folder / f"{STEM}.txt").write_text("my own words")

    with pytest.raises(PostRefused) as refused:
        dropped(settings)

    assert refused.value.status == 409
    assert (folder / f"{STEM}.txt").read_text() == "my own words"
    assert not (folder / f"{STEM}.png").exists()
    assert [path for path in folder.iterdir() if path.name.startswith(".")] == []


def test_a_link_leads_nowhere(tmp_path: Path) -> None:
    """
    Neither a sub-folder that is one, nor a result that was swapped for one.
    """
    settings = settings_for(tmp_path / "w")
    (tmp_path / "elsewhere").mkdir()
    (settings.folders.inbox / "booth").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PostRefused):
        dropped(settings)
    assert list((tmp_path / "elsewhere").iterdir()) == []

    (tmp_path / "secret").write_text("key")
    (settings.folders.outbox / "a.png").symlink_to(tmp_path / "secret")
    lookup = lookup_in(settings)
    for path in ("a.png", "../../secret", "/etc/passwd", "..", "", "a\0.png", "x/../a.png"):
        with pytest.raises(OSError), lookup.opened(path):  # noqa: PT011 - whichever it is
            pass
