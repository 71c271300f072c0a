"""
Whose proxy is used for what, by the environment alone, and that it is heard as well as a server.
"""

import asyncio
import base64
import contextlib
import socket
import ssl
from pathlib import Path

import pytest

from early_server import MB, close_at_once, error, serving_early
from edits_server import (
    OK,
    Exchange,
    answering,
    asked,
    certificate,
    endpoint,
    fetched,
    serving,
    upload_of,
)
from retouchd.endpoint.addresses import environment_proxies
from retouchd.endpoint.client import EditsClient, FetchFailed, NotSent
from retouchd.errors import ConfigurationError

__all__ = ["certificate"]

PROXY = "http://proxy:3128"


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http", "https", "all", "no"):
        monkeypatch.delenv(f"{name}_proxy", raising=False)
        monkeypatch.delenv(f"{name.upper()}_PROXY", raising=False)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    path.write_bytes(bytes(3 * MB))
    return path


@pytest.mark.parametrize(
    ("exempt", "url", "is_direct"),
    [
        ("10.0.0.0/8", "http://10.1.2.3/v1", True),
        ("10.0.0.0/8", "http://11.1.2.3/v1", False),
        ("10.0.0.0/8", "http://ten.example/v1", False),
        ("10.1.2.3/8", "http://10.9.9.9/v1", True),
        ("10.0.0.0/255.0.0.0", "http://10.1.2.3/v1", True),
        ("a.example, 192.168.0.0/16", "https://192.168.7.7:8443/v1", True),
        ("a.example 192.168.0.0/16", "http://192.168.7.7/v1", True),
        ("a.example,,;192.168.0.0/16,", "http://192.168.7.7/v1", True),
        ("fd00::/8", "http://[fd12::1]/v1", True),
        ("[fd00::]/8", "http://[fd12::1]/v1", True),
        ("FD00::/8", "http://[FD12::1]:8080/v1", True),
        ("fd00::/8", "http://[fe12::1]/v1", False),
        ("fd00::/8", "http://10.0.0.1/v1", False),
        ("10.0.0.0/8", "http://[::ffff:10.0.0.1]/v1", True),
        ("::ffff:10.0.0.0/104", "http://10.0.0.1/v1", True),
        ("10.0.0.1", "http://10.0.0.1:8080/v1", True),
        ("10.0.0.1", "http://10.0.0.11/v1", False),
        ("0.0.1", "http://10.0.0.1/v1", False),
        ("2001:db8::1", "http://[2001:db8:0::1]/v1", True),
        ("[2001:db8::1]", "http://[2001:db8::1]/v1", True),
        ("[2001:db8::1]:8080", "http://[2001:db8::1]:8080/v1", True),
        ("[2001:db8::1]:8080", "http://[2001:db8::1]/v1", False),
        ("10.0.0.1:8080", "http://10.0.0.1:8080/v1", True),
        ("10.0.0.1:8080", "http://10.0.0.1/v1", False),
        ("10.0.0.1:80", "http://10.0.0.1/v1", True),
        ("relay.example:443", "https://relay.example/v1", True),
        ("relay.example:443", "http://relay.example/v1", False),
        ("relay.example", "https://relay.example:8443/v1", True),
        ("relay.example", "https://api.relay.example/v1", True),
        ("relay.example", "https://notrelay.example/v1", False),
        ("RELAY.example", "https://relay.Example/v1", True),
        (".relay.example", "https://api.relay.example/v1", True),
        (".relay.example", "https://relay.example/v1", True),
        (".relay.example:8443", "https://a.relay.example:8443/v1", True),
        ("*.relay.example", "https://api.relay.example/v1", True),
        ("*.relay.example", "https://relay.example/v1", True),
        ("192.168.*", "http://192.168.1.1/v1", True),
        ("192.168.*", "http://192.169.1.1/v1", False),
        ("relay.example.", "https://relay.example/v1", True),
        ("relay.example", "https://relay.example./v1", True),
        ("*", "https://relay.example/v1", True),
        (" * ", "http://10.0.0.1/v1", True),
        ("a.example,*", "https://relay.example/v1", True),
        ("10.0.0.0/33", "http://10.0.0.1/v1", False),
        ("/8", "http://10.0.0.1/v1", False),
        (".", "http://relay.example/v1", False),
        (":", "http://relay.example/v1", False),
        ("http://relay.example", "http://relay.example/v1", False),
        ("", "http://10.0.0.1/v1", False),
        ("", "http://127.0.0.1/v1", True),
        ("", "http://[::1]:8000/v1", True),
        ("", "http://[::ffff:127.0.0.1]/v1", True),
        ("", "http://localhost/v1", True),
        ("", "http://LOCALHOST./v1", True),
        ("", "http://a.localhost/v1", True),
        ("", "http://localhost.example/v1", False),
    ],
)
@pytest.mark.parametrize("name", ["no_proxy", "NO_PROXY"])
def test_whom_no_proxy_exempts(
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    exempt: str,
    url: str,
    is_direct: bool,  # noqa: FBT001
) -> None:
    """
    Names and what is below them, addresses, networks, ports, stars, in any case and with any separators.
    """
    monkeypatch.setenv("ALL_PROXY", PROXY)
    monkeypatch.setenv(name, exempt)

    assert environment_proxies().proxy_of(url) == (None if is_direct else PROXY)


@pytest.mark.parametrize(
    ("environment", "url", "proxy"),
    [
        ({"https_proxy": "a:1"}, "https://relay.example/v1", "http://a:1"),
        ({"HTTPS_PROXY": "http://a:1"}, "https://relay.example/v1", "http://a:1"),
        ({"https_proxy": "a:1", "HTTPS_PROXY": "b:1"}, "https://relay.example/v1", "http://a:1"),
        ({"https_proxy": "", "HTTPS_PROXY": "b:1"}, "https://relay.example/v1", None),
        ({"https_proxy": "a:1", "ALL_PROXY": "b:1"}, "https://relay.example/v1", "http://a:1"),
        ({"http_proxy": "a:1", "all_proxy": "b:1"}, "https://relay.example/v1", "http://b:1"),
        ({"http_proxy": "a:1"}, "https://relay.example/v1", None),
        ({"https_proxy": "https://u:p@a:1"}, "https://relay.example/v1", "https://u:p@a:1"),
    ],
)
def test_which_proxy_is_used(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], url: str, proxy: str | None
) -> None:
    """
    Lower case wins over upper case, the scheme's own over the one for all.
    """
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    assert environment_proxies().proxy_of(url) == proxy


SOCKS = "socks5://u:secret@127.0.0.1:1080"


@pytest.mark.parametrize(
    ("environment", "base_url", "fault"),
    [
        ({"ALL_PROXY": SOCKS}, "https://relay.example/v1", "ALL_PROXY .* socks5 proxy"),
        ({"https_proxy": SOCKS}, "https://relay.example/v1", "HTTPS_PROXY .* socks5 proxy"),
        ({"https_proxy": "http://a:port"}, "https://relay.example/v1", "HTTPS_PROXY .*host:port"),
        ({"https_proxy": "http://:3128"}, "https://relay.example/v1", "HTTPS_PROXY .*host:port"),
        ({"ALL_PROXY": SOCKS, "https_proxy": "a:1"}, "https://relay.example/v1", None),
        ({"ALL_PROXY": SOCKS, "HTTPS_PROXY": "a:1"}, "https://relay.example/v1", None),
        ({"ALL_PROXY": SOCKS, "https_proxy": "a:1"}, "http://relay.example/v1", "ALL_PROXY"),
        ({"http_proxy": SOCKS}, "https://relay.example/v1", None),
        ({"ALL_PROXY": SOCKS}, "http://127.0.0.1:9/v1", None),
        ({"ALL_PROXY": SOCKS, "NO_PROXY": "10.0.0.0/8"}, "http://10.1.1.1/v1", None),
        ({"ALL_PROXY": SOCKS, "no_proxy": "*"}, "https://relay.example/v1", None),
    ],
)
async def test_a_proxy_of_another_kind_is_a_fault_where_it_would_be_used(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], base_url: str, fault: str | None
) -> None:
    """
    By the variable's name and without its password; elsewhere it is somebody else's.
    """
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    expected = (
        contextlib.nullcontext()
        if fault is None
        else pytest.raises(ConfigurationError, match=fault)
    )

    with expected as caught:
        async with EditsClient(endpoint(base_url)):
            pass

    assert "secret" not in str(caught and caught.value)


async def test_a_result_behind_an_unusable_proxy_cannot_be_fetched(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """
    The endpoint itself is reached; what lies elsewhere says why it is not.
    """
    monkeypatch.setenv("all_proxy", SOCKS)
    async with EditsClient(endpoint("http://127.0.0.1:9/v1", allow_private_urls=True)) as client:
        with pytest.raises(FetchFailed, match=r"ALL_PROXY .* socks5"):
            await fetched(client, "http://cdn.example/a.png")


async def test_an_early_answer_through_a_proxy_is_heard(
    monkeypatch: pytest.MonkeyPatch, photo: Path
) -> None:
    """
    A proxy that wants no such upload, or no more of ours, closes as servers do.
    """
    with serving_early(error("407 Proxy", "who_are_you"), close_at_once) as proxy:
        monkeypatch.setenv("http_proxy", proxy.base_url.removesuffix("/v1"))
        async with EditsClient(endpoint("http://relay.invalid/v1")) as client:
            head, _ = await asked(client, upload_of(photo))

    assert head.status == 407


async def tunnelling(exchange: Exchange) -> None:
    """
    Connect to whatever is asked for, as a proxy does.
    """
    host, _, port = exchange.line.split()[1].rpartition(":")
    reader, writer = await asyncio.open_connection(host.strip("[]"), int(port))
    await exchange.send(b"HTTP/1.0 200 Connection established\r\n\r\n")

    async def pass_on(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while piece := await source.read(65_536):
                target.write(piece)
                await target.drain()
        with contextlib.suppress(OSError):
            target.write_eof() if target.can_write_eof() else target.close()

    try:
        await asyncio.gather(pass_on(reader, exchange.writer), pass_on(exchange.reader, writer))
    finally:
        writer.close()


@pytest.mark.parametrize("is_tls_proxy", [False, True], ids=["http", "https"])
async def test_tls_goes_through_a_tunnel(
    monkeypatch: pytest.MonkeyPatch,
    certificate: tuple[Path, ssl.SSLContext],
    photo: Path,
    *,
    is_tls_proxy: bool,
) -> None:
    """
    The proxy hears a name, its own credentials, and nothing of ours; early answers come through it.
    """
    ca_file, context = certificate
    monkeypatch.setattr("retouchd.endpoint.addresses._is_loopback", lambda _host: False)
    options = {"ssl": context} if is_tls_proxy else {}
    scheme = "https" if is_tls_proxy else "http"
    spent = error("402 Payment Required", "insufficient_quota")

    async def refuse(exchange: Exchange) -> None:
        await exchange.send(spent)

    async with serving(tunnelling, **options) as proxy, serving(refuse, ssl=context) as server:
        monkeypatch.setenv("https_proxy", f"{scheme}://me:p%40ss@localhost:{proxy.port}")
        reached = endpoint(f"https://localhost:{server.port}/v1", ca_file=ca_file)
        async with EditsClient(reached) as client:
            head, _ = await asked(client, upload_of(photo))

    assert head.status == 402
    assert proxy.seen[0].line == f"CONNECT localhost:{server.port} HTTP/1.1"
    assert proxy.seen[0].headers == {
        "host": f"localhost:{server.port}",
        "proxy-authorization": "Basic " + base64.b64encode(b"me:p@ss").decode(),
    }
    assert "authorization" in server.seen[0].headers


async def test_a_proxy_that_refuses_a_tunnel_sent_nothing(
    monkeypatch: pytest.MonkeyPatch, photo: Path
) -> None:
    """
    The request never left us.
    """
    refusal = answering(b"HTTP/1.1 403 Forbidden\r\n\r\n")
    async with serving(refusal) as proxy, serving(answering(b"")) as silent:
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy.port}")
        async with EditsClient(endpoint("https://relay.invalid/v1")) as client:
            with pytest.raises(
                NotSent, match=r"does not let us through to relay.invalid \(HTTP 403"
            ):
                await asked(client, upload_of(photo))
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{silent.port}")
        async with EditsClient(endpoint("https://relay.invalid/v1")) as client:
            with pytest.raises(
                NotSent, match=r"the proxy 127.* \(HTTPS_PROXY .*\) closed the connection"
            ):
                await asked(client, upload_of(photo))


@pytest.mark.parametrize("variable", ["http_proxy", "HTTPS_PROXY", "ALL_PROXY"])
async def test_a_proxy_that_is_not_there_is_named_and_not_the_endpoint(
    monkeypatch: pytest.MonkeyPatch, photo: Path, variable: str
) -> None:
    """
    With the variable it came from, so that nobody looks for the fault at the endpoint; without its password.
    """
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        monkeypatch.setenv(variable, f"http://me:secret@127.0.0.1:{port}/")
        scheme = "http" if variable == "http_proxy" else "https"
        async with EditsClient(endpoint(f"{scheme}://relay.invalid/v1")) as client:
            with pytest.raises(NotSent) as caught:
                await asked(client, upload_of(photo))

    assert str(caught.value) == (
        f"the proxy 127.0.0.1:{port} ({variable.upper()} in the environment) cannot be reached: "
        "Connection refused"
    )


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (
            b"HTTP/1.1 407 Who\r\n\r\n",
            "wants a user and a password (HTTP 407): write it as http://user",
        ),
        (b"HTTP/1.1 403 No\r\n\r\n", "does not let us through to relay.invalid (HTTP 403)"),
        (b"HTTP/1.1 302 Portal\r\n\r\n", "does not let us through to relay.invalid (HTTP 302)"),
        (b"HTTP/1.1 502 Bad\r\n\r\n", "cannot connect to relay.invalid either (HTTP 502)"),
        (b"HTTP/1.0 503 No\r\n\r\n", "cannot connect to relay.invalid either (HTTP 503)"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "closed the connection"),
        (b"", "closed the connection"),
    ],
)
async def test_a_proxy_that_refuses_says_so_itself(
    monkeypatch: pytest.MonkeyPatch, photo: Path, answer: bytes, said: str
) -> None:
    """
    What the proxy says is not laid at the endpoint's door.
    """
    async with serving(answering(answer)) as proxy:
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy.port}")
        async with EditsClient(endpoint("https://relay.invalid/v1")) as client:
            with pytest.raises(NotSent) as caught:
                await asked(client, upload_of(photo))

    assert str(caught.value).startswith(
        f"the proxy 127.0.0.1:{proxy.port} (HTTPS_PROXY in the environment) {said}"
    )


@pytest.mark.parametrize("is_proxy_at_fault", [True, False])
async def test_whose_certificate_is_not_trusted_is_told(
    monkeypatch: pytest.MonkeyPatch,
    certificate: tuple[Path, ssl.SSLContext],
    photo: Path,
    *,
    is_proxy_at_fault: bool,
) -> None:
    """
    The proxy's own, or that of the server behind it, which a proxy that looks into TLS makes anew.
    """
    _, context = certificate
    monkeypatch.setattr("retouchd.endpoint.addresses._is_loopback", lambda _host: False)
    options = {"ssl": context} if is_proxy_at_fault else {}
    scheme = "https" if is_proxy_at_fault else "http"
    async with (
        serving(tunnelling, **options) as proxy,
        serving(answering(OK), ssl=context) as server,
    ):
        monkeypatch.setenv("all_proxy", f"{scheme}://localhost:{proxy.port}")
        async with EditsClient(endpoint(f"https://localhost:{server.port}/v1")) as client:
            with pytest.raises(NotSent) as caught:
                await asked(client, upload_of(photo))

    through = f"the proxy localhost:{proxy.port} (ALL_PROXY in the environment)"
    start = (
        f"{through} cannot be reached: its certificate is not trusted"
        if is_proxy_at_fault
        else f"cannot connect to localhost:{server.port} through {through}: its certificate is not"
    )
    assert str(caught.value).startswith(start)


async def test_a_network_that_is_exempt_gets_the_request_itself(
    monkeypatch: pytest.MonkeyPatch, photo: Path
) -> None:
    """
    Neither key nor photo goes to the proxy.
    """
    monkeypatch.setattr("retouchd.endpoint.addresses._is_loopback", lambda _host: False)
    async with serving(answering(OK)) as proxy, serving(answering(OK)) as server:
        monkeypatch.setenv("http_proxy", f"127.0.0.1:{proxy.port}")
        monkeypatch.setenv("no_proxy", "10.0.0.0/8,127.0.0.0/8")
        async with EditsClient(endpoint(server.base_url)) as client:
            await asked(client, upload_of(photo))

    assert (len(proxy.seen), len(server.seen)) == (0, 1)
