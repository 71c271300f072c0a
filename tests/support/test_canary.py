"""
The search for the key: it finds each disguise that it is there for, also among the bytes of a picture.
"""

import base64
import gzip
import random
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest

from canary import CANARY, assert_unsaid

NOISE = random.Random(1).randbytes(200_000)


def _everywhere(form: str) -> str:
    return "".join(form.format(ord(character)) for character in CANARY)


@pytest.mark.parametrize(
    "said",
    [
        CANARY.encode(),
        CANARY.encode().hex().encode(),
        base64.b64encode(b"Bearer " + CANARY.encode() + b" and more"),
        _everywhere("\\u{:04x}").encode(),
        _everywhere("%{:02X}").encode(),
        _everywhere("&#{};").encode(),
        quote(_everywhere("\\u{:04x}"), safe="").encode(),
        CANARY.replace("-", "\\\\u002d").encode(),
    ],
)
@pytest.mark.parametrize("packed", [bytes, gzip.compress])
def test_a_disguised_key_is_found(
    tmp_path: Path, said: bytes, packed: Callable[[bytes], bytes]
) -> None:
    """
    By itself and between bytes that no text has.
    """
    for name, raw in (("alone", said), ("amid", NOISE + b"\0" + said + b"\0" + NOISE)):
        (tmp_path / name).write_bytes(packed(raw))
        with pytest.raises(AssertionError, match="holds the key"):
            assert_unsaid(tmp_path)
        (tmp_path / name).unlink()


def test_bytes_without_the_key_are_none(tmp_path: Path) -> None:
    """
    Noise has whatever looks like an escape.
    """
    (tmp_path / "picture").write_bytes(NOISE)

    assert_unsaid(tmp_path)
