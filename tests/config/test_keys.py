"""
The key: found wherever an operator may have put it, read however it was written down, and named where it is
missing or wrong.
"""

import os
import re
import signal
from pathlib import Path

import pytest

from process import RETOUCHD, Running, Station
from retouchd.config import load
from retouchd.endpoint.api_key import key_in

KEY = "sk-CANARY-1234567890"

READ = {
    "plain": KEY.encode(),
    "a line": f"{KEY}\n".encode(),
    "CRLF": f"{KEY}\r\n".encode(),
    "blank lines": f"\n\n  {KEY}\t\n\n".encode(),
    "a BOM": b"\xef\xbb\xbf" + KEY.encode(),
    "UTF-16": f"{KEY}\r\n".encode("utf-16"),
    "UTF-16 of the other order": b"\xfe\xff" + KEY.encode("utf-16-be"),
    "UTF-16 without a mark": KEY.encode("utf-16-le"),
    "quotes": f'"{KEY}"'.encode(),
    "quotes of a word processor": f"“{KEY}”".encode(),
    "a variable": f"OPENAI_API_KEY={KEY}\n".encode(),
    "a line of a shell": f"export OPENAI_API_KEY='{KEY}'\n".encode(),
    "a line of TOML": f'api_key = "{KEY}"\n'.encode(),
    "a header": f"Authorization: Bearer {KEY}\n".encode(),
    "a comment": f"# of the shop\n{KEY}\n".encode(),
    "a file of variables": f"OPENAI_ORG=org-1\nOPENAI_API_KEY={KEY}\n".encode(),
    "signs that nobody sees": f"\u200b{KEY}\u00a0\ufeff".encode(),
    "no newline but NUL": f"{KEY}\0".encode(),
}

REFUSED = {
    "nothing": (b"", "is empty"),
    "a newline": (b"\r\n", "is empty"),
    "a comment alone": (b"# my key\n", "is empty"),
    "quotes alone": (b'""', "is empty"),
    "two keys": (f"{KEY}\n{KEY}2\n".encode(), "holds 2 lines"),
    "another tongue": (f"{KEY}密".encode(), "a character that no key has"),
    "no text": (b"\x89PNG\r\n\x1a\n", "is not text"),
    "a variable without a value": (b"OPENAI_API_KEY=\n", "is empty"),
}


def without_key(station: Station, **endpoint: object) -> None:
    station.configure(endpoint=endpoint)
    text = station.config.read_text("utf-8")
    station.config.write_text(re.sub(r"(?m)^api_key = .*\n", "", text), "utf-8")


def wanting(station: Station, key: str = KEY) -> str:
    """
    Start an endpoint that takes one key alone; return its address.
    """
    endpoint = station.run(RETOUCHD, "sandbox", "--port", "0", "--key", key)
    endpoint.until(lambda: "The key is" in endpoint.out)
    url = re.search(r"http://\S+/v1", endpoint.out)
    assert url is not None
    return url[0]


def finding(running: Running, what: str) -> str:
    return next(line for line in running.out.splitlines() if line.strip().startswith(what))


@pytest.mark.parametrize("form", READ)
def test_a_key_is_read_as_it_was_written_down(form: str) -> None:
    """
    Whatever an editor, a shell or a copied line put around it.
    """
    assert key_in(READ[form]) == KEY


@pytest.mark.parametrize("form", REFUSED)
def test_what_is_no_key_is_told_and_never_quoted(form: str) -> None:
    """
    An empty file, two keys, or a picture under the name of a key.
    """
    raw, reason = REFUSED[form]

    with pytest.raises(ValueError, match=reason) as refusal:
        key_in(raw)

    assert "CANARY" not in str(refusal.value)


def test_no_key_at_all(station: Station) -> None:
    """
    Where the endpoint wants one: `check` and `once` say so, and where to set it; nothing is lost.
    """
    without_key(station, base_url=wanting(station))
    station.drop("cat.png")

    code, looked = station.call("check")
    worked_code, worked = station.call("once")

    assert (code, worked_code) == (75, 75)
    for text in (finding(looked, "endpoint"), worked.out):
        assert "No key is set" in text
        assert "endpoint.api_key_file" in text
        assert "RETOUCHD_ENDPOINT__API_KEY" in text
    assert station.tree("inbox") == ["cat.png", "cat.txt"]


def test_an_endpoint_that_needs_no_key_gets_none(station: Station) -> None:
    """
    A local server does its work without, and `check` says that none is set.
    """
    without_key(station, base_url=station.endpoint().url)
    station.drop("cat.png")

    code, looked = station.call("check")
    worked_code, _ = station.call("once")

    assert (code, worked_code) == (0, 0)
    assert "no key" in finding(looked, "endpoint")
    assert station.tree("outbox") == ["cat.png"]


def test_the_key_of_others_is_no_matter_where_none_is_sent(station: Station) -> None:
    """
    OPENAI_API_KEY is another endpoint's; a local one that wants no key is told so and does its work.
    """
    without_key(station, base_url=station.endpoint().url, auth="None")
    station.drop("cat.png")

    _, looked = station.call("check", OPENAI_API_KEY=KEY)
    code, _ = station.call("once", OPENAI_API_KEY=KEY)

    assert code == 0
    assert "none is set" in finding(looked, "endpoint")
    assert station.tree("outbox") == ["cat.png"]


def test_openai_is_not_asked_without_a_key(station: Station) -> None:
    """
    78 before anything is uploaded; who only looks on or drops a picture is not in the way.
    """
    without_key(station, base_url="https://api.openai.com/v1")

    code, running = station.call("run")
    looked = station.call("status")[0]

    assert (code, looked) == (78, 3)
    assert "No key is set, and api.openai.com wants one" in running.err
    assert "Traceback" not in running.err


def test_each_source_is_named_where_its_key_is_wrong(station: Station) -> None:
    """
    The variable, the file, the credential of the unit with the word restart, the configuration.
    """
    url = wanting(station)
    file = station.root / "its.key"
    folder = station.root / "credentials/retouchd@shop.service"
    folder.mkdir(parents=True)
    for path in (file, folder / "api_key"):
        path.write_text("sk-wrong\n")
    credential = {"CREDENTIALS_DIRECTORY": os.fspath(folder)}
    own = {"RETOUCHD_ENDPOINT__API_KEY": "sk-wrong"}

    def said(**environment: str) -> str:
        code, running = station.call("check", **environment)
        assert code == 75
        assert "does not accept the key" in running.out
        return finding(running, "endpoint")

    without_key(station, base_url=url)
    assert "OPENAI_API_KEY" in said(OPENAI_API_KEY="sk-wrong", OPENAI_BASE_URL=url)
    told = said(**credential)
    assert "the credential api_key of retouchd@shop.service" in told
    assert "systemctl restart retouchd@shop" in told
    station.configure(endpoint={"base_url": url, "api_key": "sk-wrong"})
    assert f"endpoint.api_key in {station.config}" in said()
    without_key(station, base_url=url, api_key_file="its.key")
    assert os.fspath(file) in said(**credential)
    assert "RETOUCHD_ENDPOINT__API_KEY" in said(**credential, **own)
    file.write_text(f"OPENAI_API_KEY={KEY}\n", "utf-16")
    code, running = station.call("check")
    assert code == 0
    assert f"takes the key from {file}" in finding(running, "endpoint")
    file.unlink()


def test_a_key_file_that_cannot_be_used(station: Station) -> None:
    """
    78 with its name; nobody is asked without the key that was meant, and the status needs no key.
    """
    without_key(station, base_url=station.endpoint().url, api_key_file="its.key")
    file = station.root / "its.key"

    def said() -> str:
        code, running = station.call("check")
        assert code == 78
        assert os.fspath(file) in running.out
        assert "nobody was asked" in running.out
        assert "Traceback" not in running.err
        return running.out

    assert "no such file" in said()
    file.touch()
    assert "is empty" in said()
    file.unlink()
    file.mkdir()
    assert "a folder" in said()
    file.rmdir()
    os.mkfifo(file)
    assert "a pipe" in said()
    assert station.call("status")[0] == 3


def test_a_missing_credential_names_its_file(station: Station) -> None:
    """
    Our units hand over the name of the file that is not there, and retouchd tells it.
    """
    folder = station.root / "credentials/retouchd@shop.service"
    folder.mkdir(parents=True)
    unit = Path(__file__).parents[2] / "systemd/retouchd@.service"
    lines = unit.read_text("utf-8").splitlines()
    line = next(each for each in lines if each.startswith("SetCredential="))
    (folder / "api_key").write_text(line.partition("api_key:")[2])
    without_key(station, base_url=wanting(station))

    code, running = station.call("check", CREDENTIALS_DIRECTORY=os.fspath(folder))

    assert code == 75
    told = finding(running, "endpoint")
    assert "No key is set" in told
    assert "/etc/retouchd/shop.key" in told
    assert "systemctl restart retouchd@shop" in told


def test_a_new_key_in_its_file_needs_a_reload_alone(station: Station) -> None:
    """
    The pause names the file; a reload reads it anew, and the picture goes on.
    """
    file = station.root / "its.key"
    file.write_text("sk-wrong\n")
    without_key(station, base_url=wanting(station), api_key_file="its.key")
    station.drop("cat.png")
    running = station.start("run")

    running.until(lambda: running.events("daemon.paused"))
    reason = running.events("daemon.paused")[0]["reason"]
    assert f"does not accept the key from {file}" in reason
    assert f"Put a valid key into {file}" in reason
    file.write_text(f"{KEY}\n")
    running.tell(signal.SIGHUP)
    running.until(lambda: station.tree("done"))
    assert running.end(signal.SIGTERM) == 0
    file.unlink()


@pytest.mark.parametrize(
    ("auth", "is_told"), [("", False), ('auth = "bearer"', False), ('auth = "api-key"', True)]
)
def test_another_way_to_send_the_key_is_told_with_what_to_do(
    tmp_path: Path, auth: str, is_told: object
) -> None:
    """
    A valid key is turned away as well where nobody looks for it.
    """
    path = tmp_path / "config.toml"
    path.write_text(f'[endpoint]\nstyle = "xai"\napi_key = "{KEY}"\n{auth}\n')
    config, faults = load(path)

    assert config is not None
    assert faults == []
    assert ("endpoint.auth" in config.endpoint.key_source.remedy) is is_told
