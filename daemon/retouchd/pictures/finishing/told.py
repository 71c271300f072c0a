"""
What a finished file says beside its pixels, put together for its format.
"""

from retouchd.pictures.finishing import exif_directories, xmp
from retouchd.pictures.finishing.exif_directories import Directories
from retouchd.pictures.finishing.exif_patch import patched
from retouchd.pictures.finishing.plan import Plan
from retouchd.pictures.finishing.reading import Told
from retouchd.pictures.finishing.tiff_structure import Facts
from retouchd.pictures.finishing.xmp import Provenance
from retouchd.pictures.metadata import Blocks


def blocks_for(
    told: Told | None,
    plan: Plan,
    *,
    icc: bytes | None,
    provenance: Provenance | None,
    keeps_positions: bool,
    is_srgb: bool,
) -> tuple[Blocks, Directories]:
    """
    Return the metadata of a file in the format of a plan: blocks, and directories for TIFF.

    `told` is what the picture says that it is taken from, None for nothing. `is_srgb` says that colours were
    made sRGB, which EXIF may deny. IPTC that a format has no place for stands in XMP.
    """
    facts = Facts(size=plan.size, keeps_positions=keeps_positions, is_srgb=is_srgb)
    if told is None:
        return Blocks(xmp=xmp.packet(b"", provenance=provenance), icc=icc), exif_directories.NOTHING
    is_raw = plan.format == "jpeg" and bool(told.iptc.segments)
    packet = xmp.packet(
        told.xmp,
        keeps_positions=keeps_positions,
        provenance=provenance,
        further={} if is_raw else told.iptc.values,
    )
    iptc = told.iptc.segments if is_raw else ()
    if plan.format == "tiff":
        return Blocks(xmp=packet, icc=icc), exif_directories.read(told.exif, facts, for_tiff=True)
    if told.is_tiff:
        structure = exif_directories.block_of(
            exif_directories.read(told.exif, facts, for_tiff=False)
        )
    else:
        structure = patched(told.exif, facts, has_orientation=plan.format != "avif")
    return Blocks(exif=structure, xmp=packet, icc=icc, iptc=iptc), exif_directories.NOTHING
