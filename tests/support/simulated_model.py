"""
Results as image models give them back, made from a photograph: shifted, scaled, warped, in other colours, half
of the detail made anew, with other content, as a JPEG. What was done is known, so that it can be asked for.
"""

import io
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageEnhance, ImageFilter

PHOTOS = Path(__file__).parents[2] / "daemon/retouchd/cli/photos"
NAMES = ("cat", "coffee", "rocket")


def photo(name: str | Path, size: tuple[int, int] = (1536, 1024), seed: int = 1) -> Image.Image:
    """
    A demo photo, the chart, or a file, in a size, with grain and some fine structure that enlarging does not
    give.
    """
    if name == "chart":
        return chart(size, seed)
    path = PHOTOS / f"{name}.jpg" if isinstance(name, str) else name
    with Image.open(path) as image:
        width, height = image.size
        shape = size[0] / size[1]
        across, down = min(width, height * shape), min(height, width / shape)
        box = ((width - across) / 2, (height - down) / 2, (width + across) / 2, (height + down) / 2)
        large = image.convert("RGB").resize(size, Image.Resampling.LANCZOS, box=box)
    return _grained(large, seed + sum(path.stem.encode()), 3.0)


def chart(size: tuple[int, int], seed: int = 1) -> Image.Image:
    """
    A picture of noise of all sizes, with shapes upon it: edges of every direction, smooth and rough places.
    """
    random = np.random.default_rng(seed)
    width, height = size
    total = np.zeros((height, width, 3), np.float32)
    for cells, strength in ((4, 60), (12, 35), (40, 22), (130, 14), (400, 8)):
        rows = max(2, cells * height // width)
        coarse = random.normal(0, strength, (rows, cells, 3))
        bands = [
            Image.fromarray(coarse[..., band].astype(np.float32)).resize(
                size, Image.Resampling.BICUBIC
            )
            for band in range(3)
        ]
        total += np.stack([np.asarray(each) for each in bands], axis=-1)
    image = Image.fromarray(np.clip(total + 128, 0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    for _ in range(40):
        x, y = random.integers(0, width), random.integers(0, height)
        w, h = random.integers(width // 40, width // 8, 2)
        colour = tuple(int(each) for each in random.integers(20, 235, 3))
        shape = draw.ellipse if random.random() < 0.5 else draw.rectangle
        shape((int(x), int(y), int(x + w), int(y + h)), fill=colour)
    return _grained(image, seed + 1, 4.0)


def _grained(image: Image.Image, seed: int, strength: float) -> Image.Image:
    random = np.random.default_rng(seed)
    grain = random.normal(0, strength, (image.height, image.width, 1)).astype(np.float32)
    levels = np.asarray(image, np.float32) + grain
    return Image.fromarray(np.clip(levels, 0, 255).astype(np.uint8))


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """
    What a model does to a picture. `shift` is in pixels of its result and `scale` a factor, both as
    `place in the result = place in the original × scale + shift`, from the middle.
    """

    seed: int = 1
    size: tuple[int, int] = (1248, 832)
    shift: tuple[float, float] = (0.0, 0.0)
    scale: tuple[float, float] = (1.0, 1.0)
    local: float = 0.0
    """Standard deviation of the warp, in pixels of the result."""
    redrawn: float = 1.0
    """Blur of the half of the detail that is made anew; 0 for none."""
    edit: Callable[[Image.Image], Image.Image] | None = None
    gain: tuple[float, float, float] = (1.0, 1.0, 1.0)
    jpeg: int | None = 92

    def answers(self, original: Image.Image) -> Image.Image:
        """
        Return the result for an original.
        """
        found = self._placed(original)
        if self.local:
            found = _warped(found, self.local, self.seed)
        if self.edit:
            found = self.edit(found)
        if self.redrawn:
            found = _redrawn(found, self.redrawn, self.seed)
        if self.gain != (1.0, 1.0, 1.0):
            table = [min(255, round(level * gain)) for gain in self.gain for level in range(256)]
            found = found.point(table)
        return found if self.jpeg is None else _compressed(found, self.jpeg)

    def _placed(self, original: Image.Image) -> Image.Image:
        width, height = self.size
        margin = 0.08
        across, down = round(original.width * margin), round(original.height * margin)
        levels = np.pad(
            np.asarray(original), ((down, down), (across, across), (0, 0)), mode="reflect"
        )
        wide = Image.fromarray(levels)
        box = []
        for length, own, shift, scale, added in zip(
            original.size, (width, height), self.shift, self.scale, (across, down), strict=True
        ):
            visible = length / scale
            middle = length / 2 - shift * length / own / scale
            box.append((middle - visible / 2 + added, middle + visible / 2 + added))
        (left, right), (top, bottom) = box
        return wide.resize(self.size, Image.Resampling.LANCZOS, box=(left, top, right, bottom))

    def place_of(self, x: float, y: float) -> tuple[float, float]:
        """
        Return where a place of the original, from 0 to 1 of each edge, is in the result, likewise.
        """
        found = [
            (place - 0.5) * scale + 0.5 + shift / own
            for place, scale, shift, own in zip(
                (x, y), self.scale, self.shift, self.size, strict=True
            )
        ]
        return found[0], found[1]


def _warped(image: Image.Image, strength: float, seed: int) -> Image.Image:
    random = np.random.default_rng(seed + 7)
    width, height = image.size
    step = 24
    columns, rows = -(-width // step) + 1, -(-height // step) + 1
    fields = []
    for _ in range(2):
        coarse = random.normal(0, 1, (max(2, rows // 5), max(2, columns // 5))).astype(np.float32)
        smooth = np.asarray(
            Image.fromarray(coarse).resize((columns, rows), Image.Resampling.BICUBIC)
        )
        fields.append(smooth / smooth.std() * strength)
    mesh: list[Any] = []
    for row in range(rows - 1):
        for column in range(columns - 1):
            corners = [(row, column), (row + 1, column), (row + 1, column + 1), (row, column + 1)]
            quad = []
            for at_row, at_column in corners:
                x, y = min(at_column * step, width), min(at_row * step, height)
                quad += [x + fields[0][at_row, at_column], y + fields[1][at_row, at_column]]
            box = (
                column * step,
                row * step,
                min((column + 1) * step, width),
                min((row + 1) * step, height),
            )
            mesh.append((box, tuple(map(float, quad))))
    return image.transform(image.size, Image.Transform.MESH, mesh, Image.Resampling.BICUBIC)


def _redrawn(image: Image.Image, blur: float, seed: int) -> Image.Image:
    """
    Lose half of the fine detail, and put grain there instead.
    """
    random = np.random.default_rng(seed + 3)
    soft = image.filter(ImageFilter.GaussianBlur(blur))
    grain = random.normal(0, 2.5, (image.height, image.width, 1)).astype(np.float32)
    mixed = np.asarray(image, np.float32) / 2 + np.asarray(soft, np.float32) / 2 + grain
    return Image.fromarray(np.clip(mixed, 0, 255).astype(np.uint8))


def _compressed(image: Image.Image, quality: int) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer).convert("RGB")


def _by_levels(image: Image.Image, rule: Callable[[np.ndarray[Any, Any]], Any]) -> Image.Image:
    levels = np.asarray(image, np.float32) / 255
    return Image.fromarray((np.clip(rule(levels), 0, 1) * 255 + 0.5).astype(np.uint8))


def warm(image: Image.Image) -> Image.Image:
    return _by_levels(image, lambda rgb: rgb * np.array([1.12, 1.0, 0.84], np.float32))


def contrast(image: Image.Image) -> Image.Image:
    return _by_levels(image, lambda rgb: 0.5 + (rgb - 0.5) * 1.25)


def saturation(image: Image.Image) -> Image.Image:
    return ImageEnhance.Color(image).enhance(1.5)


def brighter(image: Image.Image) -> Image.Image:
    return _by_levels(image, lambda rgb: rgb**0.75)


def teal_orange(image: Image.Image) -> Image.Image:
    def rule(rgb: np.ndarray[Any, Any]) -> Any:
        light = rgb.mean(-1, keepdims=True)
        shadow, bright = np.array([0.9, 1.02, 1.1]), np.array([1.1, 1.0, 0.88])
        return rgb * (shadow + (bright - shadow) * light)

    return _by_levels(image, rule)


def spot_light(image: Image.Image) -> Image.Image:
    def rule(rgb: np.ndarray[Any, Any]) -> Any:
        rows, columns = np.mgrid[0 : rgb.shape[0], 0 : rgb.shape[1]]
        distance = np.hypot(rows / rgb.shape[0] - 0.4, columns / rgb.shape[1] - 0.6)
        return rgb * (0.7 + 0.6 * np.exp(-((distance / 0.35) ** 2)))[..., None]

    return _by_levels(image, rule)


GLOBAL_EDITS = {
    "warm": warm,
    "contrast": contrast,
    "saturation": saturation,
    "brighter": brighter,
    "teal and orange": teal_orange,
    "spot light": spot_light,
}
"""Edits of colour and light alone: `output.detail = "source"` is for them."""


def with_object(image: Image.Image) -> Image.Image:
    """
    Paste a ball of 2 % of the area, which was not there.
    """
    side = round(math.sqrt(0.02 * image.width * image.height / 0.785))
    ball = Image.radial_gradient("L").resize((side, side))
    colours = Image.merge(
        "RGB", (ImageChops.invert(ball), ball.point([level // 2 for level in range(256)]), ball)
    )
    shape = Image.new("L", (side, side))
    ImageDraw.Draw(shape).ellipse((0, 0, side - 1, side - 1), fill=255)
    copy = image.copy()
    copy.paste(colours, (image.width // 5, image.height // 4), shape)
    return copy


def with_lettering(image: Image.Image) -> Image.Image:
    """
    Write on the picture.
    """
    copy = image.copy()
    draw = ImageDraw.Draw(copy)
    draw.text(
        (image.width // 10, image.height // 2),
        "SALE 50 %",
        fill=(250, 250, 250),
        font_size=image.height // 8,
    )
    return copy


def other_background(image: Image.Image) -> Image.Image:
    """
    Put another picture around the middle.
    """
    other = chart(image.size, seed=99)
    shape = Image.new("L", image.size)
    width, height = image.size
    ImageDraw.Draw(shape).ellipse(
        (width // 6, height // 6, width * 5 // 6, height * 5 // 6), fill=255
    )
    return Image.composite(image, other, shape.filter(ImageFilter.GaussianBlur(4)))


OTHER_EDITS = {
    "object": with_object,
    "lettering": with_lettering,
    "background": other_background,
}
"""Edits that bring in what was not there."""


def mask_of(size: tuple[int, int], share: float = 0.2) -> Image.Image:
    """
    A mask whose middle is open: black, with alpha 0 there.
    """
    width, height = size
    part = math.sqrt(share)
    across, down = width * part / 2, height * part / 2
    alpha = Image.new("L", size, 255)
    ImageDraw.Draw(alpha).ellipse(
        (width / 2 - across, height / 2 - down, width / 2 + across, height / 2 + down), fill=0
    )
    mask = Image.new("RGBA", size)
    mask.putalpha(alpha)
    return mask


def gradient_energy(one: Image.Image, other: Image.Image) -> float:
    """
    Return how much of the second picture's gradient energy the first one has.
    """
    found = []
    for image in (one, other):
        levels = np.asarray(image.convert("L"), np.float32)
        found.append(
            float((np.diff(levels, axis=0) ** 2).mean() + (np.diff(levels, axis=1) ** 2).mean())
        )
    return found[0] / found[1]
