"""
JPEG files that stop behind their last row, without the end mark: several cameras and programs write them so.
"""

import io

from PIL import Image, ImageChops, JpegImagePlugin

from retouchd.pictures import jpeg

_END = b"\xff\xd9"
_FILLINGS = (b"\x55" * 64, b"\xaa" * 64)
"""Data for rows that are missing: bits by which no decoder goes on as it does with none."""
_MOST_BEHIND = 1024
"""Bytes of whatever may follow the last row."""

_FAULTS = (OSError, SyntaxError, ValueError)


def completed(data: bytes, max_megapixels: float) -> bytes | None:
    """
    Return a JPEG with the end mark that it lacks, None where its rows are not all there for certain.

    That is so, too, where it has more pixels (in millions) than are to be decoded.

    If they are, then the decoder takes nothing of what is put behind them: the pixels are the same,
    whatever it is. A file that ends in zeros may be one whose writer has not got there yet. A film
    behind the picture, as phones put it there, is left out.
    """
    found = jpeg.outline(data)
    if found is None or found.width * found.height > max_megapixels * 1e6:
        return None
    if jpeg.ends_in_zeros(data):
        return None
    rows = data[: jpeg.film_in(data, found.scan)]
    if not jpeg.has_every_restart(rows, found) or not _are_all_there(rows):
        return None
    # More behind the rows than a few bytes might as well be taken for rows that are missing.
    is_loose = len(rows) - found.scan > _MOST_BEHIND and _are_all_there(rows[:-_MOST_BEHIND])
    return None if is_loose else rows + _END


def _are_all_there(rows: bytes) -> bool:
    """
    Say whether a picture looks the same whatever follows its data.
    """
    try:
        with _decoded(rows) as seen:
            return not any(_differ(seen, rows + filling) for filling in _FILLINGS)
    except _FAULTS:
        return False


def _differ(seen: Image.Image, data: bytes) -> bool:
    with _decoded(data) as other:
        return ImageChops.difference(seen, other).getbbox() is not None


def _decoded(data: bytes) -> Image.Image:
    image = JpegImagePlugin.JpegImageFile(io.BytesIO(data + _END))
    image.load()
    return image
