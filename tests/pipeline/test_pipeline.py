"""
One job through the whole engine, over loopback: what is sent, what is published, what is left behind.
"""

import base64
import hashlib
import json
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from canary import CANARY
from engine_world import World, moment, open_world, photo
from retouchd.job.outcome import End
from retouchd.request.limits import Limits
from retouchd.sandbox.faults import Fault, FaultKind
from retouchd.service.daemon import Ending


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(tmp_path) as world:
        yield world


async def test_a_dropped_photo_comes_out_edited(world: World) -> None:
    """
    A photo and its prompt end as an edit in the outbox and as originals with a record in done.
    """
    original = photo()
    world.drop("cat.png", "make it blue", image=original)
    daemon = world.daemon()

    ending = await world.once(daemon)

    assert Ending.DRAINED is ending
    assert dict(daemon.status.ends) == {End.DONE: 1}
    assert world.tree("outbox") == ["cat.png"]
    assert world.tree("done") == ["cat.job.json", "cat.png", "cat.txt"]
    assert original == (world.folders.done / "cat.png").read_bytes()
    assert original != (world.folders.outbox / "cat.png").read_bytes()
    assert [] == world.tree("inbox") == world.tree("error")
    assert world.jobs() == []


async def test_the_request_says_what_was_dropped_and_nothing_else(world: World) -> None:
    """
    The picture goes out byte for byte under a name of ours, with model and prompt alone.
    """
    original = photo(kind="JPEG")
    world.drop("My cat; rm -rf.jpg", "make it blue", image=original)

    await world.once()

    (seen,) = world.requests
    assert sorted(seen.fields) == [("model", "gpt-image-2"), ("prompt", "make it blue")]
    (sent,) = seen.files
    assert (sent.field, sent.content_type) == ("image", "image/jpeg")
    assert hashlib.sha256(original).hexdigest() == sent.sha256
    assert "cat" not in sent.filename
    assert seen.headers["authorization"] == f"Bearer {CANARY}"
    assert seen.headers["accept"] == "application/json"
    assert "content-length" in seen.headers


@pytest.mark.parametrize(
    "written",
    [
        "改成黑白，加边框".encode(),
        "\ufeff改成黑白，加边框".encode(),
        "改成黑白，加边框".encode("utf-16"),
        "\r\n  改成黑白，加边框 \r\n".encode(),
    ],
    ids=["utf-8", "utf-8-mark", "utf-16", "white-space"],
)
async def test_a_chinese_prompt_arrives_as_it_was_meant(world: World, written: bytes) -> None:
    """
    Whichever of the known encodings an editor wrote, the endpoint and the record read the same words.
    """
    world.drop("猫.png", written)

    await world.once()

    assert world.prompts() == ["改成黑白，加边框"]
    assert world.tree("outbox") == ["猫.png"]
    assert world.record("done/猫.job.json")["request"]["prompt"] == "改成黑白，加边框"


@pytest.mark.parametrize(
    ("encoding", "prompt"),
    [
        ("gb18030", "改成黑白，加边框"),
        ("cp932", "背景を青にしてください"),
        ("cp949", "하늘을 분홍색으로"),
        ("cp1251", "Убрать тени"),
    ],
)
async def test_a_prompt_of_a_code_page_is_read_only_where_its_name_is_told(
    world: World, encoding: str, prompt: str
) -> None:
    """
    Without `intake.text_encoding` it goes to error with its readings and nothing is asked; once set it is.
    """
    world.drop("cat.png", prompt.encode(encoding))

    await world.once()

    assert world.requests == []
    assert f"'{prompt}' in {encoding}" in world.record("error/cat.job.json")["error"]["message"]

    world.tell(text_encoding=encoding)
    for path in world.folders.error.iterdir():
        path.rename(world.folders.inbox / path.name)
    await world.once()

    assert world.prompts() == [prompt]


async def test_a_mask_goes_along_and_is_archived(world: World) -> None:
    """
    A mask is sent with its image, edits only where it is transparent, and ends beside it in done.
    """
    mask = photo(mode="RGBA")
    original = world.drop("cat.png", "invert", mask=mask).read_bytes()

    await world.once()

    (seen,) = world.requests
    assert [sent.field for sent in seen.files] == ["image", "mask"]
    assert hashlib.sha256(mask).hexdigest() == seen.files[1].sha256
    assert world.tree("done") == ["cat.job.json", "cat.mask.png", "cat.png", "cat.txt"]
    record = world.record("done/cat.job.json")
    assert (record["request"]["images"], record["request"]["mask"]) == (["cat.png"], "cat.mask.png")
    assert original == (world.folders.done / "cat.png").read_bytes()
    changed = _changed(world.folders.done / "cat.png", world.folders.outbox / "cat.png")
    assert changed[2] <= 24


async def test_n_pictures_are_all_published_and_counted_from_one(world: World) -> None:
    """
    Four pictures asked for are four files with one stem.
    """
    world.tell(parameters={"n": 4})
    world.drop("cat.png")

    await world.once()

    assert ("n", "4") in world.requests[0].fields
    assert world.tree("outbox") == ["cat-1.png", "cat-2.png", "cat-3.png", "cat-4.png"]
    assert world.tree("outbox") == world.record("done/cat.job.json")["outputs"]
    assert len(world.requests) == 1


async def test_sub_folders_are_mirrored_and_stay(world: World) -> None:
    """
    What lay in a folder of the inbox lies in a folder of that name everywhere; the emptied one stays.
    """
    world.drop("shoes/autumn/red.png")
    world.drop("shoes/bad.png", "  \n")

    await world.once()

    assert world.tree("outbox") == ["shoes/autumn/red.png"]
    assert [Path(name).name for name in world.tree("done") if name.startswith("shoes/autumn/")] == [
        "red.job.json",
        "red.png",
        "red.txt",
    ]
    assert {"shoes/bad.error.txt", "shoes/bad.png"} < set(world.tree("error"))
    assert world.record("done/shoes/autumn/red.job.json")["folder"] == "shoes/autumn"
    assert (world.folders.inbox / "shoes" / "autumn").is_dir()


async def test_a_folders_prompt_serves_all_that_have_none(world: World) -> None:
    """
    The nearest `_prompt.txt` above an image is its prompt, its own prompt goes before, and none is moved.
    """
    (world.folders.inbox / "_prompt.txt").write_text("make it blue")
    (world.folders.inbox / "shoes").mkdir()
    (world.folders.inbox / "shoes" / "_PROMPT.TXT").write_text("make it red")
    world.drop("top.png", None)
    world.drop("own.png", "sepia")
    world.drop("shoes/near.png", None)
    world.drop("hats/far.png", None)

    await world.once()

    asked = {
        name: world.record(f"done/{name}.job.json")["request"]
        for name in ("top", "own", "shoes/near", "hats/far")
    }
    assert {name: (each["prompt"], each["from"]["prompt"]) for name, each in asked.items()} == {
        "top": ("make it blue", "_prompt.txt"),
        "own": ("sepia", "own.txt"),
        "shoes/near": ("make it red", "shoes/_PROMPT.TXT"),
        "hats/far": ("make it blue", "_prompt.txt"),
    }
    assert world.tree("inbox") == ["_prompt.txt", "shoes/_PROMPT.TXT"]


async def test_the_configurations_prompt_comes_last(world: World) -> None:
    """
    Where no file brings a prompt, the one of the configuration is used, and the record says so.
    """
    world.tell(prompt="sepia")
    world.drop("cat.png", None)

    await world.once()

    request = world.record("done/cat.job.json")["request"]
    assert (request["prompt"], request["from"]["prompt"]) == ("sepia", "config")


@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize(
    "shape",
    [
        None,
        FaultKind.DATA_PREFIX,
        FaultKind.URL,
        FaultKind.URL_RELATIVE,
        FaultKind.URL_IN_B64,
        FaultKind.CHAT,
        FaultKind.CHAT_DATA,
        FaultKind.CHAT_IMAGES,
    ],
    ids=lambda shape: shape or "b64_json",
)
async def test_every_shape_of_answer_is_understood(
    world: World, shape: FaultKind | None, n: int
) -> None:
    """
    Pictures come as base64, with a `data:` prefix, behind links, or inside the words of a chat.
    """
    world.tell(parameters={"n": n})
    world.drop("cat.png")
    if shape is not None:
        world.faults(Fault(kind=shape))

    await world.once()

    expected = ["cat.png"] if n == 1 else [f"cat-{number}.png" for number in range(1, n + 1)]
    assert expected == world.tree("outbox")
    assert all(_is_picture(world.folders.outbox / name) for name in expected)
    assert len(world.requests) == 1


@pytest.mark.parametrize(
    ("asked", "received", "expected"),
    [
        (1, 3, ["cat-1.png", "cat-2.png", "cat-3.png"]),
        (4, 2, ["cat-1.png", "cat-2.png"]),
        (2, 1, ["cat.png"]),
    ],
)
async def test_more_or_fewer_pictures_than_asked_for_are_all_kept(
    world: World, asked: int, received: int, expected: list[str]
) -> None:
    """
    Every picture received is published, however many were asked for, and nothing is asked again.
    """
    world.tell(parameters={"n": asked})
    world.drop("cat.png")
    pictures = [photo(seed=number) for number in range(received)]
    world.faults(_answering(*pictures))

    await world.once()

    assert expected == world.tree("outbox")
    assert pictures == [(world.folders.outbox / name).read_bytes() for name in expected]
    assert len(world.requests) == 1


async def test_one_good_picture_among_bad_ones_is_a_success(world: World) -> None:
    """
    What can be decoded is published; the rest does not make the answer worthless.
    """
    world.drop("cat.png")
    good = photo(seed=7)
    world.faults(_answering(b"no picture at all", good))

    await world.once()

    assert [good] == [(world.folders.outbox / n).read_bytes() for n in world.tree("outbox")]
    assert world.verdicts("done/cat.job.json") == ["done"]


@pytest.mark.parametrize(
    ("kind", "extension"), [("PNG", "png"), ("JPEG", "jpg"), ("WEBP", "webp"), ("GIF", "gif")]
)
async def test_an_outputs_extension_comes_from_its_bytes(
    world: World, kind: str, extension: str
) -> None:
    """
    Whatever was dropped and whatever was asked for, the published name says what the bytes are.
    """
    world.drop("cat.jpg", image=photo(kind="JPEG"))
    world.faults(_answering(photo(kind=kind)))

    await world.once()

    assert [f"cat.{extension}"] == world.tree("outbox")


async def test_a_taken_name_is_never_overwritten(world: World) -> None:
    """
    Names taken in the outbox or in done lead to a numbered stem; what was there stays as it was.
    """
    (world.folders.outbox / "cat.png").write_bytes(b"the person's own")
    (world.folders.done / "cat.txt").write_bytes(b"the person's own too")
    world.drop("cat.png")

    await world.once()

    assert (world.folders.outbox / "cat.png").read_bytes() == b"the person's own"
    assert (world.folders.done / "cat.txt").read_bytes() == b"the person's own too"
    assert world.tree("outbox") == ["cat.png", "cat_2.png"]
    assert world.tree("done") == ["cat.txt", "cat_2.job.json", "cat_2.png", "cat_2.txt"]
    assert world.record("done/cat_2.job.json")["outputs"] == ["cat_2.png"]


async def test_the_record_is_complete(world: World) -> None:
    """
    The record holds everything the contract names, and neither the key nor a picture.
    """
    world.tell(parameters={"size": "1024x1024", "quality": "low"})
    world.drop("shoes/red.png", "make it blue")

    await world.once()

    record = world.record("done/shoes/red.job.json")
    assert {
        "version": 1,
        "previous": None,
        "status": "done",
        "name": "red",
        "image": "red.png",
        "folder": "shoes",
        "error": None,
    }.items() <= record.items()
    assert record["request"] == {
        "model": "gpt-image-2",
        "prompt": "make it blue",
        "size": "1024x1024",
        "quality": "low",
        "images": ["red.png"],
        "mask": None,
        "removed": [],
        "from": {
            "prompt": "shoes/red.txt",
            "model": "config",
            "size": "config",
            "quality": "config",
        },
    }
    (attempt,) = record["attempts"]
    assert {"number": 1, "verdict": "done", "http_status": 200}.items() <= attempt.items()
    assert re.match(r"req_", attempt["request_id"])
    assert moment(record["claimed_at"]) <= moment(attempt["sent_at"])
    assert moment(attempt["sent_at"]) <= moment(record["finished_at"])
    assert all(record[key].endswith("Z") for key in ("claimed_at", "finished_at"))
    assert record["usage"]["total_tokens"] > 0
    assert "cost_usd" in record
    raw = (world.folders.done / "shoes" / "red.job.json").read_text()
    assert CANARY not in raw
    assert len(raw) < 3000


async def test_the_history_has_one_line_for_each_job(world: World) -> None:
    """
    Done or in error, each finished job is one line that says what came of it and where its record is.
    """
    world.drop("good.png")
    world.drop("shoes/bad.png", " ")

    await world.once()

    lines = {line["name"]: line for line in world.history()}
    assert {"good", "bad"} == lines.keys()
    good, bad = lines["good"], lines["bad"]
    assert {
        "status": "done",
        "image": "good.png",
        "folder": "",
        "outputs": ["good.png"],
        "attempts": 1,
        "in_doubt": 0,
        "code": None,
        "record": "good.job.json",
    }.items() <= good.items()
    assert {
        "status": "error",
        "folder": "shoes",
        "outputs": [],
        "attempts": 0,
        "code": "prompt_empty",
    }.items() <= bad.items()
    assert world.record("done/good.job.json")["id"] == good["id"]
    assert moment(good["claimed_at"]) <= moment(good["finished_at"])


async def test_the_log_tells_a_jobs_life(world: World) -> None:
    """
    Claimed, sent, done: one line each, with the job, the folder and the name.
    """
    world.drop("shoes/red.png")

    await world.once()

    of_job = [line for line in world.lines if "job" in line and line["log_level"] != "debug"]
    assert [line["event"] for line in of_job] == ["job.claimed", "request.sent", "job.done"]
    assert {("shoes", "red.png")} == {(line["folder"], line["name"]) for line in of_job}
    assert {1} == {line["attempts"] for line in world.events("job.done")}
    assert [line["outputs"] for line in world.events("job.done")] == [["shoes/red.png"]]


def _limited(limits: Limits) -> Callable[[str], Limits]:
    return lambda _: limits


BAD: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "prompt-empty": ({}, {"prompt": " \r\n\t "}, "prompt_empty"),
    "prompt-too-long": ({}, {"prompt": "blue " * 6401}, "prompt_too_long"),
    "prompt-no-text": ({}, {"prompt": b"\x00\xff\x00\xfe\x81"}, "sidecar_invalid"),
    "image-no-picture": ({}, {"image": b"this is no picture"}, "image_unreadable"),
    "image-cut": (
        {"incomplete_seconds": 0},
        {"image": photo(kind="JPEG")[:-300]},
        "image_unreadable",
    ),
    "image-gif": ({}, {"image": photo(kind="GIF")}, "image_unsupported"),
    "image-megapixels": ({"max_megapixels": 0.001}, {}, "image_too_large"),
    "image-bytes": ({"limits": _limited(Limits(max_image_bytes=64))}, {}, "image_too_large"),
    "image-not-square": ({"model": "dall-e-2"}, {}, "image_not_square"),
    "mask-without-alpha": ({}, {"mask": photo()}, "mask_invalid"),
    "mask-no-png": ({}, {"mask": photo(kind="JPEG")}, "mask_invalid"),
    "mask-no-picture": ({}, {"mask": b"this is no picture"}, "mask_invalid"),
    "mask-other-size": ({}, {"mask": photo(24, 32, mode="RGBA")}, "mask_size_mismatch"),
}


@pytest.mark.parametrize(("told", "dropped", "code"), BAD.values(), ids=BAD)
async def test_a_bad_bundle_costs_nothing_and_says_why(
    world: World, told: dict[str, Any], dropped: dict[str, Any], code: str
) -> None:
    """
    What can be found wrong here ends in error with two plain sentences, and the endpoint hears nothing.
    """
    world.tell(**told)
    before = world.drop("cat.png", **dropped).read_bytes()

    ending = await world.once()

    assert Ending.DRAINED is ending
    assert world.requests == []
    assert [] == world.tree("outbox") == world.tree("done") == world.tree("inbox")
    assert world.jobs() == []
    record = world.record("error/cat.job.json")
    assert ("error", code) == (record["status"], record["error"]["code"])
    assert code == record["error"]["problems"][0]["code"]
    assert [] == record["attempts"] == record["outputs"]
    assert before == (world.folders.error / "cat.png").read_bytes()
    assert (world.folders.error / "cat.txt").exists()
    message, hint, *_ = (world.folders.error / "cat.error.txt").read_text("utf-8").splitlines()
    assert (message, hint) == (record["error"]["message"], record["error"]["hint"])
    assert message.endswith(".")
    assert hint.endswith(".")
    assert "cat" in message or "prompt" in message.lower()
    assert [code] == [line["code"] for line in world.history()]
    assert [code] == [line["code"] for line in world.events("job.failed")]


async def test_a_picture_of_another_type_with_a_prompt_is_an_error(world: World) -> None:
    """
    A type nobody takes is left alone by itself, but with a prompt of its own it is `image_unsupported`.
    """
    world.drop("lone.gif", None, image=photo(kind="GIF"))
    world.drop("cat.gif", "make it blue", image=photo(kind="GIF"))

    await world.once()

    assert world.tree("inbox") == ["lone.gif"]
    assert world.record("error/cat.job.json")["error"]["code"] == "image_unsupported"
    assert {"cat.gif", "cat.txt"} < set(world.tree("error"))
    assert world.requests == []


async def test_all_problems_are_told_at_once(world: World) -> None:
    """
    A bundle with two faults names both, the first of them as its code.
    """
    world.tell(model="dall-e-2")
    world.drop("cat.png", "blue " * 201, mask=photo(24, 32, mode="RGBA"))

    await world.once()

    error = world.record("error/cat.job.json")["error"]
    codes = [problem["code"] for problem in error["problems"]]
    assert {"image_not_square", "mask_size_mismatch", "prompt_too_long"} == set(codes)
    assert error["code"] == codes[0]
    text = (world.folders.error / "cat.error.txt").read_text("utf-8")
    assert all(problem["message"] in text for problem in error["problems"])


async def test_a_bad_job_does_not_hold_up_a_good_one(world: World) -> None:
    """
    Ten bad bundles beside a good one cost the good one nothing.
    """
    for number in range(10):
        world.drop(f"bad{number}.png", " ")
    world.drop("good.png")

    await world.once()

    assert world.tree("outbox") == ["good.png"]
    assert sum(name.endswith(".error.txt") for name in world.tree("error")) == 10
    assert len(world.requests) == 1


async def test_dragging_back_from_error_tries_again(world: World) -> None:
    """
    The originals dragged back with what retouchd left beside them are a new job that knows the old one.
    """
    world.drop("shoes/red.png", " ")
    await world.once()
    first = world.record("error/shoes/red.job.json")["id"]
    (world.folders.error / "shoes" / "red.txt").write_text("make it blue")
    for name in world.tree("error"):
        (world.folders.error / name).rename(world.folders.inbox / name)

    await world.once()

    record = world.record("done/shoes/red.job.json")
    assert first == record["previous"]
    assert first != record["id"]
    assert world.tree("outbox") == ["shoes/red.png"]
    assert world.tree("done") == ["shoes/red.job.json", "shoes/red.png", "shoes/red.txt"]
    assert [] == world.tree("error") == world.tree("inbox")
    assert [None, first] == [line["previous"] for line in world.history()]


async def test_dragging_back_what_is_still_bad_ends_in_error_again(world: World) -> None:
    """
    A bundle that was not mended fails again under the same names, with one reason and one record.
    """
    world.drop("cat.png", " ")
    await world.once()
    first = world.record("error/cat.job.json")["id"]
    for name in world.tree("error"):
        (world.folders.error / name).rename(world.folders.inbox / name)

    await world.once()

    assert world.tree("error") == ["cat.error.txt", "cat.job.json", "cat.png", "cat.txt"]
    assert first == world.record("error/cat.job.json")["previous"]


async def test_a_persons_own_file_of_our_name_is_not_taken_for_ours(world: World) -> None:
    """
    Only records and reasons that retouchd wrote are cleared away; others of that name stay.
    """
    world.drop("cat.png")
    (world.folders.inbox / "cat.job.json").write_text('{"mine": true}')
    (world.folders.inbox / "cat.error.txt").write_text("notes of my own")

    await world.once()

    assert world.tree("outbox") == ["cat.png"]
    assert world.tree("inbox") == ["cat.error.txt", "cat.job.json"]
    assert world.record("done/cat.job.json")["previous"] is None


async def test_many_jobs_never_run_more_requests_than_allowed(world: World) -> None:
    """
    Twenty jobs at a concurrency of two are twenty requests, at most two at once, and twenty results.
    """
    world.tell(concurrency=2)
    for number in range(20):
        world.drop(f"{number:02}.png", image=photo(seed=number))
    world.faults(Fault(kind=FaultKind.LATENCY, seconds=5))

    await world.once()

    assert [f"{number:02}.png" for number in range(20)] == world.tree("outbox")
    assert 20 == len(world.requests) == len(set(world.requests_by_job()))
    ends = sorted(
        (time, step)
        for seen in world.requests
        for time, step in ((seen.arrived_at, 1), (seen.ended_at or 0.0, -1))
    )
    at_once = [sum(step for _, step in ends[: index + 1]) for index in range(len(ends))]
    assert max(at_once) == 2


def _answering(*pictures: bytes) -> Fault:
    data = [{"b64_json": base64.b64encode(picture).decode("ascii")} for picture in pictures]
    return Fault(kind=FaultKind.BODY, body=json.dumps({"created": 1, "data": data}), charged=True)


def _is_picture(path: Path) -> bool:
    with Image.open(path) as image:
        image.load()
    return True


def _changed(one: Path, other: Path) -> tuple[int, int, int, int]:
    """
    Return the box of all pixels that differ.
    """
    from PIL import ImageChops

    with Image.open(one) as first, Image.open(other) as second:
        box = ImageChops.difference(first.convert("RGB"), second.convert("RGB")).getbbox()
    assert box is not None
    return box
