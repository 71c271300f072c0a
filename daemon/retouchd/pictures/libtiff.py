"""
libtiff, which decodes TIFF files inside Pillow and would write about them to standard error by itself.
"""

import ctypes

from PIL import _imaging


def silence_libtiff() -> None:
    """
    Let libtiff keep to itself what it thinks of a file: its lines name none, and break the log.

    What is wrong with a file, Pillow says as well, by an exception. With a Pillow that has no libtiff, or
    hides it, nothing happens.
    """
    # A library found by one that is linked to it: the copy that Pillow uses, wherever that one is from.
    library = ctypes.CDLL(_imaging.__file__)
    for name in ("TIFFSetErrorHandler", "TIFFSetWarningHandler"):
        set_handler = getattr(library, name, None)
        if set_handler is not None:
            set_handler.argtypes, set_handler.restype = [ctypes.c_void_p], ctypes.c_void_p
            set_handler(None)
