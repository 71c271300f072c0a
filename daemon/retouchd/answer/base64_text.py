"""
Base64 as relays send it, decoded as it comes; the only module that knows pybase64.

Nearly all of it is plain: whole groups of the usual alphabet, for which the library is thirty times as
quick as the standard one. Whatever it refuses is put in order and left to the standard one to judge.
"""

import binascii

import pybase64

_URL_ALPHABET = bytes.maketrans(b"-_", b"+/")
_SPACE = b" \t\r\n"


class Decoder:
    """
    Takes a text in pieces, and says what it holds; white space and the alphabet of URLs are as good, and
    padding may be left out. Raises binascii.Error for what is no base64.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._is_over = False

    def take(self, piece: bytes) -> bytes:
        """
        Return what has come by now and was not returned yet.
        """
        text = self._rest + piece
        end = len(text) & ~3
        try:
            found = self._plain(text[:end])
        except binascii.Error:
            text = text.translate(_URL_ALPHABET, _SPACE)
            end = len(text.rstrip(b"=")) & ~3
            if b"=" in text[:end]:
                raise binascii.Error("Excess data after padding") from None
            found = self._judged(text[:end])
        self._rest = text[end:]
        return found

    def end(self) -> bytes:
        """
        Return what is left once all has come.
        """
        rest = self._rest.translate(_URL_ALPHABET, _SPACE).rstrip(b"=")
        return self._judged(rest + b"=" * (-len(rest) % 4))

    def _plain(self, text: bytes) -> bytes:
        if self._is_over and text:
            raise binascii.Error("Excess data after padding")
        found = pybase64.b64decode(text, validate=True)
        padding = len(text) - len(text.rstrip(b"="))
        if len(found) != len(text) // 4 * 3 - padding:  # It takes padding in the midst, too.
            raise binascii.Error("Discontinuous padding")
        self._is_over = self._is_over or padding > 0
        return found

    def _judged(self, text: bytes) -> bytes:
        if text and self._is_over:
            raise binascii.Error("Excess data after padding")
        return binascii.a2b_base64(text, strict_mode=True)
