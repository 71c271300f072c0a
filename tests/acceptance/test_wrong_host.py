"""
The key goes to the endpoint it is for: a real listener stands where it must not go, and hears nothing.
"""

import signal
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from canary import CANARY
from process import Station


class Listener:
    """
    Somebody who must not be asked: counts whoever connects, and keeps what they say.
    """

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.heard: list[bytes] = []
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/v1"
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(5)
                self.heard.append(connection.recv(1 << 16))
                connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


@pytest.fixture
def wrong() -> Iterator[Listener]:
    listener = Listener()
    yield listener
    listener.close()


RELAY = "https://relay.invalid/v1"

MISSPELT: dict[str, dict[str, Any]] = {
    "base_url's name": {"endpoint": {"base_ur": RELAY}},
    "base_url's scheme": {"endpoint": {"base_url": RELAY.replace("https", "htps")}},
    "base_url's scheme forgotten": {"endpoint": {"base_url": "relay.invalid/v1"}},
    "base_url's type": {"endpoint": {"base_url": 7}},
    "another key of [endpoint]": {"endpoint": {"base_url": RELAY, "timeout_second": 5}},
    "another value of [endpoint]": {"endpoint": {"base_url": RELAY, "concurrency": 0}},
    "the table's name": {"endpiont": {"base_url": RELAY}},
    "a table nobody knows": {"relay": {"url": RELAY}},
    "the table it stands in": {"intake": {"base_url": RELAY}},
    "a like key in another table": {"edit": {"baseurl": RELAY}},
    "headers that are none": {"endpoint": {"base_url": RELAY, "headers": "x"}},
}


@pytest.mark.parametrize(
    ("case", "command"),
    [
        *((case, "check") for case in MISSPELT),
        *(("base_url's name", each) for each in ("once", "run")),
    ],
)
def test_with_a_fault_about_the_endpoint_nobody_is_asked(
    station: Station, wrong: Listener, case: str, command: str
) -> None:
    """
    The address fell away, and what is left would be another one's: the relay's key stays here.
    """
    sections = MISSPELT[case]
    given = {name: keys for name, keys in sections.items() if name != "endpoint"}
    station.configure(**given)
    text = "".join(f"{key} = {value!r}\n" for key, value in sections.get("endpoint", {}).items())
    lines = station.config.read_text()
    head, _, rest = lines.partition("[endpoint]\n")
    kept = rest.partition("[")[1] + rest.partition("[")[2]
    station.config.write_text(f"{head}[endpoint]\n{text}{kept}")
    station.drop("cat.png")

    code, running = station.call(
        command, RETOUCHD_ENDPOINT__API_KEY=CANARY, OPENAI_BASE_URL=wrong.url
    )

    assert code == 78
    assert wrong.heard == []
    if command == "check":
        assert "nobody was asked" in running.out


def test_a_fault_elsewhere_is_no_reason_not_to_ask(station: Station, wrong: Listener) -> None:
    """
    Every problem is found at once: the endpoint is certain, and is asked.
    """
    station.configure(endpoint={"base_url": wrong.url}, intake={"settle_second": 1})

    code, running = station.call("check")

    assert code == 78
    assert len(wrong.heard) == 1
    assert "nobody was asked" not in running.out


@pytest.mark.parametrize("command", ["check", "once", "run"])
@pytest.mark.parametrize("meant", ["", "https://other.invalid/v1"])
def test_the_key_of_other_programs_goes_nowhere_else(
    station: Station, wrong: Listener, command: str, meant: str
) -> None:
    """
    OPENAI_API_KEY alone, and an address that is neither OPENAI_BASE_URL nor the default: a fault that says
    which variable to set.
    """
    station.config.write_text(f'[folders]\nroot = "."\n[endpoint]\nbase_url = "{wrong.url}"\n')
    station.drop("cat.png")
    others = {"OPENAI_BASE_URL": meant} if meant else {}

    code, running = station.call(command, OPENAI_API_KEY=CANARY, **others)

    assert code == 78
    assert wrong.heard == []
    assert "RETOUCHD_ENDPOINT__API_KEY" in running.out + running.err
    assert "OPENAI_BASE_URL" in running.out + running.err


@pytest.mark.parametrize("source", ["file", "OPENAI_BASE_URL", "another path"])
def test_the_key_of_other_programs_goes_to_their_address(
    station: Station, wrong: Listener, source: str
) -> None:
    """
    Wherever the address is written: scheme, host and port are those of OPENAI_BASE_URL.
    """
    address = {"file": wrong.url, "another path": wrong.url.replace("v1", "openai/v1")}.get(source)
    endpoint = f'[endpoint]\nbase_url = "{address}"\n' if address else ""
    station.config.write_text(f'[folders]\nroot = "."\n{endpoint}')

    station.call("check", OPENAI_API_KEY=CANARY, OPENAI_BASE_URL=wrong.url)

    assert b"Bearer " + CANARY.encode() in wrong.heard[0]


@pytest.mark.parametrize(
    "name", ["Authorization", "api-key", "X-Api-Key", "Ocp-Apim-Subscription-Key"]
)
def test_a_key_among_the_headers_is_the_only_one(
    station: Station, wrong: Listener, name: str
) -> None:
    """
    Whoever names a header for a key has said where it belongs: no other goes along.
    """
    station.configure(endpoint={"base_url": wrong.url, "headers": {name: "the-key-of-the-relay"}})

    station.call("check", OPENAI_API_KEY="sk-another-key-of-others")

    [heard] = wrong.heard
    assert heard.lower().count(b"authorization:") == (name == "Authorization")
    assert b"the-key-of-the-relay" in heard
    assert CANARY.encode() not in heard
    assert b"sk-another" not in heard


def test_a_reload_that_would_send_the_key_elsewhere_is_refused(
    station: Station, wrong: Listener
) -> None:
    """
    The address is misspelt while the daemon runs: the old one stays in force.
    """
    right = station.endpoint()
    station.configure(endpoint={"base_url": right.url})
    running = station.start("run", OPENAI_BASE_URL=wrong.url).ready()
    station.config.write_text(station.config.read_text().replace("base_url", "base_ur"))

    running.tell(signal.SIGHUP)
    running.until(lambda: running.events("configuration.refused"))
    station.drop("cat.png")
    running.until(lambda: running.events("job.done"))

    assert wrong.heard == []
    assert len(right.requests) == 1


def test_a_key_within_the_address_is_not_shown(station: Station, wrong: Listener) -> None:
    """
    Some take it as a part of the query: `check` names the address without it, and the log does too.
    """
    station.configure(endpoint={"base_url": f"{wrong.url}?api-version=2024-02-01&api-key={CANARY}"})

    _, checked = station.call("check")
    running = station.start("run").ready()
    running.end(signal.SIGTERM)

    assert "api-version=2024-02-01" in checked.out.replace("\n", "")
    assert CANARY not in checked.out + running.err
    assert CANARY.encode() in wrong.heard[0]
