"""
Answers that come compressed although nobody asked for it.
"""

import zlib

from retouchd.adapters.transport import Head


def decoded(body: bytes, head: Head, limit: int) -> bytes:
    """
    Return a body without its compression, as the head names it.

    What is damaged, unknown, or would grow beyond `limit` bytes comes back as it is: whoever reads it
    will find that it is not JSON. Slow for large bodies: call it in a thread.
    """
    match head.headers.get("content-encoding", "").strip().lower():
        case "gzip" | "x-gzip":
            forms = [zlib.MAX_WBITS | 16]
        case "deflate":  # the standard says with a zlib header, some servers send none
            forms = [zlib.MAX_WBITS, -zlib.MAX_WBITS]
        case _:
            return body
    for form in forms:
        inflate = zlib.decompressobj(form)
        try:
            plain = inflate.decompress(body, limit)
        except zlib.error:
            continue
        if inflate.eof:
            return plain
    return body
