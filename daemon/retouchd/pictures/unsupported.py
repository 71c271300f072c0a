"""
Whole pictures of known formats that are not decoded, or not to the right pixels: what each is, in words.
"""

from retouchd.pictures import bmp, jpeg, tiff
from retouchd.pictures.byte_source import Stored

_IN_PLACE = "Open {name} in a photo program and save it as PNG or JPEG with 8 bits a channel."
_PLAIN_TIFF = (
    "Save {name} anew: as PNG, or as TIFF in RGB with 8 or 16 bits a channel and LZW or ZIP."
)


def obstacle(content: Stored, kind: str) -> tuple[str, str] | None:
    """
    Return what a picture is that cannot be taken, behind "it is …", and how to save it; None for others.

    The second text has `{name}` in the place of the file's name.
    """
    match kind:
        case "tiff":
            found, hint = tiff.obstacle(content), _PLAIN_TIFF
        case "jpeg":
            found, hint = jpeg.obstacle(content), _IN_PLACE
        case "bmp":
            found, hint = bmp.obstacle(content), _IN_PLACE
        case _:
            return None
    return None if found is None else (f"a {kind.upper()} picture {found}, which is not read", hint)
