"""
References at their worst moments: not read yet, shared, unreadable, empty, used by one and made of by another.
"""

import asyncio
import contextlib
import errno
import io
import os
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from PIL import Image

from engine_world import Refusing, World, open_world, photo, put
from retouchd.disk import nofollow
from retouchd.inbox.watcher import InboxEvent
from retouchd.request.limits import limits_for
from retouchd.sandbox.faults import Fault, FaultKind
from retouchd.spool import spool


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(tmp_path) as made:
        yield made


async def test_a_sidecar_counts_before_its_own_image_has_arrived(world: World) -> None:
    """
    What it names is no job, even while its own image is only a placeholder.
    """
    world.tell(settle_seconds=2)
    put(world, "_prompt.txt", "make it grey")
    put(world, "cat.toml", 'prompt = "sepia"\nimages = ["backdrop.png"]\n')
    put(world, "cat.png", b"")  # a placeholder: the copy is under way
    put(world, "backdrop.png", photo(seed=9))
    async with world.running():
        await asyncio.sleep(30)
        assert world.prompts() == []
        assert "backdrop.png" in world.tree("inbox")


async def test_a_sidecar_counts_while_its_own_image_grows(world: World) -> None:
    """
    What it names is no job, however long the copy of its own image takes.
    """
    world.tell(settle_seconds=2)
    put(world, "_prompt.txt", "make it grey")
    put(world, "cat.toml", 'prompt = "sepia"\nimages = ["backdrop.png"]\n')
    image = put(world, "cat.png", photo()[:200])
    async with world.running() as daemon:
        await asyncio.sleep(1)
        put(world, "backdrop.png", photo(seed=9))
        daemon.look_again()
        await asyncio.sleep(0.5)
        for size in range(210, 260, 10):  # grows every 1.5 s: cat.toml is settled since 2.0
            image.write_bytes(photo()[:size])
            daemon.look_again()
            await asyncio.sleep(1.5)
        assert world.prompts() == []


async def test_an_edit_file_counts_where_its_folder_has_no_images_yet(world: World) -> None:
    """
    What it names elsewhere is no job.
    """
    put(world, "_prompt.txt", "make it grey")
    put(world, "shoes/_edit.toml", 'images = ["common/backdrop.png"]\n')
    put(world, "shoes/common/backdrop.png", photo(seed=9))
    await world.once()
    assert world.prompts() == []


@pytest.mark.parametrize("namer", ["shoes/cat.toml", "shoes/_edit.toml", "hats/cat.yaml"])
async def test_nobody_stops_the_pictures_of_another_folder(world: World, namer: str) -> None:
    """
    Naming them is a fault of the file that does so: they go their way, and it says where references may lie.
    """
    text = 'images = ["../other/a.png", "../other/b.png"]\n'
    put(world, namer, text if namer.endswith("toml") else 'images: ["../other/a.png"]\n')
    put(world, "_prompt.txt", "make it grey")
    for number, name in enumerate("ab"):
        put(world, f"other/{name}.png", photo(seed=number))
    world.drop(f"{namer.partition('/')[0]}/cat.png", None, image=photo(seed=9))
    daemon = world.daemon()

    await world.once(daemon)

    assert world.tree("outbox") == ["other/a.png", "other/b.png"]
    if namer.endswith("_edit.toml"):
        told = (await world.reasons(daemon))["shoes/cat.png"]
        assert world.tree("error") == []
    else:
        folder = namer.partition("/")[0]
        error = world.record(f"error/{folder}/cat.job.json")["error"]
        told = error["message"]
        assert error["code"] == "reference_invalid"
    assert "../other/a.png lies in another folder" in told
    assert "_refs/" in told


async def test_references_may_lie_in_a_folder_aside_on_the_way_up(world: World) -> None:
    """
    Of its own folder, of one above, of the inbox itself.
    """
    for number, folder in enumerate(["shoes/red/_refs", "shoes/_refs", "_refs"]):
        put(world, f"{folder}/a.png", photo(seed=number))
    images = '["_refs/a.png", "../_refs/a.png", "../../_refs/a.png"]'
    put(world, "shoes/red/cat.toml", f'prompt = "sepia"\nimages = {images}\n')
    world.drop("shoes/red/cat.png", None, image=photo(seed=9))

    await world.once()

    assert world.tree("outbox") == ["shoes/red/cat.png"]
    assert len(world.requests[0].files) == 4


async def test_what_a_sidecar_names_is_a_job_once_it_names_it_no_longer(world: World) -> None:
    """
    A sidecar that is mended lets go of what it named by mistake.
    """
    world.tell(settle_seconds=2, orphan_seconds=0)
    put(world, "_prompt.txt", "make it grey")
    sidecar = put(world, "cat.toml", 'images = ["dog.png", "bird.png"]\n')
    put(world, "dog.png", photo(seed=1))
    put(world, "bird.png", photo(seed=2))
    async with world.running() as daemon:
        await asyncio.sleep(30)
        assert "a reference picture: named in cat.toml" in (await world.reasons(daemon))["dog.png"]
        sidecar.write_text('images = ["bird.png"]\n')
        await world.until(lambda: world.tree("outbox") == ["dog.png"], within=120)
        await asyncio.sleep(30)
        assert "a reference picture: named in cat.toml" in (await world.reasons(daemon))["bird.png"]


@pytest.mark.parametrize("fault", ["n = 99", "sise = 3"], ids=["value", "key"])
async def test_a_faulty_sidecar_frees_no_reference(world: World, fault: str) -> None:
    """
    When it goes to `error/`, what it names stays where it is: the retry will need it.
    """
    put(world, "_prompt.txt", "make it grey")
    put(world, "cat.toml", f'images = ["backdrop.png"]\n{fault}\n')
    put(world, "backdrop.png", photo(seed=9))
    world.drop("cat.png", None)
    await world.once()
    assert "cat.error.txt" in world.tree("error")
    assert world.prompts() == []
    assert "backdrop.png" in world.tree("inbox")


async def test_a_reference_that_is_a_job_too_is_copied_before_it_goes(world: World) -> None:
    """
    The one that uses it and the one made of it are both done.
    """
    first = Image.effect_noise((3000, 3000), 90).convert("RGB")
    buffer = io.BytesIO()
    first.save(buffer, "PNG", compress_level=1)
    put(world, "_refs/first.png", buffer.getvalue())
    put(world, "b.txt", "make it grey")
    put(world, "b.png", photo(seed=9))
    put(world, "a.toml", 'prompt = "sepia"\nimages = ["_refs/first.png", "b.png"]\n')
    world.drop("a.png", None)
    await world.once()
    assert world.tree("error") == []
    assert sorted(world.prompts()) == ["make it grey", "sepia"]


@pytest.mark.parametrize("name", ["cat.toml", "_edit.toml"])
async def test_a_sidecar_that_cannot_be_read_holds_its_images(
    world: World, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """
    Nothing is sent without what it says.
    """
    put(world, "_prompt.txt", "make it grey")
    put(world, name, "n = 2\n")
    world.drop("cat.png", None)
    monkeypatch.setattr(nofollow, "os", Refusing(name))
    await world.once()
    assert world.prompts() == []


async def test_a_full_work_folder_gives_nothing_back_in_circles(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    The job waits until the copy of its reference can be kept.
    """

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(spool.Spool, "add_reference", full)
    world.tell(settle_seconds=2)
    put(world, "cat.toml", 'prompt = "sepia"\nimages = ["_refs/b.png"]\n')
    put(world, "_refs/b.png", photo(seed=9))
    world.drop("cat.png", None)
    async with world.running():
        await asyncio.sleep(600)
    assert len(world.events("job.returned")) <= 3


async def test_a_reference_that_may_not_be_read_holds_its_image(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    It is neither claimed nor given back, again and again.
    """
    monkeypatch.setattr(nofollow, "os", Refusing("b.png"))
    world.tell(settle_seconds=2)
    put(world, "cat.toml", 'prompt = "sepia"\nimages = ["_refs/b.png"]\n')
    put(world, "_refs/b.png", photo(seed=9))
    world.drop("cat.png", None)
    async with world.running():
        await asyncio.sleep(600)
    assert len(world.events("job.returned")) <= 3


async def test_an_event_at_a_reference_loses_no_bundle(world: World) -> None:
    """
    A bundle that stood in the queue is taken once the reference is quiet again.
    """
    world.tell(settle_seconds=2, concurrency=1)
    world.faults(Fault(kind=FaultKind.LATENCY, seconds=60, times=2))
    for number in range(2):
        world.drop(f"a{number}.png", image=photo(seed=number))
    put(world, "z.toml", 'prompt = "sepia"\nimages = ["_refs/b.png"]\n')
    put(world, "_refs/b.png", photo(seed=9))
    world.drop("z.png", None)
    async with world.running() as daemon:
        await world.until(lambda: daemon.status.ready == 1 and world.requests)
        assert daemon._assembly is not None
        # an attribute event, or the end of a read-write opening that wrote nothing; room comes at once
        daemon._assembly.intake.event_queue.put(InboxEvent(path="_refs/b.png"))
        daemon._assembly.runner._room = lambda: 9
        daemon._assembly.intake.wake()
        await asyncio.sleep(7200)
        assert "z.png" in world.tree("outbox")


async def test_a_reason_goes_with_its_cause(world: World) -> None:
    """
    When the faulty file is gone, the next thing missing is named.
    """
    put(world, "_edit.toml", 'prompt = "sepia"\nsise = 3\n')
    world.drop("cat.png", None)
    world.tell(orphan_seconds=0)
    async with world.running() as daemon:
        await asyncio.sleep(120)
        assert "sise" in (await world.reasons(daemon))["cat.png"]
        (world.folders.inbox / "_edit.toml").unlink()
        await asyncio.sleep(300)
        told = (await world.reasons(daemon))["cat.png"]
        assert "prompt" in told
        assert "sise" not in told


async def test_a_fault_that_comes_again_is_told_again(world: World) -> None:
    """
    Each time it holds somebody it has a line in the log.
    """
    put(world, "_edit.toml", 'prompt = "sepia"\nsise = 3\n')
    image = world.drop("cat.png", None)
    async with world.running():
        await asyncio.sleep(120)
        image.unlink()
        (world.folders.inbox / "_edit.toml").unlink()
        await asyncio.sleep(300)
        put(world, "_edit.toml", 'prompt = "sepia"\nsise = 3\n')
        world.drop("dog.png", None)
        await asyncio.sleep(300)
    assert len(world.events("file.held")) == 2


async def test_every_file_of_a_held_bundle_says_why(world: World) -> None:
    """
    Not only the image.
    """
    put(world, "_edit.toml", "sise = 3\n")
    world.drop("cat.png")
    async with world.running() as daemon:
        await asyncio.sleep(120)
        told = await world.reasons(daemon)
        assert told["cat.txt"] != "ready", told


async def test_a_reference_with_two_texts_beside_it_stays(world: World) -> None:
    """
    No bundle of a reference is judged.
    """
    put(world, "_edit.toml", 'prompt = "sepia"\nimages = ["backdrop.png"]\n')
    put(world, "backdrop.png", photo(seed=9))
    put(world, "backdrop.txt", "where I bought it")
    put(world, "backdrop.png.txt", "notes")
    world.drop("cat.png", None)
    await world.once()
    assert "backdrop.png" in world.tree("inbox"), world.tree("error")


async def test_an_empty_reference_stays(world: World) -> None:
    """
    Patience with it has no end: it is for others.
    """
    put(world, "_edit.toml", 'prompt = "sepia"\nimages = ["backdrop.png"]\n')
    put(world, "backdrop.png", b"")
    world.drop("cat.png", None)
    async with world.running():
        await asyncio.sleep(7200)
    assert "backdrop.png" in world.tree("inbox"), world.tree("error")


async def test_a_folders_reference_that_cannot_be_made_small_enough_only_holds(
    world: World,
) -> None:
    """
    Only trying shows it, and that happens before any image is claimed.
    """
    world.tell(limits=partial(limits_for, overrides={"*": {"max_image_bytes": 200}}))
    buffer = io.BytesIO()
    Image.new("RGB", (2, 2)).save(buffer, "PNG")
    noisy = io.BytesIO()
    Image.effect_noise((2000, 1), 90).convert("RGB").save(noisy, "PNG")
    put(world, "_edit.toml", 'prompt = "sepia"\nimages = ["_refs/b.png"]\n')
    put(world, "_refs/b.png", noisy.getvalue())
    world.drop("cat.png", None, image=buffer.getvalue())
    await world.once()
    assert world.tree("error") == []


class Vanishing(Refusing):
    """
    The system on which one file is taken away just before it is opened.
    """

    def open(self, path: Any, *rest: Any, **more: Any) -> int:
        if os.fspath(path).endswith(self._name):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path, dir_fd=more.get("dir_fd"))
        return os.open(path, *rest, **more)


async def test_a_sidecar_that_vanishes_before_it_is_read_is_forgotten(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Its image goes on without it once that has settled, and nothing runs in circles until the next scan.
    """
    world.tell(rescan_seconds=3600)
    put(world, "_prompt.txt", "make it grey")
    put(world, "cat.toml", "n = 2\n")
    world.drop("cat.png", None)
    monkeypatch.setattr(nofollow, "os", Vanishing("cat.toml"))

    async with world.running():
        await world.until(lambda: world.tree("outbox") == ["cat.png"], within=600)

    assert world.prompts() == ["make it grey"]
