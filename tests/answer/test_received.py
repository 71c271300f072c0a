"""
What came other than it was asked for is told in the record and in the log, and is no failure.
"""

import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from PIL import Image

from engine_world import World, open_world, put
from retouchd.answer.received import Received, warnings_of
from retouchd.job.model import Request, Scalar
from retouchd.sandbox.faults import Fault, FaultKind
from sample_pictures import encoded


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(tmp_path) as made:
        yield made


PNG = Received(extension="png", edges=lambda: (1024, 1024))
JPG = Received(extension="jpg", edges=lambda: (8, 9))
UNKNOWN = Received(extension="avif", edges=lambda: None)


@pytest.mark.parametrize(
    ("parameters", "received", "warnings"),
    [
        ({}, [PNG], []),
        ({"n": 1}, [PNG], []),
        ({"n": 1}, [PNG, PNG], []),
        ({"n": 4}, [PNG, PNG], ["4 pictures were asked for (n = 4), and 2 came."]),
        ({"n": True}, [PNG], []),
        ({"output_format": "png"}, [PNG], []),
        ({"output_format": "jpeg"}, [JPG], []),
        ({"output_format": "JPG"}, [JPG], []),
        ({"output_format": "webp"}, [PNG], ["WebP was asked for (output_format), and PNG came."]),
        (
            {"output_format": "png"},
            [PNG, JPG, UNKNOWN],
            ["PNG was asked for (output_format), and for 2 of 3 JPEG and AVIF came."],
        ),
        ({"size": "auto"}, [PNG], []),
        ({"size": "1024x1024"}, [PNG], []),
        ({"size": "1024x1024"}, [UNKNOWN], []),
        (
            {"size": "1536x1024"},
            [PNG, PNG],
            ["1536×1024 pixels were asked for (size), and 1024×1024 came."],
        ),
        (
            {"size": "1024x1024"},
            [PNG, JPG],
            ["1024×1024 pixels were asked for (size), and for 1 of 2 8×9 came."],
        ),
        ({"size": "large"}, [PNG], []),
        ({"quality": "high", "background": "opaque"}, [JPG], []),
    ],
)
def test_what_is_other_than_asked_for(
    parameters: dict[str, Scalar], received: list[Received], warnings: list[str]
) -> None:
    """
    Fewer pictures, another format, another size; what was not set cannot come wrong.
    """
    request = Request(model="m", prompt="p", parameters=parameters)

    assert list(warnings_of(request, received)) == warnings


async def test_a_relay_that_drops_parameters_is_told_of(world: World) -> None:
    """
    The picture is published all the same; record and log say in what it differs.
    """
    put(world, "_edit.toml", 'n = 2\noutput_format = "webp"\nsize = "1024x1024"\n')
    picture = base64.b64encode(encoded(Image.new("RGB", (640, 480), "teal"), "JPEG")).decode()
    answer = json.dumps({"created": 1, "data": [{"b64_json": picture}]})
    world.faults(
        Fault(kind=FaultKind.BODY, status=200, body=answer, content_type="application/json")
    )
    world.drop("cat.png", "make it blue")

    await world.once()

    warnings = [
        "2 pictures were asked for (n = 2), and 1 came.",
        "WebP was asked for (output_format), and JPEG came.",
        "1024×1024 pixels were asked for (size), and 640×480 came.",
    ]
    assert world.tree("outbox") == ["cat.jpg"]
    assert world.record("done/cat.job.json")["warnings"] == warnings
    assert [line["warnings"] for line in world.events("job.done")] == [warnings]
    assert [line["message"] for line in world.events("job.warning")] == warnings
    assert world.tree("error") == []


async def test_what_is_as_asked_for_brings_no_warning(world: World) -> None:
    """
    The record says so by an empty list.
    """
    put(world, "_edit.toml", 'n = 2\noutput_format = "jpeg"\nsize = "1024x1024"\n')
    world.drop("cat.png", "make it blue")

    await world.once()

    assert world.record("done/cat.job.json")["warnings"] == []
    assert [line["warnings"] for line in world.events("job.done")] == [[]]
    assert world.events("job.warning") == []
