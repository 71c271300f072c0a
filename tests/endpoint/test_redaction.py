"""
Our secrets in what comes back: masked in every place, however the body is cut.
"""

import base64
import html.entities
import json
import os
import time
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from canary import CANARY, says
from retouchd.endpoint.api_key import Secrets

OTHER = "relay/key+of=another:kind"
BODY = f"a{CANARY}b{OTHER}{OTHER}c{CANARY[:-1]}".encode()
MASKED = f"a{'*' * len(CANARY)}b{'*' * (2 * len(OTHER))}c{CANARY[:-1]}".encode()


@pytest.mark.parametrize("size", [1, 2, 7, len(CANARY), 1000])
def test_a_body_is_masked_however_it_is_cut(size: int) -> None:
    """
    A secret may begin in one piece and end in a later one; the length stays.
    """
    secrets = Secrets([CANARY, OTHER])

    pieces = (BODY[at : at + size] for at in range(0, len(BODY), size))

    assert b"".join(secrets.hidden_in(pieces)) == MASKED


def test_a_secret_within_another_leaves_nothing_of_it() -> None:
    """
    The longer one goes first.
    """
    assert Secrets([CANARY, CANARY + "-more"]).hidden(f"x{CANARY}-more") == "x" + "*" * (
        len(CANARY) + 5
    )


@pytest.mark.parametrize("texts", [[], [""], ["photos", "on"]])
def test_short_words_are_no_secrets(texts: list[str]) -> None:
    """
    A header's value may be a group's name.
    """
    secrets = Secrets(texts)

    assert secrets.hidden("photos on é \udcff") == "photos on é \udcff"
    assert b"".join(secrets.hidden_in([b"photos", b" on"])) == b"photos on"


KEYS = st.sampled_from(
    [CANARY, OTHER, "Zm9v/+Yg==&<'_-.~", "aaaaaaaa", "p%41ssword-1", "sk-proj-" + "Ab_9-" * 30]
)
_NAMES = {sign: name for name, sign in html.entities.html5.items() if name.endswith(";")}


def ways(sign: str) -> list[str]:
    """
    Return how one character may be written, each once more than is sensible.
    """
    digits = f"{ord(sign):02x}"
    found = [sign, f"\\u00{digits}", f"\\u00{digits.upper()}", f"\\\\u00{digits}", f"\\x{digits}"]
    found += [
        f"%{digits}",
        f"%{digits.upper()}",
        f"%25{digits}",
        f"&#{ord(sign)};",
        f"&#x{digits};",
    ]
    found += [f"&#X{digits.upper()};", f"&#0{ord(sign)};", f"&amp;#{ord(sign)};"]
    found += [f"\\{sign}"] * (sign in '"/\\') + [f"&{_NAMES.get(sign)}"] * (sign in _NAMES)
    return found


@st.composite
def quoted(draw: Any) -> tuple[str, bytes]:
    """
    Return a key and a text that quotes it, in the spelling of whoever came by.
    """
    key = draw(KEYS)
    words = draw(st.sampled_from([key, f"Bearer {key}", f"x:{key}", f"xy{key}z"]))
    said = words
    if draw(st.booleans()):
        encode = draw(st.sampled_from([base64.b64encode, base64.urlsafe_b64encode]))
        said = encode(words.encode()).decode()
    match draw(st.sampled_from(["mixed", "url", "json", "plain", "hex"])):
        case "mixed":
            said = "".join(draw(st.sampled_from(ways(sign))) for sign in said)
        case "url":
            said = quote(said, safe="")
        case "json":
            said = json.dumps(said)[1:-1].replace("/", r"\/")
        case "hex":
            said = words.encode().hex()
    around = st.sampled_from(["", " ", '"', "; ", "a", "\\n", "<b>", "%20", "&amp;"])
    return key, f"{draw(around)}{said}{draw(around)}".encode()


@settings(deadline=None)
@given(quoted(), st.integers(1, 400))
def test_no_spelling_of_a_key_is_left(said: tuple[str, bytes], size: int) -> None:
    """
    As it is or in base64 of whatever holds it, with any escapes, cut into pieces of any size.
    """
    key, raw = said

    masked = b"".join(
        Secrets([key]).hidden_in(raw[at : at + size] for at in range(0, len(raw), size))
    )

    assert not says(masked, key)
    assert len(masked) == len(raw)


@settings(deadline=None)
@given(st.text(), KEYS)
def test_a_document_can_still_be_read(text: str, key: str) -> None:
    """
    What stands around a key in JSON, with or without slashes escaped, is what it was.
    """
    document = json.dumps({"message": f"{text}\n{key}\t{text}", "n": 1}).replace("/", r"\/")

    masked = json.loads(Secrets([key]).hidden(document))

    assert not says(masked["message"].encode("utf-8", "surrogatepass"), key)
    assert masked["n"] == 1


@pytest.mark.parametrize("slash", ["/", r"\/"])
def test_pictures_are_never_changed(slash: str) -> None:
    """
    Two megabytes of base64, as some relays write it too.
    """
    coded = base64.b64encode(os.urandom(1_500_000)).decode().replace("/", slash)
    body = f'{{"data": [{{"b64_json": "{coded}"}}], "note": "\\u0061 100% &amp;"}}'.encode()

    pieces = (body[at : at + 65536] for at in range(0, len(body), 65536))

    assert b"".join(Secrets([CANARY, OTHER]).hidden_in(pieces)) == body


@pytest.mark.parametrize("own", ["sk-...cdef", "sk-CAN**********cdef", "CANARY", "0123456"])
def test_what_the_endpoint_has_masked_itself_is_left(own: str) -> None:
    """
    A few characters give nothing away, and help whoever looks for the key that is meant.
    """
    assert Secrets([CANARY]).hidden(f"Incorrect key {own}") == f"Incorrect key {own}"


def test_a_long_key_holds_nobody_up() -> None:
    """
    Tokens of companies' gateways have thousands of characters; these searches are made on the event loop.

    Masked as it is, and with each way of escaping, in time that does not grow with the product of both.
    """
    key = "eyJ" + base64.urlsafe_b64encode(os.urandom(3000)).decode()
    escaped = "".join(f"\\u{ord(sign):04x}" for sign in key)
    in_base64 = base64.b64encode(f"Bearer {key}".encode()).decode().replace("A", "&#65;")
    started = time.process_time()

    secrets = Secrets([key, f"Bearer {key}"])
    built = time.process_time() - started
    masked = secrets.hidden(f'{{"one": "{escaped}", "two": "{in_base64}", "three": "{key}"}}')

    assert built < 0.05
    assert time.process_time() - started < 2
    assert not says(masked.encode(), key)
    assert masked.count('"') == 12
