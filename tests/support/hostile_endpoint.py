"""
An endpoint that means harm, in a process of its own: the prompt of a request says what it does with it.

    python hostile_endpoint.py LEDGER [CERTIFICATE]

Prints two base URLs when it listens. The second is another host's as far as a client can tell: whatever
arrives there should not have. LEDGER gets a line for each request: which of the two, its target, whether the
key was among its headers. An unknown prompt is answered with a good picture.
"""

import asyncio
import base64
import functools
import gzip
import io
import itertools
import json
import os
import re
import ssl
import struct
import sys
import zlib
from asyncio import StreamReader, StreamWriter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

import brotli
import zstandard
from PIL import Image

MB = 1 << 20
_PROMPT = re.compile(rb'name="prompt"\r\n(?:[^\r]+\r\n)*\r\n(.*?)\r\n--', re.DOTALL)
_KEPT = 65_536

Send = Callable[["Visit"], Awaitable[None]]
ACTS: dict[str, Send] = {}
"""What can be asked for, by the prompt that asks for it."""


@dataclass
class Visit:
    """
    One request, read to its end, and the way back to who sent it.
    """

    reader: StreamReader
    writer: StreamWriter
    head: str
    here: str
    elsewhere: str

    async def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()

    def reset(self) -> None:
        """
        Break the connection off so that the other side is told.
        """
        socket = self.writer.get_extra_info("socket")
        socket.setsockopt(1, 13, struct.pack("ii", 1, 0))  # SOL_SOCKET, SO_LINGER


def act(function: Send) -> Send:
    ACTS[function.__name__] = function
    return function


# What stands in an answer.


@functools.cache
def picture(width: int = 8, height: int = 8, mode: str = "RGB") -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, (width, height)).save(buffer, "PNG")
    return buffer.getvalue()


def heavy(size: int) -> bytes:
    """
    A small picture whose file is large, by what lies behind its end.
    """
    return picture() + os.urandom(size)


def images(*pictures: bytes | str) -> bytes:
    texts = [
        each if isinstance(each, str) else base64.b64encode(each).decode() for each in pictures
    ]
    return json.dumps({"data": [{"b64_json": text} for text in texts]}).encode()


def links(*urls: str) -> bytes:
    return json.dumps({"data": [{"url": url} for url in urls]}).encode()


def answer(body: bytes, *headers: str, status: str = "200 OK", length: int | None = None) -> bytes:
    size = len(body) if length is None else length
    lines = [f"HTTP/1.1 {status}", "Content-Type: application/json", f"Content-Length: {size}"]
    return "\r\n".join([*lines, *headers, "", ""]).encode() + body


def answers(name: str, body: Callable[[], bytes], *headers: str, **options: object) -> None:
    """
    Add an act that answers once, properly framed unless told otherwise.
    """

    async def send(visit: Visit) -> None:
        await visit.send(answer(body(), *headers, **options))  # type: ignore[arg-type]

    ACTS[name] = send


def replies(name: str, *pieces: bytes) -> None:
    """
    Add an act that writes just these bytes.
    """

    async def send(visit: Visit) -> None:
        await visit.send(*pieces)

    ACTS[name] = send


# Bodies that do not end, or not where they said.


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
GOOD = answer(images(picture()))


@act
async def endless(visit: Visit) -> None:
    piece = b"%x\r\n%s\r\n" % (MB, b"A" * MB)
    await visit.send(CHUNKED, *itertools.repeat(piece, 100_000))


@act
async def drip(visit: Visit) -> None:
    await visit.send(CHUNKED)
    while True:
        await visit.send(b"1\r\n \r\n")
        await asyncio.sleep(0.05)


@act
async def drip_head(visit: Visit) -> None:
    await visit.send(b"HTTP/1.1 200 OK\r\nX: ")
    while True:
        await visit.send(b"x")
        await asyncio.sleep(0.05)


@act
async def stall(visit: Visit) -> None:
    await asyncio.sleep(3600)


@act
async def continues(visit: Visit) -> None:
    piece = b"HTTP/1.1 100 Continue\r\n\r\n" * 100
    while True:
        await visit.send(piece)
        await asyncio.sleep(0.001)


@act
async def reset_in_head(visit: Visit) -> None:
    await visit.send(b"HTTP/1.1 200 OK\r\nContent-")
    visit.reset()


@act
async def reset_in_body(visit: Visit) -> None:
    await visit.send(GOOD[:-40])
    visit.reset()


replies("truncated", GOOD[:-40])
replies("truncated_chunk", CHUNKED, b"ffff\r\n", b"A" * 100)
answers("length_long", lambda: images(picture()), length=len(GOOD) + 1000)
answers("length_short", lambda: images(picture()), length=40)
answers("length_twice", lambda: images(picture()), "Content-Length: 7")
answers("length_negative", lambda: images(picture()), length=-1)
replies("chunk_garbage", CHUNKED, b"zz\r\n" + b"A" * 100)
replies("chunk_overflow", CHUNKED, b"f" * 30 + b"\r\n" + b"A" * 100)


# Heads that are none.


replies("headers_8_mb", b"HTTP/1.1 200 OK\r\nX: ", *itertools.repeat(b"x" * MB, 8), b"\r\n\r\n{}")
replies(
    "headers_many",
    b"HTTP/1.1 200 OK\r\n",
    b"".join(b"X-%d: 1\r\n" % n for n in range(60_000)),
    b"Content-Length: 2\r\n\r\n{}",
)
replies("header_nul", b"HTTP/1.1 200 OK\r\nX-A: a\0b\r\nContent-Length: 2\r\n\r\n{}")
replies("header_folded", b"HTTP/1.1 200 OK\r\nX-A: a\r\n b\r\n\tc\r\nContent-Length: 2\r\n\r\n{}")
replies("http_0_9", b"<html>this was the web of 1991</html>")
replies("not_http", b"\x15\x03\x01\x00\x02\x02\x28" * 1000)
replies("nothing", b"")
replies("status_999", b"HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n")
replies(
    "status_101", b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"
)


# Bodies that grow.


GZIP, ZLIB, RAW = 31, 15, -15
_SUMS = {GZIP: zlib.crc32, ZLIB: zlib.adler32}


@functools.cache
def bomb(form: int, size: int, piece: bytes = bytes(MB)) -> bytes:
    """
    A compressed body of `size` bytes, whole and valid; made of one block over and over.
    """
    press = zlib.compressobj(9, wbits=RAW)
    block = press.compress(piece) + press.flush(zlib.Z_FULL_FLUSH)
    body = block * (size // len(piece)) + b"\x03\x00"
    if form == RAW:
        return body
    total = 1 if form == ZLIB else 0
    for _ in range(size // len(piece)):
        total = _SUMS[form](piece, total)
    if form == ZLIB:
        return b"\x78\xda" + body + struct.pack(">I", total)
    return gzip.compress(b"")[:10] + body + struct.pack("<II", total, size)


def nested(depth: int) -> bytes:
    return b'{"data":' + b"[" * depth + b"]" * depth + b"}"


answers("gzip_bomb", lambda: bomb(GZIP, 1024 * MB), "Content-Encoding: gzip")
answers("gzip_bomb_text", lambda: bomb(GZIP, 100 * MB, b"A" * MB), "Content-Encoding: gzip")
answers("deflate_bomb", lambda: bomb(ZLIB, 200 * MB), "Content-Encoding: deflate")
answers("raw_deflate_bomb", lambda: bomb(RAW, 200 * MB), "Content-Encoding: deflate")
answers("gzip_twice", lambda: gzip.compress(bomb(GZIP, 100 * MB)), "Content-Encoding: gzip, gzip")
answers("br_bomb", lambda: brotli.compress(bytes(100 * MB), quality=5), "Content-Encoding: br")
answers("zstd_bomb", lambda: zstandard.compress(bytes(100 * MB)), "Content-Encoding: zstd")
answers("br_lie", lambda: bomb(RAW, 100 * MB), "Content-Encoding: br")
answers("zstd_lie", lambda: b"\x28\xb5\x2f\xfd" + bomb(RAW, MB), "Content-Encoding: zstd")
answers("gzip_lie", lambda: images(picture()), "Content-Encoding: gzip")
answers("gzip_cut", lambda: gzip.compress(images(picture()))[:-9], "Content-Encoding: gzip")
answers("json_lists", lambda: b'{"data":[' + b"[]," * (20 * MB // 3) + b"[]]}")
answers("json_numbers", lambda: b'{"data":[' + b"1," * (10 * MB) + b"1]}")
answers("json_deep", lambda: nested(5 * MB))
answers("json_digits", lambda: b'{"data":' + b"7" * (10 * MB) + b"}")
answers("json_text", lambda: b'{"data":"' + "笑".encode() * (20 * MB // 3) + b'"}')
answers("json_escapes", lambda: b'{"data":"' + rb"\u7b11" * (20 * MB // 6) + b'"}')
answers("spaces", lambda: b" " * (64 * MB))
answers("not_utf8", lambda: b'{"data":[{"b64_json":"\xff\xfe"}]}')
answers("events", lambda: b"data: {}\n\n" * (2 * MB))


# Pictures that are none, or too much of one.


SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
answers("bomb_output", lambda: images(picture(12_000, 12_000, "1")))
answers("bombs_output", lambda: images(*[picture(12_000, 12_000, "1")] * 10))
answers("svg", lambda: images(SVG))
answers("html", lambda: images(b"<!doctype html><title>hello</title>"))
answers("zip", lambda: images(b"PK\x03\x04" + bytes(1000)))
answers("base64_garbage", lambda: images("not!base64*at/all" * 100))
answers("base64_empty", lambda: images("", "=", "===="))
answers("base64_large_garbage", lambda: images("A" * (8 * MB) + "!" + "A" * (8 * MB)))
answers("one_of_three", lambda: images(SVG, picture(), picture(12_000, 12_000, "1")))
answers("three_hundred", lambda: images(*[picture()] * 300))
answers("large", lambda: images(heavy(32 * MB)))
answers(
    "large_escaped", lambda: images(heavy(24 * MB)).replace(b"/", rb"\/").replace(b"+", rb"\u002B")
)
answers("large_gzip", lambda: gzip.compress(images(heavy(24 * MB)), 1), "Content-Encoding: gzip")
answers(
    "large_chat",
    lambda: json.dumps(
        {
            "choices": [
                {
                    "message": {
                        "content": "Here: ![it](data:image/png;base64,"
                        + base64.b64encode(heavy(24 * MB)).decode()
                        + ") - enjoy!"
                    }
                }
            ]
        }
    ).encode(),
)


# Where it would have us go.


HOUSES = (
    "file:///etc/passwd",
    "data:text/html,hello",
    "ftp://127.0.0.1/cat.png",
    "gopher://127.0.0.1/cat.png",
    "//[",
    "http://",
    "http://[::1",
    "http://127.0.0.1:99999/cat.png",
    "{elsewhere}/cat.png",
    "http://127.0.0.1:{port}/cat.png",
    "http://localhost:{port}/cat.png",
    "http://2130706433:{port}/cat.png",
    "http://0x7f000001:{port}/cat.png",
    "http://0x7f.1:{port}/cat.png",
    "http://0177.0.0.1:{port}/cat.png",
    "http://127.1:{port}/cat.png",
    "http://0:{port}/cat.png",
    "http://0.0.0.0:{port}/cat.png",
    "http://[::1]:{port}/cat.png",
    "http://[::]:{port}/cat.png",
    "http://[::ffff:127.0.0.1]:{port}/cat.png",
    "http://[::ffff:7f00:1]:{port}/cat.png",
    "http://[64:ff9b::7f00:1]:{port}/cat.png",
    "http://[2002:7f00:1::]:{port}/cat.png",
    "http://[fe80::1]:{port}/cat.png",
    "http://[fc00::1]:{port}/cat.png",
    "http://user:pass@127.0.0.1:{port}/cat.png",
    "http://example.com@127.0.0.1:{port}/cat.png",
    "http://127.0.0.1:{port}#@example.com/cat.png",
    "http://①②⑦.⓪.⓪.①:{port}/cat.png",
    "http://127。0。0。1:{port}/cat.png",
    "http://169.254.169.254/latest/meta-data/",
    "http://[fd00:ec2::254]/latest/meta-data/",
    "http://10.0.0.1/cat.png",
    "http://172.16.0.1/cat.png",
    "http://192.168.0.1/cat.png",
    "http://100.64.0.1/cat.png",
    "http://224.0.0.1/cat.png",
    "http://255.255.255.255/cat.png",
    "http://example.com\r\nX-Injected: 1/cat.png",
)
"""URLs of results that must never be asked for: `{port}` and `{elsewhere}` are the other host's."""


@act
async def houses(visit: Visit) -> None:
    port = visit.elsewhere.rpartition(":")[2].partition("/")[0]
    urls = [url.replace("{port}", port).replace("{elsewhere}", visit.elsewhere) for url in HOUSES]
    await visit.send(answer(links(*urls)))


@act
async def chain(visit: Visit) -> None:
    await visit.send(answer(links(f"{visit.here}/step-1")))


def _redirect(status: str) -> Send:
    async def send(visit: Visit) -> None:
        location = f"Location: {visit.elsewhere}/images/edits"
        await visit.send(answer(b"", location, status=status))

    return send


for _status in ("301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"):
    ACTS[f"redirect_{_status[:3]}"] = _redirect(_status)


@act
async def link_bomb(visit: Visit) -> None:
    await visit.send(answer(links(f"{visit.here}/bomb")))


@act
async def link_endless(visit: Visit) -> None:
    await visit.send(answer(links(f"{visit.here}/endless")))


async def _fetched(visit: Visit, target: str) -> None:
    """
    Answer what a result's URL led to.
    """
    match target.rpartition("/")[2]:
        case "bomb":
            body = bomb(GZIP, 100 * MB)
            await visit.send(
                answer(body, "Content-Encoding: gzip").replace(b"application/json", b"image/png")
            )
        case "endless":
            piece = b"%x\r\n%s\r\n" % (MB, b"A" * MB)
            await visit.send(CHUNKED.replace(b"\r\n\r\n", b"\r\nContent-Type: image/png\r\n\r\n"))
            await visit.send(*itertools.repeat(piece, 100_000))
        case "models":
            await visit.send(answer(b'{"data":[]}'))
        case _:
            await visit.send(
                answer(b"", f"Location: {visit.elsewhere}/cat.png", status="302 Found")
            )


# A relay that quotes what it was given.


def _key_in(head: str) -> str:
    found = re.search(r"(?im)^authorization: bearer (\S+)", head)
    return found[1] if found else ""


def _quoting(status: str, form: str, *headers: str) -> Send:
    async def send(visit: Visit) -> None:
        key = _key_in(visit.head)
        said = [header.replace("KEY", key) for header in headers]
        await visit.send(answer(form.replace("KEY", key).encode(), *said, status=status))

    return send


ACTS["quotes_400"] = _quoting(
    "400 Bad", '{"error":{"message":"no good: KEY","code":"KEY"}}', "X-Key: KEY"
)
ACTS["quotes_200"] = _quoting(
    "200 OK", '{"note":"your key KEY is noted"}', "X-Request-Id: KEY", "X-Key: KEY"
)
ACTS["quotes_500"] = _quoting("500 Oops", "<html><title>KEY</title>KEY</html>", "Server: KEY")
ACTS["quotes_split"] = _quoting("200 OK", "Bearer KEY" * 100_000)


@act
async def quotes_packed(visit: Visit) -> None:
    body = gzip.compress(f"your key {_key_in(visit.head)} is noted".encode())
    await visit.send(answer(body, "Content-Encoding: gzip"))


ACTS["quotes_401"] = _quoting("401 No", '{"error":{"message":"Incorrect API key provided: KEY"}}')
ACTS["quotes_302"] = _quoting("302 Found", "", "Location: http://127.0.0.1:1/?key=KEY")


SPELT: dict[str, Callable[[str], str]] = {
    "json": lambda key: "".join(f"\\u{ord(sign):04X}" for sign in key),
    "slashes": lambda key: key.replace("/", "\\/"),
    "twice": lambda key: "".join(f"\\\\u{ord(sign):04x}" for sign in key),
    "url": lambda key: "".join(f"%{ord(sign):02x}" for sign in key),
    "html": lambda key: "".join(f"&#{ord(sign)};" for sign in key),
    "base64": lambda key: base64.b64encode(f"Bearer {key}".encode()).decode(),
    "urlsafe": lambda key: base64.urlsafe_b64encode(f"x {key}".encode()).decode().rstrip("="),
}


def _spelling(name: str, status: str, form: str) -> Send:
    async def send(visit: Visit) -> None:
        said = SPELT[name](_key_in(visit.head))
        header = f"X-Request-Id: {said}"
        coded = base64.b64encode(picture()).decode()
        body = form.replace("KEY", said).replace("PICTURE", coded).encode()
        await visit.send(answer(body, header, status=status))

    return send


for _name in SPELT:
    ACTS[f"spells_{_name}_400"] = _spelling(
        _name, "400 Bad", '{"error":{"message":"no good: KEY","code":"KEY","param":"KEY"}}'
    )
    ACTS[f"spells_{_name}_200"] = _spelling(
        _name, "200 OK", '{"data":[{"b64_json":"PICTURE"}],"usage":{"by":"KEY","KEY":[1,"KEY"]}}'
    )
    ACTS[f"spells_{_name}_kept"] = _spelling(_name, "200 OK", '{"note":"your key KEY"}')


PACKED: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstandard.compress,
    "gzip,_br": lambda body: brotli.compress(gzip.compress(body)),
}


def _packing(name: str, status: str, form: str) -> Send:
    async def send(visit: Visit) -> None:
        coded = base64.b64encode(picture()).decode()
        body = form.replace("KEY", _key_in(visit.head)).replace("PICTURE", coded).encode()
        encoding = f"Content-Encoding: {name.replace('_', ' ')}"
        await visit.send(answer(PACKED[name](body), encoding, status=status))

    return send


for _name in PACKED:
    ACTS[f"packs_{_name}_400"] = _packing(_name, "400 Bad", '{"error":{"message":"no: KEY"}}')
    ACTS[f"packs_{_name}_200"] = _packing(
        _name, "200 OK", '{"data":[{"b64_json":"PICTURE"}],"usage":{"by":"KEY"}}'
    )
    ACTS[f"packs_{_name}_kept"] = _packing(_name, "200 OK", '{"note":"your key KEY"}')


# The server.


class Server:
    """
    Two ports with one ledger.
    """

    def __init__(self, ledger: str) -> None:
        self._ledger = ledger
        self.urls: list[str] = []

    async def visited(self, which: int, reader: StreamReader, writer: StreamWriter) -> None:
        try:
            await self._serve(which, reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()

    def _note(self, line: dict[str, object]) -> None:
        with open(self._ledger, "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    async def _serve(self, which: int, reader: StreamReader, writer: StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        start = await _read_body(reader, head)
        target = head.split()[1]
        line = {"which": which, "target": target, "has_key": "authorization:" in head.lower()}
        self._note(line)
        visit = Visit(reader, writer, head, self.urls[which], self.urls[1 - which])
        if head.startswith("GET"):
            await _fetched(visit, target)
            return
        found = _PROMPT.search(start)
        name = found[1].decode() if found else ""
        await ACTS.get(name, ACTS["good"])(visit)


replies("good", GOOD)


async def _read_body(reader: StreamReader, head: str) -> bytes:
    """
    Read a request's body; return how it begins, where the fields stand.
    """
    found = re.search(r"(?im)^content-length: (\d+)", head)
    left, start = int(found[1]) if found else 0, b""
    while left and (piece := await reader.read(min(left, MB))):
        left -= len(piece)
        start += piece[: _KEPT - len(start)]
    return start


def _lines() -> Iterator[str]:
    yield from iter(sys.stdin.readline, "")


async def _main(ledger: str, certificate: str | None = None) -> None:
    server = Server(ledger)
    context = None
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
    scheme = "https" if context else "http"
    for which in (0, 1):
        listening = await asyncio.start_server(
            functools.partial(server.visited, which), "127.0.0.1", 0, ssl=context, limit=MB
        )
        port = listening.sockets[0].getsockname()[1]
        server.urls.append(f"{scheme}://127.0.0.1:{port}/v1")
    sys.stdout.write(" ".join(server.urls) + "\n")
    sys.stdout.flush()
    await asyncio.to_thread(lambda: list(_lines()))


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
