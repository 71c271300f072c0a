"""
Pictures without their metadata, of each format that can be told by its parts.
"""

from retouchd.job.filetypes import ARITHMETIC
from retouchd.job.stripped import Stripped
from retouchd.pictures import jpeg_metadata, png_metadata, webp_metadata
from retouchd.pictures.byte_source import Stored
from retouchd.pictures.metadata import Shown

_FORMATS = {
    "jpeg": jpeg_metadata.stripped,
    "mpo": jpeg_metadata.stripped,
    ARITHMETIC: jpeg_metadata.stripped,
    "png": png_metadata.stripped,
    "webp": webp_metadata.stripped,
}


def stripped(content: Stored, kind: str, shown: Shown) -> Stripped | None:
    """
    Return what is sent of a picture, as the format that its first bytes say.

    None where that cannot be told: for other formats, and for files whose parts do not follow one another
    up to their end mark, though decoders may take them.
    """
    rule = _FORMATS.get(kind)
    return rule(content, shown) if rule else None
