"""
The samples that a JPEG stores, as near as a decoder lets anybody come to them, so that they are stored as the
same again.

Colours are mostly stored with half of the columns, or of columns and rows. Decoders smooth them when they
enlarge them (libjpeg's "fancy upsampling": three quarters of the near sample, one of the next); encoders take
the mean of each pair. Together that is a blur, which is undone here. Without it a picture that is only opened
and saved by its own tables differs in a fifth to a half of its pixels.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, JpegImagePlugin

from retouchd.pictures.finishing.planes import Floats

_STRIP = 2_000_000
"""Pixels worked on at once."""
_REACH = 6
_ROOT = 2 * 2**0.5 - 3
_TAPS = tuple(_ROOT**distance * 2**0.5 for distance in range(_REACH + 1))
"""The inverse of the blur 1/8, 3/4, 1/8: its tails fall to a sixth with each sample."""
_RGB_NAMES = (ord("R"), ord("G"), ord("B"))


def stores_luminance(image: JpegImagePlugin.JpegImageFile) -> bool:
    """
    Say whether a JPEG's three channels are a luminance and two colours, as nearly always.
    """
    names = tuple(layer[0] for layer in image.layer)
    return image.mode == "RGB" and image.info.get("adobe_transform", 1) == 1 and names != _RGB_NAMES


def unsmooth(frame: Image.Image, sampling: int) -> None:
    """
    Undo in a frame (`YCbCr`), in its place, what decoding smoothed; `sampling` 1 halves columns, 2 rows as
    well.
    """
    if not sampling:
        return
    width, height = frame.size
    margin = 2 * (_REACH + 1)
    above, rows = None, max(32, _STRIP // width // 2 * 2)
    for start in range(0, height, rows):
        stop = min(height, start + rows)
        first, last = max(0, start - margin), min(height, stop + margin)
        strip = frame.crop((0, first, width, last))
        # What was above is changed already, and still needed as it was.
        if above is not None:
            strip.paste(above, (0, 0))
        above = frame.crop((0, max(0, stop - margin), width, stop))
        light, *colours = strip.split()
        found = [
            Image.fromarray(_stored(np.asarray(each, np.float32), sampling)) for each in colours
        ]
        made = Image.merge("YCbCr", (light, *found))
        frame.paste(made.crop((0, start - first, width, stop - first)), (0, start))


def _stored(plane: Floats, sampling: int) -> NDArray[np.uint8]:
    height, width = plane.shape
    whole = np.pad(plane, ((0, height % 2), (0, width % 2)), mode="edge")
    samples = _sharpened((whole[:, ::2] + whole[:, 1::2]) * np.float32(0.5), 1)
    if sampling == 2:
        samples = _sharpened((samples[::2] + samples[1::2]) * np.float32(0.5), 0)
    found = np.clip(np.rint(samples), 0, 255).astype(np.uint8).repeat(2, axis=1)
    if sampling == 2:
        found = found.repeat(2, axis=0)
    return np.ascontiguousarray(found[:height, :width])


def _sharpened(samples: Floats, axis: int) -> Floats:
    length = samples.shape[axis]
    edges = [(0, 0), (0, 0)]
    edges[axis] = (_REACH, _REACH)
    wide = np.pad(samples, edges, mode="edge")

    def shifted(by: int) -> Floats:
        start = _REACH + by
        return wide[start : start + length] if axis == 0 else wide[:, start : start + length]

    found = shifted(0) * np.float32(_TAPS[0])
    for distance in range(1, _REACH + 1):
        found += np.float32(_TAPS[distance]) * (shifted(distance) + shifted(-distance))
    return found
