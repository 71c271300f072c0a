"""
Finishing a large JPEG: processor time and memory of the process that does it, its start included.
"""

import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from PIL import Image

from benchmarks.figures import Figure
from benchmarks.scale import Scale
from benchmarks.scene import Scene, script
from simulated_model import Model, mask_of, photo, warm

_LYING = 6
_GOALS = {("size", 24): (2, 300), ("protect", 24): (2, 300), ("detail", 24): (3, 400)}
_GOALS_OF_MEMORY = {("size", 100): 700, ("protect", 100): 700}


def finishings(scene: Scene, scale: Scale) -> Iterator[Figure]:
    """
    Yield time and memory for each size and what is asked for, of a picture that is stored lying as well.
    """
    for megapixels in scale.finished_megapixels:
        with tempfile.TemporaryDirectory(prefix="retouchd-bench-") as place:
            folder = Path(place)
            _pictures(folder, megapixels)
            run = partial(scene.told, *script("finishing_once"), place)
            for kind in ("size", "protect", "detail"):
                for name in ("upright", "lying") if kind == "protect" else ("upright",):
                    yield from _measured(run, kind, name, megapixels, scale.rounds)


def _measured(
    run: Callable[..., str], kind: str, name: str, megapixels: int, rounds: int
) -> Iterator[Figure]:
    runs = [run(kind, f"{name}.jpg").split() for _ in range(rounds)]
    seconds, memory = _GOALS.get((kind, megapixels), (None, None))
    what = f"{kind}, {megapixels} megapixels, {name}"
    yield Figure(
        row="finishing",
        what=f"{what}: CPU",
        values=tuple(float(each[0]) for each in runs),
        unit="s",
        at_most=seconds,
    )
    yield Figure(
        row="finishing",
        what=f"{what}: peak RSS",
        values=tuple(float(each[1]) for each in runs),
        unit="MB",
        at_most=memory or _GOALS_OF_MEMORY.get((kind, megapixels)),
    )


def _pictures(folder: Path, megapixels: int) -> None:
    """
    Write an original, upright and lying, a mask and a result.
    """
    height = round((megapixels * 1e6 / 1.5) ** 0.5 / 16) * 16
    size = height * 3 // 2, height
    small = photo("coffee", (1200, 800))
    large = small.resize(size, Image.Resampling.BILINEAR)
    large.save(folder / "upright.jpg", quality=92)
    exif = Image.Exif()
    exif[0x0112] = _LYING
    lying = large.transpose(Image.Transpose.ROTATE_90)
    lying.save(folder / "lying.jpg", quality=92, exif=exif)
    mask_of(size, 0.15).save(folder / "mask.png", compress_level=1)
    Model(size=(1584, 1056), edit=warm).answers(small).save(folder / "received.png")
