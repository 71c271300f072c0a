"""
The samples that a JPEG stores, so that what is not changed is stored as the same again.

Colours are mostly stored with half of the columns, or of columns and rows. Decoders smooth them when they
enlarge them (libjpeg's "fancy upsampling": three quarters of the near sample, one of the next), encoders take
the mean of each pair: without more ado a picture that is only opened and saved by its own tables differs in a
fifth to a half of its pixels. What was smoothed is found again exactly: with a quarter of the colours a decoder
enlarges nothing when it is asked for half of the size, with half of them each column follows from the one
before it.
"""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, JpegImagePlugin

_STRIP = 3_000_000
_ROWS = 256
"""Pixels worked on at once, and rows."""
_SMOOTHED = 4
"""Pixels up to which a row is not smoothed."""
_RGB_NAMES = (ord("R"), ord("G"), ord("B"))
_HALF, _QUARTER = 1, 2


def stores_luminance(image: JpegImagePlugin.JpegImageFile) -> bool:
    """
    Say whether a JPEG's three channels are a luminance and two colours, as nearly always.
    """
    names = tuple(layer[0] for layer in image.layer)
    return image.mode == "RGB" and image.info.get("adobe_transform", 1) == 1 and names != _RGB_NAMES


def stored_samples(data: bytes, sampling: int, turn: Image.Transpose | None = None) -> Image.Image:
    """
    Return the samples of a JPEG (`YCbCr`), turned, each colour repeated for all the pixels it was stored for.

    `sampling` 1 says that half of the columns of colours are stored, 2 that half of the rows are as well.
    """
    if sampling == _QUARTER:
        found = _of_quarter(data, turn)
        if found is not None:
            return found
    frame = _decoded(data, "YCbCr")
    if sampling == _HALF and frame.width > _SMOOTHED:
        _undo_smoothing(frame)
    return frame if turn is None else frame.transpose(turn)


def _of_quarter(data: bytes, turn: Image.Transpose | None) -> Image.Image | None:
    """
    Return what `stored_samples` does; None where colours are not stored for pairs of pixels of the turned one.
    """
    with JpegImagePlugin.JpegImageFile(io.BytesIO(data)) as image:
        width, height = image.size
    if width < 2 or height < 2 or (turn is not None and (width % 2 or height % 2)):
        return None
    half = _decoded(data, "YCbCr", 2)
    bands = [half.getchannel(band) for band in (1, 2)]
    del half
    bands.insert(0, _decoded(data, "L"))
    if turn is not None:
        bands = [each.transpose(turn) for each in bands]
    light, *colours = bands
    frame = Image.new("YCbCr", light.size, None)
    # In strips, as memory is for one frame of four bytes a pixel, and not for all three channels beside it.
    for top in range(0, frame.height, _ROWS):
        bottom = min(frame.height, top + _ROWS)
        strip = light.crop((0, top, frame.width, bottom))
        box = (0, top / 2, frame.width / 2, bottom / 2)
        found = [each.resize(strip.size, Image.Resampling.NEAREST, box) for each in colours]
        frame.paste(Image.merge("YCbCr", (strip, *found)), (0, top))
    return frame


def _decoded(data: bytes, mode: str, parts: int = 1) -> Image.Image:
    with JpegImagePlugin.JpegImageFile(io.BytesIO(data)) as image:
        image.draft(mode, (max(1, image.width // parts), max(1, image.height // parts)))
        image.load()
    return image


def _undo_smoothing(frame: Image.Image) -> None:
    width, height = frame.size
    rows = max(1, _STRIP // width)
    for start in range(0, height, rows):
        strip = frame.crop((0, start, width, min(height, start + rows)))
        light, *colours = strip.split()
        columns = [np.asarray(each.transpose(Image.Transpose.TRANSPOSE)) for each in colours]
        samples = Image.fromarray(_unsmoothed(np.concatenate(columns, axis=1)))
        both = samples.transpose(Image.Transpose.TRANSPOSE).resize(
            (2 * samples.height, 2 * strip.height), Image.Resampling.NEAREST
        )
        bands = [both.crop((0, top, width, top + strip.height)) for top in (0, strip.height)]
        frame.paste(Image.merge("YCbCr", (light, *bands)), (0, start))


def _unsmoothed(columns: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """
    Return the samples whose smoothed columns these are, twice as many.

    libjpeg makes of a sample s, with p before it and q behind it, (3 s + p + 1) / 4 and (3 s + q + 2) / 4,
    rounded down, and the first column is the first sample. By the first formula s is the largest number that
    fits, or the one below; which of them, the column before says, that is the second formula for p.
    """
    found = np.empty(((len(columns) + 1) // 2, columns.shape[1]), np.int16)
    found[0] = before = columns[0].astype(np.int16)
    most = columns[2::2] * np.int16(4) + np.int16(2)
    bound = columns[1::2] * np.int16(4) + np.int16(1)
    for at in range(1, len(found)):
        before = np.minimum((most[at - 1] - before) // 3, bound[at - 1] - 3 * before)
        found[at] = before
    return found.clip(0, 255).astype(np.uint8)
