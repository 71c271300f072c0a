"""
A finished picture as a file, with its metadata where each format has it.
"""

import io

from PIL import Image

from retouchd.pictures.finishing.exif_directories import Directories
from retouchd.pictures.finishing.plan import Plan
from retouchd.pictures.finishing.tiff import TiffBlocks, tiff_file
from retouchd.pictures.metadata import Blocks, with_blocks

_PNG_LEVEL = 4


def encoded(
    image: Image.Image,
    plan: Plan,
    blocks: Blocks,
    directories: Directories,
    dpi: tuple[float, float] | None = None,
) -> bytes:
    """
    Return an `RGB` or `RGBA` picture as a file. Raises OSError or ValueError where its format cannot hold it.

    `directories` say for TIFF what `blocks` say for all others.
    """
    image.info = {}
    buffer = io.BytesIO()
    shown = {} if dpi is None else {"dpi": dpi}
    match plan.format:
        case "jpeg":
            _save_jpeg(image, buffer, plan, blocks, shown)
        case "png":
            image.save(buffer, "PNG", compress_level=_PNG_LEVEL, icc_profile=blocks.icc, **shown)
        case "tiff":
            found = TiffBlocks(directories=directories, xmp=blocks.xmp, icc=blocks.icc, dpi=dpi)
            return tiff_file(image, found)
        case "webp":
            lossless = {"lossless": True, "exact": True, "quality": 60}
            image.save(
                buffer,
                "WEBP",
                **(lossless if plan.is_lossless else {"quality": plan.quality}),
                exif=blocks.exif,
                xmp=blocks.xmp,
                icc_profile=blocks.icc,
            )
            return buffer.getvalue()
        case _:
            image.save(
                buffer,
                "AVIF",
                quality=plan.quality,
                subsampling="4:4:4",
                exif=blocks.exif,
                xmp=blocks.xmp,
                icc_profile=blocks.icc,
            )
            return buffer.getvalue()
    return with_blocks(buffer.getvalue(), plan.format, blocks)


def _save_jpeg(
    image: Image.Image,
    buffer: io.BytesIO,
    plan: Plan,
    blocks: Blocks,
    shown: dict[str, tuple[float, float]],
) -> None:
    if plan.tables is None:
        image.save(
            buffer, "JPEG", quality=plan.quality, subsampling=0, icc_profile=blocks.icc, **shown
        )
        return
    image.save(
        buffer,
        "JPEG",
        qtables=[list(each) for each in plan.tables.tables],
        subsampling=plan.tables.sampling,
        icc_profile=blocks.icc,
        **shown,
    )
