"""
Responses read leniently: every head that has a status line, every byte of a body (issue 14, A2).
"""

import itertools
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retouchd.endpoint.response import HeadReader, ResponseHead, body_of

Pairs = dict[bytes, bytes]
OK = b"HTTP/1.1 200 OK"


def head_of(data: bytes, step: int = 1 << 20) -> ResponseHead | None:
    """
    Return the head of a response that comes in pieces of so many bytes, then the connection's end.
    """
    reader = HeadReader()
    for start in range(0, len(data), step):
        if head := reader.take(data[start : start + step]):
            rest = head.rest + data[start + step :]
            return ResponseHead(status=head.status, headers=head.headers, rest=rest)
    return reader.ended()


def body(data: bytes, step: int = 1 << 20) -> tuple[bytes, bool]:
    """
    Return the body of a whole response, and whether it is whole when the connection ends.
    """
    head = head_of(data)
    assert head is not None
    reader = body_of(head)
    got = [reader.take(head.rest[start : start + step]) for start in range(0, len(head.rest), step)]
    return b"".join(got), reader.is_whole or reader.may_end


@pytest.mark.parametrize("step", [1, 3, 1 << 20])
@pytest.mark.parametrize(
    ("data", "status", "headers"),
    [
        (b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n", 200, {b"a": b"b"}),
        (b"HTTP/1.1 200 OK\nA: b\n\n", 200, {b"a": b"b"}),
        (b"HTTP/1.1 200 OK\r\nA: b\n\r\n", 200, {b"a": b"b"}),
        (b"HTTP/1.1 401\r\n\r\n", 401, {}),
        (b"HTTP/1.1 401 \r\n\r\n", 401, {}),
        (b"HTTP/1.1  402  Payment\r\n\r\n", 402, {}),
        (b"HTTP/1.1 200OK\r\n\r\n", 200, {}),
        (b"http/1.1 200 ok\r\n\r\n", 200, {}),
        (b"HTTP/1 200 OK\r\n\r\n", 200, {}),
        (b"HTTP/2 200\r\n\r\n", 200, {}),
        (b"HTTP/ 200 OK\r\n\r\n", 200, {}),
        (b"HTTP 200 OK\r\n\r\n", 200, {}),
        (b"HTTP/1.1\t200\tOK\r\n\r\n", 200, {}),
        (b" HTTP/1.1 200 OK\r\n\r\n", 200, {}),
        (b"HTTP/1.1 200 \xe5\xa5\xbd\x00\x7f\r\n\r\n", 200, {}),
        (b"HTTP/1.1 999 Odd\r\n\r\n", 999, {}),
        (b"\r\n\n\r\nHTTP/1.1 200 OK\r\n\r\n", 200, {}),
        (b"\xef\xbb\xbfgarbage\r\n--\r\n\r\nHTTP/1.1 200 OK\r\nA: b\r\n\r\n", 200, {b"a": b"b"}),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nA: b\r\n\r\n", 200, {b"a": b"b"}),
        (b"HTTP/1.1 100 Continue\r\nB: c\r\n\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", 200, {}),
        (OK + b"\r\nA: b\r\n  c\r\n\td\r\n\r\n", 200, {b"a": b"b c d"}),
        (OK + b"\r\n folded first\r\nA: b\r\n\r\n", 200, {b"a": b"b"}),
        (OK + b"\r\nno colon\r\n folded\r\nA: b\r\n\r\n", 200, {b"a": b"b"}),
        (OK + b"\r\nA B: c\r\nD: e\r\n\r\n", 200, {b"d": b"e"}),
        (OK + b"\r\nA : b\r\n\r\n", 200, {b"a": b"b"}),
        (OK + b"\r\n: b\r\nA:\r\n\r\n", 200, {b"a": b""}),
        (OK + b"\r\nA: x\x00y\r\nB: c\r\n\r\n", 200, {b"b": b"c"}),
        (OK + b"\r\nA\x01: b\r\nB: c\r\n\r\n", 200, {b"b": b"c"}),
        (OK + b"\r\nA: b\x00\r\n c\r\nB: c\r\n\r\n", 200, {b"b": b"c"}),
        (OK + b"\r\nA: b\r\n c\x07\r\nB: c\r\n\r\n", 200, {b"b": b"c"}),
        (OK + b"\r\nA: \xe7\x8c\xab\r\n\r\n", 200, {b"a": b"\xe7\x8c\xab"}),
        (OK + b'\r\n{"error": 1}\r\nB: c\r\n\r\n', 200, {b"b": b"c"}),
        (OK + b"\r\nA: b\rC: d\r\nB: c\r\n\r\n", 200, {b"b": b"c"}),
        (OK + b"\r\nA: b\r\nB: torn", 200, {b"a": b"b"}),
    ],
)  # fmt: skip
def test_a_head_is_read_as_far_as_it_can_be(
    data: bytes, status: int, headers: Pairs, step: int
) -> None:
    """
    The status and what is well-formed stay, lines that are not are dropped.
    """
    head = head_of(data, step)

    assert head is not None
    assert (head.status, dict(head.headers)) == (status, headers)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\r\n\r\n",
        b"<html>HTTP/1.1 200 OK</html>\r\n\r\n",
        b"\x15\x03\x01\x00\x02\x02\x28" * 1000,
        b"HTTP/1.1 OK\r\n\r\n",
        b"HTTP/1.1 20\r\n\r\n",
        b"HTTP/1.1 2000\r\n\r\n",
        b"HTTP/1.1 099 Low\r\n\r\n",
        b"HTTP/1.1 200 O",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"x" * 100_000 + b"HTTP/1.1 200 OK\r\n\r\n",
    ],
)
def test_without_a_status_line_there_is_no_head(data: bytes) -> None:
    assert head_of(data) is None
    assert head_of(data, 7) is None


def test_a_long_head_is_read_to_its_end() -> None:
    """
    Megabytes of headers neither fill memory nor hide how long the body is.
    """
    many = b"".join(b"X-%d: %s\r\n" % (n, b"y" * 50) for n in range(50_000))
    long = b"A: " + b"x" * (8 << 20) + b"\r\n and more of it\r\n"

    head = head_of(OK + b"\r\n" + long + many + b"Content-Length: 2\r\n\r\n{}", 100_000)

    assert head is not None
    assert (head.values(b"content-length"), head.rest) == ([b"2"], b"{}")
    assert sum(len(name) + len(value) for name, value in head.headers) <= 70_000
    assert head.headers[0][0] == b"x-0"


def test_a_head_that_never_ends_takes_no_memory() -> None:
    """
    Neither as one line nor as a header folded for ever.
    """
    reader = HeadReader()
    assert reader.take(OK + b"\r\nA: b\r\n") is None
    for _ in range(3000):
        assert reader.take(b" folded" * 100 + b"\r\n") is None
    head = reader.ended()

    assert head is not None
    assert sum(len(value) for _, value in head.headers) <= 70_000


def response(body: bytes, *headers: bytes) -> bytes:
    return b"\r\n".join([OK, *headers, b"", body])


DOCUMENT = b'{"data": [{"b64_json": "iVBORw0KGgo="}]}'
SIZE = b"%x" % len(DOCUMENT)
CHUNK = b"%s\r\n%s\r\n" % (SIZE, DOCUMENT)
CHUNKED = b"Transfer-Encoding: chunked"
LENGTH = b"Content-Length: %d" % len(DOCUMENT)


@pytest.mark.parametrize("step", [1, 7, 1 << 20])
@pytest.mark.parametrize(
    ("data", "is_whole"),
    [
        (response(DOCUMENT, LENGTH), True),
        (response(DOCUMENT), True),
        (response(DOCUMENT, b"Content-Length : %d" % len(DOCUMENT)), True),
        (response(DOCUMENT, b"Content-Length: 1000"), False),
        (response(DOCUMENT, b"Content-Length: 3"), True),
        (response(DOCUMENT, b"Content-Length: 0"), True),
        (response(DOCUMENT, b"Content-Length: -1"), True),
        (response(DOCUMENT, b"Content-Length: many"), True),
        (response(DOCUMENT, b"Content-Length: 99999999999999999999"), True),
        (response(DOCUMENT, LENGTH, b"Content-Length: 3"), True),
        (response(DOCUMENT, b"Content-Length: 3, 4"), True),
        (response(DOCUMENT, LENGTH, LENGTH), True),
        (response(DOCUMENT, b"Content-Length:", LENGTH), True),
        (response(CHUNK + b"0\r\n\r\n", CHUNKED), True),
        (response(CHUNK + b"0\n\n", CHUNKED), True),
        (response(CHUNK.replace(b"\r\n", b"\n") + b"0\n\n", CHUNKED), True),
        (response(CHUNK + b"0", CHUNKED), False),
        (response(CHUNK + b"0\r\nTrailer: x\r\n\r\n", CHUNKED), True),
        (response(CHUNK, CHUNKED), False),
        (response(CHUNK[:-2], CHUNKED), False),
        (response(b"000" + CHUNK + b"0\r\n\r\n", CHUNKED), True),
        (response(CHUNK.replace(b"\r\n", b" ;x=y\r\n", 1) + b"0\r\n\r\n", CHUNKED), True),
        (response(CHUNK + b"0\r\n\r\n", CHUNKED, b"Content-Length: 3"), True),
        (response(CHUNK + b"0\r\n\r\n", b"Transfer-Encoding: gzip, Chunked"), True),
        (response(DOCUMENT, CHUNKED), True),
        (response(DOCUMENT, CHUNKED, LENGTH), True),
        (response(DOCUMENT, CHUNKED, b"Content-Length: 1000"), False),
        (response(DOCUMENT, b"Transfer-Encoding: identity"), True),
        (response(DOCUMENT, LENGTH) + b"HTTP/1.1 400 Bad\r\n\r\n", True),
    ],
)
def test_every_byte_of_a_body_is_read(data: bytes, is_whole: bool, step: int) -> None:  # noqa: FBT001
    """
    Whatever was said of its length; what is known to be missing is said.
    """
    got, whole = body(data, step)

    assert got.startswith(DOCUMENT)
    if b"400 Bad" not in data or step == 1 << 20:
        assert (got, whole) == (DOCUMENT, is_whole)


@pytest.mark.parametrize(
    ("broken", "got"),
    [
        (CHUNK + b"zz\r\nmore", DOCUMENT + b"zz\r\nmore"),
        (CHUNK + b"f" * 30 + b"\r\nmore", DOCUMENT + b"f" * 30 + b"\r\nmore"),
        (CHUNK + b"-5\r\nmore", DOCUMENT + b"-5\r\nmore"),
        (CHUNK + b'{"more": 1}', DOCUMENT + b'{"more": 1}'),
        (CHUNK + b";" * 9000, DOCUMENT + b";" * 9000),
        (CHUNK + b"400\r\nmore", DOCUMENT + b"more"),
    ],
)
def test_broken_chunks_bring_what_there_is(broken: bytes, got: bytes) -> None:
    """
    Behind them comes everything as it is, and it is not whole.
    """
    for step in (1, 5, 1 << 20):
        assert body(response(broken, CHUNKED), step) == (got, False)


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
def test_some_answers_have_no_body(status: bytes) -> None:
    head = head_of(b"HTTP/1.1 " + status + b"\r\n\r\n")

    assert head is not None
    assert body_of(head).is_whole


@given(data=st.binary(max_size=400), cuts=st.lists(st.integers(0, 400), max_size=6))
def test_no_cut_changes_what_is_read(data: bytes, cuts: list[int]) -> None:
    """
    In however many pieces it comes, whatever it is.
    """
    alike = data.replace(b"\x01", b"\r\n").replace(b"\x02", b": ").replace(b"\x03", b"\r\n ")
    whole = head_of(OK + b"\r\n" + alike)
    reader = HeadReader()
    text = OK + b"\r\n" + alike
    places = [0, *sorted(cuts), len(text)]
    head, rest = None, b""
    for start, end in itertools.pairwise(places):
        if head is not None:
            rest += text[start:end]
        elif head := reader.take(text[start:end]):
            rest = head.rest
    head = head or reader.ended()

    assert head is not None
    assert whole is not None
    assert (head.headers, rest) == (whole.headers, whole.rest)


@given(chunks=st.lists(st.binary(min_size=1, max_size=50)), step=st.integers(1, 60))
def test_chunks_are_put_together(chunks: list[bytes], step: int) -> None:
    framed = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)

    assert body(response(framed + b"0\r\n\r\n", CHUNKED), step) == (b"".join(chunks), True)


@pytest.mark.parametrize("step", [1, 3, 1 << 20])
def test_of_what_is_no_chunk_every_byte_arrives(step: int) -> None:
    """
    A return that ends no line belongs to it; empty lines before it end chunks.
    """
    data = response(b"1\r\na\r\n\n\rnothing of a chunk", CHUNKED)

    assert body(data, step) == (b"a\rnothing of a chunk", False)


@pytest.mark.parametrize("piece", [b"\n", b"\r\n", b" \n", b"1\r\n \r\n", b"0;"], ids=repr)
def test_a_body_in_the_smallest_chunks_is_read_in_linear_time(piece: bytes) -> None:
    """
    The loop belongs to all jobs.
    """

    def seconds(length: int) -> float:
        data = piece * (length // len(piece))
        head = ResponseHead(status=200, headers=((b"transfer-encoding", b"chunked"),))
        took = []
        for _ in range(3):
            reader = body_of(head)
            began = time.thread_time()
            reader.take(data)
            took.append(time.thread_time() - began)
        return min(took)

    seconds(1000)
    assert seconds(512 << 10) < 20 * max(seconds(64 << 10), 0.001)
