"""
How much memory finishing takes, as the system counts it, and when its libraries are loaded.
"""

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from finishing_cases import Case
from imports import loaded_by
from simulated_model import Model, mask_of, photo, warm

_CHILD = """
import re, sys
from pathlib import Path
from retouchd.pictures.finishing.finish import finish
from retouchd.pictures.finishing.task import Finishing
from retouchd.pictures.finishing import memory
from retouchd.request.output import resolved

folder, kind = Path(sys.argv[1]), sys.argv[2]
asked = {"size": {"size": "source"}, "protect": {"protect": True}, "detail": {"detail": "source"}}[kind]
output = resolved({"format": "source", **asked}, has_mask=kind == "protect", has_references=False)
mask = folder / "cat.mask.png" if kind == "protect" else None
original = folder / "cat.jpg"
found = finish(Finishing(received=folder / "1-1.png", original=original, mask=mask, output=output))
assert found.data and (found.finished.width, found.finished.height) == (6000, 4000)
assert kind != "detail" or not found.cautions
# Of this process alone: what getrusage tells begins with the one that started it.
peak = int(re.search(r"VmHWM:\\s*(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024
size = original.stat().st_size
need = memory.need(
    output, pixels=24_000_000, received=960_000, file_bytes=size, is_turned=False, has_mask=mask is not None
)
print(peak // 2**20, need // 2**20)
"""


@pytest.fixture(scope="module")
def photo_of_24_megapixels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("large")
    case = Case(folder)
    small = photo("coffee", (1200, 800))
    case.original(small.resize((6000, 4000), Image.Resampling.BILINEAR), "cat.jpg", quality=90)
    mask_of((6000, 4000), 0.15).save(folder / "cat.mask.png", compress_level=1)
    case.received(Model(size=(1200, 800), edit=warm).answers(small))
    return folder


@pytest.mark.parametrize(("kind", "most"), [("size", 300), ("protect", 300), ("detail", 400)])
def test_a_photo_of_24_megapixels_takes_no_more_than_it_may(
    photo_of_24_megapixels: Path, kind: str, most: int
) -> None:
    """
    In megabytes, the interpreter and its libraries included; and no more than is asked for before it begins.
    """
    command = [sys.executable, "-c", _CHILD, str(photo_of_24_megapixels), kind]
    run = subprocess.run(command, capture_output=True, check=True, timeout=200, text=True)

    peak, need = map(int, run.stdout.split())
    assert peak < most
    assert peak <= need <= 1.5 * peak


def test_what_compares_pictures_is_loaded_when_it_is_first_needed() -> None:
    """
    A daemon that finishes nothing has no numbers in memory.
    """
    modules = (
        "retouchd.cli.running, retouchd.cli.once, retouchd.service.assembly, retouchd.cli.main"
    )
    assert loaded_by(modules, ("numpy", "defusedxml")) == []
