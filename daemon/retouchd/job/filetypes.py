"""
Kinds of files in words: what a picture that cannot be sent is called by people.
"""

EXTENSIONS = {
    **{kind: kind for kind in ("png", "webp", "gif", "avif", "heic", "bmp")},
    "jpeg": "jpg",
    "tiff": "tif",
}
"""Every kind of picture that can be decoded, with the extension of the file in which a received one is kept."""
RAW = frozenset({"arw", "cr2", "cr3", "dng", "nef", "orf", "raf", "rw2"})
"""The extensions of cameras' raw files."""

ARITHMETIC, UNENDED = "arithmetic jpeg", "unended jpeg"
"""Forms of JPEG that are decoded, and sent in no other than the usual one."""

_CALLED = {
    ARITHMETIC: "a JPEG picture in arithmetic codes, which few programs can read",
    UNENDED: "a JPEG picture without an end mark",
    "avif": "an AVIF picture",
    "bmp": "a BMP picture",
    "cr3": "a camera's raw file",
    "dds": "a texture of a game (DDS)",
    "dicom": "a medical picture (DICOM)",
    "eps": "an EPS drawing",
    "exr": "an HDR picture (OpenEXR)",
    "fits": "an astronomer's picture (FITS)",
    "html": "a web page",
    "icns": "an icon",
    "ico": "an icon",
    "mpo": "an MPO picture, a JPEG with others behind it",
    "pdf": "a PDF document",
    "psd": "a Photoshop file",
    "radiance": "an HDR picture (Radiance)",
    "raw": "a camera's raw file",
    "svg": "an SVG drawing",
    "video": "a film",
    "webp": "a WebP picture",
    "xcf": "a GIMP file",
    "zip": "a ZIP archive",
}


def called(kind: str) -> str:
    """
    Return what a kind of file is called, with its article.
    """
    return _CALLED.get(kind, f"a {kind.upper()} picture")


def kind_by(name: str, sniffed: str | None) -> str | None:
    """
    Return what a file is by its bytes and, where these do not say enough, by its name.

    Cameras write raw files as TIFF whose first picture is a small preview: to edit that would be paid for
    in vain.
    """
    extension = name.rpartition(".")[2].lower()
    return "raw" if sniffed in (None, "tiff") and extension in RAW else sniffed
