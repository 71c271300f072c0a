"""
Base64 as relays send it: the quick way and the strict one must never differ.
"""

import base64
import binascii
from itertools import pairwise

from hypothesis import example, given
from hypothesis import strategies as st

from retouchd.answer.stored_answer import Decoder

_TEXTS = st.one_of(
    st.binary(max_size=64).map(base64.b64encode),
    st.binary(max_size=64).map(base64.urlsafe_b64encode),
    st.text("AQgw/+-_=\r\n \t!é", max_size=40).map(str.encode),
)


def judged(text: bytes) -> bytes | None:
    """
    Return what the standard library takes a text for, strictly, once spaces and alphabet are in order.
    """
    plain = text.translate(bytes.maketrans(b"-_", b"+/"), b" \t\r\n").rstrip(b"=")
    try:
        return binascii.a2b_base64(plain + b"=" * (-len(plain) % 4), strict_mode=True)
    except binascii.Error:
        return None


def decoded(pieces: list[bytes]) -> bytes | None:
    decoder = Decoder()
    try:
        return b"".join([*map(decoder.take, pieces), decoder.end()])
    except binascii.Error:
        return None


@given(texts=st.lists(_TEXTS, max_size=4), cuts=st.lists(st.integers(0, 160), max_size=5))
@example(texts=[b"AAAA====", b"===="], cuts=[4])
@example(texts=[b"AA==", b"\n"], cuts=[4])
@example(texts=[b"AA==", b"AAAA"], cuts=[4])
@example(texts=[b"AB=="], cuts=[])
@example(texts=[b"AA==", b"AA=="], cuts=[])
def test_however_it_is_cut_it_is_what_the_standard_library_says(
    texts: list[bytes], cuts: list[int]
) -> None:
    """
    White space anywhere, the alphabet of URLs, padding too much or left out; nothing behind padding.
    """
    text = b"".join(texts)
    places = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    pieces = [text[start:end] for start, end in pairwise(places)]

    assert judged(text) == decoded(pieces)
