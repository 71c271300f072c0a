"""
Answers that come compressed: unpacked as they come, as far as they go, and in bounded memory.
"""

import base64
import gzip
import os
import resource
import zlib
from collections.abc import Iterator

import brotli
import pytest
import zstandard

from retouchd.endpoint.compression import Unpacker, is_compressed, plain

BODY = b'{"data": [{"b64_json": "%s"}]}' % base64.b64encode(os.urandom(150_000))
"""More than one block of Zstandard's, which come whole or not at all."""
PNG = b"\x89PNG\r\n\x1a\n" + os.urandom(1000)


def pressed(body: bytes) -> bytes:
    """
    Compress quickly; how well is nobody's business.
    """
    packed: bytes = brotli.compress(body, quality=1)
    return packed


def deflated(body: bytes) -> bytes:
    press = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return press.compress(body) + press.flush()


PACKED: dict[str, tuple[str, bytes]] = {
    "gzip": ("gzip", gzip.compress(BODY)),
    "gzip by another name": ("x-gzip", gzip.compress(BODY)),
    "gzip that nobody named": ("", gzip.compress(BODY)),
    "gzip in members": ("gzip", gzip.compress(BODY[:999]) + gzip.compress(BODY[999:])),
    "gzip twice": ("gzip, gzip", gzip.compress(gzip.compress(BODY))),
    "deflate": ("deflate", zlib.compress(BODY)),
    "deflate that nobody named": ("", zlib.compress(BODY)),
    "deflate named gzip": ("gzip", zlib.compress(BODY)),
    "deflate without a header": ("Deflate", deflated(BODY)),
    "br": ("br", pressed(BODY)),
    "zstd": ("zstd", zstandard.compress(BODY)),
    "zstd in frames": ("zstd", zstandard.compress(BODY[:999]) + zstandard.compress(BODY[999:])),
    "br in gzip": ("br, gzip", gzip.compress(pressed(BODY))),
    "deflate in br": ("identity, deflate , br", pressed(zlib.compress(BODY))),
}
AS_IT_IS: dict[str, tuple[str, bytes]] = {
    "JSON": ("identity", BODY),
    "nothing": ("gzip", b""),
    **{
        f"JSON named {name}": (name, BODY) for name in ("gzip", "deflate", "br", "zstd", "compress")
    },
    **{f"a picture named {name}": (name, PNG) for name in ("deflate", "br", "zstd")},
    "two letters": ("br", b"{}"),
    "damaged from the start": ("gzip", gzip.compress(b"")[:9] + b"\xff" * 40),
    "a header and no more": ("", gzip.compress(b"")[:10]),
    "what begins like deflate": ("", b"x\x9c" + bytes(range(128, 256)) * 9),
    "what is called br": ("br", bytes(range(200, 256)) * 9),
}


def unpacked(encoding: str, blocks: Iterator[bytes]) -> bytes:
    return b"".join(plain(blocks, {"content-encoding": encoding}, 1 << 30))


def cut(body: bytes, size: int) -> Iterator[bytes]:
    """
    Cut a body into pieces of that size; of 100 bytes at least in its midst, where nothing begins or ends.
    """
    begins, ends = 3000, len(body) - 3000
    at = 0
    while at < len(body):
        step = max(size, 100) if begins < at < ends else size
        yield body[at : at + step]
        at += step


@pytest.mark.parametrize("size", [1, 100, 65_536, 1 << 20])
@pytest.mark.parametrize(("encoding", "body"), PACKED.values(), ids=PACKED)
def test_compression_is_undone_however_it_comes(encoding: str, body: bytes, size: int) -> None:
    """
    Named or known by its first bytes, one within the other, cut into pieces of any size.
    """
    assert unpacked(encoding, cut(body, size)) == BODY
    assert is_compressed({"content-encoding": encoding}, body)


@pytest.mark.parametrize("size", [1, 100, 1 << 20])
@pytest.mark.parametrize(("encoding", "body"), AS_IT_IS.values(), ids=AS_IT_IS)
def test_what_is_not_compressed_stays(encoding: str, body: bytes, size: int) -> None:
    """
    A wrong name loses nothing, and neither does what only begins like a compression.
    """
    assert unpacked(encoding, cut(body, size)) == body


@pytest.mark.parametrize(("encoding", "body"), PACKED.values(), ids=PACKED)
def test_what_breaks_off_comes_as_far_as_it_goes(encoding: str, body: bytes) -> None:
    """
    A missing end costs no more than what stands in it.
    """
    came = unpacked(encoding, cut(body[:-9], 1000))

    assert BODY.startswith(came)
    assert len(came) > len(BODY) * 0.3


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_wrong_sum_costs_nothing(encoding: str) -> None:
    """
    The sums stand behind the last byte.
    """
    body = PACKED[encoding][1]

    assert unpacked(encoding, cut(body[:-4] + b"sum!", 1000)) == BODY


def bomb(encoding: str, megabytes: int) -> bytes:
    """
    Return so much of nothing, compressed.
    """
    zeros, made = bytes(1 << 20), b""
    if encoding == "br":
        maker = brotli.Compressor(quality=5)
        made = b"".join(maker.process(zeros) for _ in range(megabytes))
        return made + bytes(maker.finish())
    is_gzip = encoding == "gzip"
    press = zlib.compressobj(wbits=31) if is_gzip else zstandard.ZstdCompressor().compressobj()
    return b"".join(press.compress(zeros) for _ in range(megabytes)) + press.flush()


@pytest.mark.parametrize("encoding", ["gzip", "br", "zstd"])
def test_a_bomb_comes_in_small_pieces(encoding: str) -> None:
    """
    A quarter of a gigabyte out of some kilobytes needs no memory.
    """
    body = bomb(encoding, 256)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    sizes = [len(piece) for piece in Unpacker(encoding).take(body)]

    assert sum(sizes) == 256 << 20
    assert max(sizes) <= 1 << 20
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 40 << 10  # in KiB


def test_no_more_comes_than_is_asked_for() -> None:
    """
    Where there is a limit, a body ends there.
    """
    came = b"".join(plain([gzip.compress(BODY)], {}, 1000))

    assert came == BODY[:1000]
