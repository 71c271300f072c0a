"""
Finishings for tests: an original, a mask and a result in a folder, and what is asked for.
"""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from retouchd.pictures.finishing.finish import Finished, finish
from retouchd.pictures.finishing.geometry import Canvas
from retouchd.pictures.finishing.task import Finishing
from retouchd.request.output import resolved
from retouchd.request.output_fields import OutputFields
from simulated_model import Model, mask_of, photo

SIZE = (720, 480)
RESULT = (468, 312)


@dataclass(frozen=True, slots=True)
class Case:
    """
    A folder in which a job's files are made.
    """

    folder: Path

    def original(self, image: Image.Image, name: str = "cat.png", **options: Any) -> Path:
        path = self.folder / name
        image.save(path, **{"compress_level": 1, **options})
        return path

    def mask(self, image: Image.Image) -> Path:
        path = self.folder / "cat.mask.png"
        image.save(path)
        return path

    def received(self, image: Image.Image, name: str = "1-1.png", **options: Any) -> Path:
        path = self.folder / name
        image.save(path, **{"compress_level": 1, **options})
        return path

    def finished(
        self,
        original: Path,
        received: Path,
        mask: Path | None = None,
        canvas: Canvas | None = None,
        **output: Any,
    ) -> Finished:
        values = OutputFields.model_validate(output).values()
        return finish(
            Finishing(
                received=received,
                original=original,
                mask=mask,
                output=resolved(values, has_mask=mask is not None, has_references=False),
                canvas=canvas,
                system="api.example.com",
                model="gpt-image-2",
                prompt="Mach es blau, 请",
            )
        )


def edited(image: Image.Image) -> Image.Image:
    """
    What a model was asked for: something red in the middle.
    """
    copy = image.copy()
    width, height = image.size
    ImageDraw.Draw(copy).ellipse(
        (width * 0.42, height * 0.42, width * 0.58, height * 0.58), fill=(200, 30, 40)
    )
    return copy


def scene(
    seed: int = 1, size: tuple[int, int] = SIZE, **model: Any
) -> tuple[Image.Image, Image.Image, Image.Image]:
    """
    An original, a mask over its middle, and a result.
    """
    original = photo("coffee", size, seed)
    options: dict[str, Any] = {"size": RESULT, "shift": (1.5, -1.0), "edit": edited, "seed": seed}
    return original, mask_of(size, 0.15), Model(**{**options, **model}).answers(original)


def pixels(data: bytes | Path) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(data) if isinstance(data, bytes) else data) as image:
        return np.asarray(image.convert("RGBA" if image.has_transparency_data else "RGB"))


def equal_outside(data: bytes, original: Path, mask: Image.Image) -> float:
    """
    The share of pixels that a mask does not open which are exactly the original's.
    """
    closed = np.asarray(mask.getchannel("A")) > 0
    return float((pixels(data) == pixels(original)).all(axis=-1)[closed].mean())
