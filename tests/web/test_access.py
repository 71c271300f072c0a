"""
Who may ask, decided by the head of a request alone: of all heads, and for the ones that attack.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retouchd.web.access import COOKIE, Access, Head, May, is_trusted

TOKEN, READ = "t" * 16, "r" * 16
OPEN = Access(hosts=frozenset({"127.0.0.1"}))
CLOSED = Access(token=TOKEN, read_token=READ, origins=frozenset({"https://shop.example"}))


def head(
    method: str = "GET",
    path: str = "/api/status.json",
    host: str | tuple[str, ...] = "127.0.0.1:8484",
    scheme: str = "http",
    cookie: str = "",
    **headers: str,
) -> Head:
    named = {key.replace("_", "-"): value for key, value in headers.items()}
    hosts = (host,) if isinstance(host, str) else host
    return Head(
        method=method,
        path=path,
        scheme=scheme,
        headers=named,
        hosts=hosts,
        cookies={COOKIE: cookie} if cookie else {},
    )


def status(access: Access, asked: Head) -> int | None:
    refused = access.refusal(asked)
    return refused.status if refused else None


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.0.0.1:8484",
        "localhost:9000",
        "[::1]:8484",
        "127.9.9.9",
        "a.localhost",
        "LOCALHOST.",
    ],
)
def test_loopback_names_are_answered_without_a_token(host: str) -> None:
    """
    Whatever the port: a tunnel has another one.
    """
    assert status(OPEN, head(host=host)) is None


@pytest.mark.parametrize(
    "host",
    [
        *(
            "evil.example",
            "evil.example:8484",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "0.0.0.0",
        ),
        *(
            "192.168.1.5",
            "",
            "127.0.0.1@evil.example",
            "127.0.0.1/evil",
            "[::1].evil",
            "127.0.0.1:x",
            "0177.0.0.1",
        ),
        *("evil.example#127.0.0.1", "２７.0.0.1", "127.1.evil"),
    ],
)
@pytest.mark.parametrize(
    "path", ["/", "/livez", "/metrics", "/edit/post-0123456789abcdef", "/api/jobs"]
)
def test_another_name_is_misdirected(host: str, path: str) -> None:
    """
    DNS rebinding: a page's own name that leads here gets nothing, pictures and health included.
    """
    assert status(OPEN, head(host=host, path=path)) == 421


def test_one_host_and_no_more_nor_less() -> None:
    assert status(OPEN, head(host=())) == 421
    assert status(OPEN, head(host=("127.0.0.1", "evil.example"))) == 421


def test_with_a_token_any_host_and_nothing_without_it() -> None:
    """
    But for health and the page to log in at.
    """
    there = "photos.example"
    assert status(CLOSED, head(host=there)) == 401
    assert status(CLOSED, head(host=there, path="/livez")) is None
    assert status(CLOSED, head(host=there, path="/readyz")) is None
    assert status(CLOSED, head(host=there, path="/login")) is None
    assert status(CLOSED, head(host=there, path="/livez/../metrics")) == 401
    assert status(CLOSED, head(host=there, authorization=f"Bearer {TOKEN}")) is None
    assert status(CLOSED, head(host=there, authorization=f"bearer {READ}")) is None
    assert status(CLOSED, head(host=there, cookie=CLOSED.cookie(May.ACT))) is None
    assert status(CLOSED, head("POST", "/edit", there, authorization=f"Bearer {TOKEN}")) is None
    assert status(CLOSED, head("POST", "/edit", there, authorization=f"Bearer {READ}")) == 403
    assert status(CLOSED, head("POST", "/edit", there, cookie=CLOSED.cookie(May.LOOK))) == 403


@given(st.text(max_size=40))
def test_no_other_text_is_a_token(text: str) -> None:
    """
    Nor a cookie; those of another token are none of this one's.
    """
    other = Access(token="x" * 16)
    if text not in {TOKEN, READ}:
        assert CLOSED.of_token(text.encode("utf-8", "replace").decode()) is May.NOTHING
    assert status(CLOSED, head(cookie=text or "x")) == 401
    assert status(CLOSED, head(cookie=other.cookie(May.ACT))) == 401
    assert status(CLOSED, head(cookie=TOKEN)) == 401
    assert Access(token=TOKEN).of_token("") is May.NOTHING


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"sec_fetch_site": "same-origin"}, None),
        ({"sec_fetch_site": "none"}, None),
        ({"sec_fetch_site": "cross-site"}, 403),
        ({"sec_fetch_site": "same-site"}, 403),
        ({"origin": "http://127.0.0.1:8484"}, None),
        ({"origin": "http://127.0.0.1"}, 403),
        ({"origin": "https://127.0.0.1:8484"}, 403),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://127.0.0.1:8484/"}, 403),
        ({"origin": "http://127.0.0.1:8484@evil.example"}, 403),
        ({"origin": "https://shop.example"}, 403),
        ({"origin": "http://evil.example", "sec_fetch_site": "cross-site"}, 403),
    ],
)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "MYSTERY"])
def test_a_write_of_another_site_s_page_is_refused(
    headers: dict[str, str], expected: int | None, method: str
) -> None:
    """
    What says neither where it comes from is a program, and passes.
    """
    assert status(OPEN, head(method, "/edit", **headers)) == expected


def test_named_origins_may_act_with_a_token() -> None:
    found = head(
        "POST",
        "/edit",
        "photos.example",
        origin="https://shop.example",
        sec_fetch_site="cross-site",
        authorization=f"Bearer {TOKEN}",
    )

    assert status(CLOSED, found) is None


def test_a_login_is_a_write_too() -> None:
    assert status(CLOSED, head("POST", "/login", origin="http://evil.example")) == 403
    assert status(CLOSED, head("POST", "/login")) is None


def test_only_named_proxies_are_trusted() -> None:
    assert is_trusted("10.1.2.3", ("10.0.0.0/8",))
    assert is_trusted("::1", ("::1",))
    assert is_trusted("", ("127.0.0.1",)), "a Unix socket's"
    assert not is_trusted("11.1.2.3", ("10.0.0.0/8",))
    assert not is_trusted("127.0.0.1", ())
    assert not is_trusted("", ())
