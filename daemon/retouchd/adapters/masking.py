"""
Secrets, kept out of whatever comes back: relays quote the key they got, in texts, headers and pages.
"""

from collections.abc import Callable, Iterable, Iterator

_SHORTEST = 8
"""Characters; what is shorter is a group's name or a flag, and would be found in innocent words."""


class Secrets:
    """
    What nobody may read: each is masked by as many asterisks, so that lengths stay true.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        found = {text.strip() for text in texts if len(text.strip()) >= _SHORTEST}
        self._secrets = sorted((text.encode() for text in found), key=len, reverse=True)

    def hidden(self, text: str) -> str:
        """
        Return a text without them.
        """
        return self._mask(text.encode("utf-8", "surrogateescape")).decode(
            "utf-8", "surrogateescape"
        )

    def veil(self) -> "Veil":
        """
        Return a veil for a body that comes in pieces.
        """
        return Veil(self._mask, max(map(len, self._secrets), default=1) - 1)

    def hidden_in(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        """
        Return a body without them, however it is cut into pieces.
        """
        veil = self.veil()
        for block in blocks:
            yield veil.over(block)
        yield veil.rest

    def _mask(self, raw: bytes) -> bytes:
        for secret in self._secrets:
            raw = raw.replace(secret, b"*" * len(secret))
        return raw


class Veil:
    """
    Lies over a body as it passes: the end of each piece waits for the next, as a secret may begin in it.
    """

    def __init__(self, mask: Callable[[bytes], bytes], held: int) -> None:
        self._mask = mask
        self._held = held
        self.rest = b""

    def over(self, piece: bytes) -> bytes:
        """
        Return what can be let go; in the end the `rest` can.
        """
        masked = self._mask(self.rest + piece)
        cut = max(0, len(masked) - self._held)
        self.rest = masked[cut:]
        return masked[:cut]
