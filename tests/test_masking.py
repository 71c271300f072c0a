"""
Our secrets in what comes back: masked in every place, however the body is cut.
"""

import pytest

from canary import CANARY
from retouchd.adapters.masking import Secrets

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
