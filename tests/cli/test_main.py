"""
The commands by themselves: help, usage, `init`, `sandbox`, and the exit codes of what cannot start.
"""

import http.client
import os
import signal
import socket
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from process import RETOUCHD, Running, Station
from retouchd import __version__
from retouchd.cli.compose import settings_from
from retouchd.cli.init import make

COMMANDS = (
    "init",
    "check",
    "run",
    "once",
    "submit",
    "status",
    "retry",
    "reindex",
    "demo",
    "sandbox",
)
FOLDERS = ("inbox", "outbox", "review", "done", "error", "work")


# Help, version, usage.


def test_every_command_explains_itself(station: Station) -> None:
    """
    `--help` shows how a command is used and ends well; without a command it shows them all.
    """
    asked = {name: station.run(RETOUCHD, name, "--help") for name in COMMANDS}
    asked[""] = station.run(RETOUCHD, "--help")

    for name, running in asked.items():
        assert running.end() == 0
        assert f"Usage: retouchd {name}".strip() in running.out
        assert running.err == ""
    for name in COMMANDS:
        assert f" {name} " in asked[""].out
    assert all(len(line) <= 80 for line in asked[""].out.splitlines())
    assert "..." not in asked[""].out.partition("Commands:")[2]


@pytest.mark.parametrize("command", [(RETOUCHD,), (sys.executable, "-m", "retouchd")])
def test_the_version_is_shown(station: Station, command: tuple[str, ...]) -> None:
    """
    By its own name and as a module it is the same program.
    """
    running = station.run(*command, "--version")

    assert running.end() == 0
    assert running.out == f"retouchd {__version__}\n"


def test_help_is_quick(station: Station) -> None:
    """
    To explain itself it loads neither the client, nor Pillow, nor the watcher.
    """
    running = station.run(sys.executable, "-X", "importtime", "-m", "retouchd", "--help")

    assert running.end() == 0
    loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in running.err.split("\n")}
    assert "retouchd" in loaded
    assert loaded.isdisjoint({"httpx", "PIL", "watchdog"})


def test_wrong_usage_ends_with_2(station: Station) -> None:
    """
    A command or an option that does not exist is named, without a traceback.
    """
    wrong = [
        ("--nope",),
        ("nope",),
        ("run", "--nope"),
        ("once", "--nope"),
        ("sandbox", "--port", "x"),
    ]
    asked = {words: station.run(RETOUCHD, *words) for words in wrong}

    for words, running in asked.items():
        assert running.end() == 2
        assert words[-1] in running.err or words[-2] in running.err
        assert "Traceback" not in running.err


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (("statsu",), "status"),
        (("once", "--dry-rum"), "--dry-run"),
        (("submit", "--promt"), "--prompt"),
    ],
)
def test_the_nearest_word_is_named(station: Station, words: tuple[str, ...], meant: str) -> None:
    """
    A misspelt command or option comes with the one that was meant.
    """
    code, running = station.bare(*words)

    assert code == 2
    assert f"Did you mean '{meant}'?" in running.err


def test_curly_quotes_are_named(station: Station) -> None:
    """
    Editors and web pages put them in place of straight ones.
    """
    station.config.write_text("[endpoint]\nbase_url = “https://relay.example/v1”\n", "utf-8")

    code, running = station.call("check")

    assert code == 78
    assert "config.toml is not valid TOML: line 2: " in running.err + running.out
    assert 'straight "quotes"' in running.err + running.out


# init.


def test_init_makes_folders_and_a_configuration_that_loads(station: Station) -> None:
    """
    Five folders and a config.toml that leads to them; it says what was made and where to drop.
    """
    there = station.root / "photos" / "hot"

    code, running = station.bare("init", "photos/hot")

    assert code == 0
    assert {path.name for path in there.iterdir()} == {*FOLDERS, "config.toml"}
    _, settings, _ = settings_from(there / "config.toml")
    assert settings.folders.inbox == there / "inbox"
    assert settings.allowance.images_per_day == 200, "an archive dropped by mistake costs so much"
    assert "200 pictures a day" in running.out
    for place in ("photos/hot/config.toml", os.fspath(there / "inbox")):
        assert place in running.out


def test_init_goes_to_retouch_by_default(station: Station) -> None:
    """
    Without a folder it makes ./retouch, and names the configuration only where the commands would take another.
    """
    _, second = station.bare("init")
    station.config.unlink()
    code, running = station.bare("init")

    assert code == 0
    assert "retouchd check\n" in running.out
    assert "retouchd check --config retouch/config.toml\n" in second.out
    assert (station.root / "retouch" / "config.toml").is_file()


def test_commands_find_what_init_made_here(station: Station) -> None:
    """
    The first hour: `init`, then any command, in the same folder and without an option.
    """
    station.config.unlink()
    station.bare("init")
    made = station.root / "retouch"
    station.drop("cat.png")
    for path in station.folders.inbox.iterdir():
        path.rename(made / "inbox" / path.name)

    environment = {"RETOUCHD_ENDPOINT__BASE_URL": "sandbox"}
    checked, check = station.bare("check", **environment)
    once, _ = station.bare("once", **environment)
    _, status = station.bare("status")
    retried, retry = station.bare("retry", "--all")

    assert (checked, once, retried) == (0, 0, 0), check.out + retry.err
    assert f"{made / 'config.toml'}: every key is known" in check.out
    assert (made / "outbox/cat.png").is_file()
    assert "1 done" in status.out


@pytest.mark.parametrize(
    ("locale", "encoding"),
    [
        ("zh_CN.UTF-8", "gb18030"),
        ("zh_TW.UTF-8", "cp950"),
        ("ja_JP.UTF-8", "cp932"),
        ("ko_KR.UTF-8", "cp949"),
        ("ru_RU.UTF-8", "cp1251"),
        ("de_DE.UTF-8", None),
    ],
)
def test_init_names_the_encoding_of_the_language(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, locale: str, encoding: str | None
) -> None:
    """
    Where editors save what is no Unicode in the language's own encoding, prompts are read so.
    """
    monkeypatch.setenv("LC_ALL", locale)
    umask = os.umask(0o022)
    try:
        make(tmp_path / "hot")
    finally:
        os.umask(umask)

    config, settings, _ = settings_from(tmp_path / "hot" / "config.toml")
    assert config.intake.text_encoding == encoding
    assert settings.text_encoding == encoding


def test_init_is_told_the_language_by_its_environment(station: Station) -> None:
    """
    As a shell has it.
    """
    code, _ = station.bare("init", "hot", LC_ALL="zh_CN.UTF-8")

    assert code == 0
    assert settings_from(station.root / "hot" / "config.toml")[1].text_encoding == "gb18030"


def test_init_never_overwrites(station: Station) -> None:
    """
    A changed config.toml and a waiting photo stay as they are; only what is missing is made.
    """
    station.drop("cat.png")
    station.folders.done.rmdir()
    before, mine = station.originals(), station.config.read_bytes()

    code, running = station.bare("init", ".")

    assert code == 0
    assert station.config.read_bytes() == mine
    assert station.originals() == before
    assert station.folders.done.is_dir()
    assert "left as it is" in running.out


@pytest.mark.parametrize("place", ["config.toml", "config.toml/below"])
def test_init_into_a_place_that_cannot_be_made(station: Station, place: str) -> None:
    """
    A file in the way is a fault of 78, told in a sentence for each folder.
    """
    mine = station.config.read_bytes()

    code, running = station.bare("init", place)

    assert code == 78
    for name in FOLDERS:
        assert f"{station.root / place / name} cannot be made" in running.err
    assert "Traceback" not in running.err
    assert station.config.read_bytes() == mine


# What cannot start.


def test_a_second_daemon_is_refused(station: Station) -> None:
    """
    73, and the message names the work folder and the process that holds it; the first one goes on.
    """
    first = station.start("run").ready()
    others = [station.start("run"), station.start("once")]

    for other in others:
        assert other.end() == 73
        assert os.fspath(station.folders.work) in other.err
        assert str(first.process.pid) in other.err
        assert "Traceback" not in other.err
    assert first.process.poll() is None


def test_a_configuration_that_is_not_there(station: Station) -> None:
    """
    78, and the message names the file that was asked for and how to make one.
    """
    station.config.unlink()
    named = [station.start(command) for command in ("run", "once", "check")]
    unnamed = station.run(RETOUCHD, "run")

    for running in [*named, unnamed]:
        assert running.end() == 78
        assert "retouchd init" in running.err + running.out
        assert "Traceback" not in running.err
    for running in named:
        assert f"{station.config} is not there" in running.err + running.out


def test_every_fault_of_the_file_is_listed(station: Station) -> None:
    """
    78 with a line for each fault, the nearest key for each unknown one, and no traceback.
    """
    station.configure(
        folders={"rot": "x"},
        endpoint={"concurency": 3, "timeout_seconds": "long", "base_url": "relay.example"},
        intake={"ignore": ["drafts/old/"]},
    )

    code, running = station.call("run")

    assert code == 78
    lines = running.err.splitlines()
    for parts in (
        ("folders.rot", "folders.root"),
        ("endpoint.concurency", "endpoint.concurrency"),
        ("endpoint.timeout_seconds", "number"),
        ("endpoint.base_url", "https://", "sandbox"),
        ("intake.ignore", "drafts/old/"),
    ):
        assert any(all(part in line for part in parts) for line in lines), parts
    assert "Traceback" not in running.err


def test_every_fault_between_keys_is_listed(station: Station) -> None:
    """
    78 for a size the model does not take, a limit nobody knows, and folders without a place, all at once.
    """
    station.config.write_text(
        '[folders]\ninbox = "in"\n[edit]\nsize = "7x7"\n[limits."gpt-image-2"]\nmax_imgs = 3\n'
    )

    code, running = station.call("run")

    assert code == 78
    for parts in (
        ("folders.outbox", "folders.root"),
        ("folders.work", "folders.root"),
        ('limits."gpt-image-2".max_imgs', "max_images"),
        ("[edit]", "7x7"),
    ):
        assert any(all(part in line for part in parts) for line in running.err.splitlines()), parts
    assert "Traceback" not in running.err


def test_faults_of_every_kind_are_listed_together(station: Station) -> None:
    """
    Whoever mends all that one start lists need not fear the next: keys, sizes and folders come at once.
    """
    station.configure(
        folders={"work": "inbox/work"}, edit={"size": "7x7"}, endpoint={"concurency": 3}
    )
    (station.folders.inbox / "work").mkdir()

    code, running = station.call("run")

    assert code == 78
    for fault in ("endpoint.concurency", "7x7", "lies inside"):
        assert fault in running.err, fault


def test_toml_that_is_none(station: Station) -> None:
    """
    78, naming the file and the line.
    """
    station.config.write_text("[folders\n")

    code, running = station.call("run")

    assert code == 78
    assert "config.toml is not valid TOML: line 1: " in running.err
    assert "Traceback" not in running.err


def test_nested_and_missing_folders(station: Station) -> None:
    """
    78 naming both keys of folders in one another, or the folder that is not there.
    """
    station.configure(folders={"outbox": "inbox/out"})
    missing, first = station.call("run")
    (station.folders.inbox / "out").mkdir()

    nested, second = station.call("run")

    assert (missing, nested) == (78, 78)
    assert "folders.outbox" in first.err
    assert "is not there" in first.err
    assert "folders.outbox" in second.err
    assert "lies inside folders.inbox" in second.err


# sandbox.


def sandbox(station: Station, *arguments: str) -> tuple[Running, int]:
    """
    Start the embedded endpoint alone; return it and its port.
    """
    running = station.run(RETOUCHD, "sandbox", *arguments)
    running.until(lambda: "The key is" in running.out)
    address = next(word for word in running.out.split() if word.startswith("http://"))
    port = urlsplit(address.rstrip(".")).port
    assert port is not None
    return running, port


def asked(port: int, key: str | None) -> int:
    """
    Ask for the list of models; return the status.
    """
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    connection.request("GET", "/v1/models", headers=headers)
    status = connection.getresponse().status
    connection.close()
    return status


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_sandbox_says_where_it_listens(station: Station, number: signal.Signals) -> None:
    """
    It prints its address, and that its edits count as done; it serves whoever asks, and ends with 0 when it is
    stopped.
    """
    running, port = sandbox(station, "--port", "0")

    assert f"http://127.0.0.1:{port}/v1" in running.out
    assert "`retouchd init rehearsal`" in running.out
    assert (asked(port, None), asked(port, "any")) == (200, 200)
    assert running.end(number) == 0
    assert running.err == ""


def test_sandbox_with_a_key_refuses_others(station: Station) -> None:
    """
    With `--key` only that key opens it.
    """
    _, port = sandbox(station, "--port", "0", "--key", "sk-right")

    assert asked(port, "sk-right") == 200
    assert asked(port, "sk-wrong") == 401
    assert asked(port, None) == 401


def test_sandbox_on_a_taken_port(station: Station) -> None:
    """
    The message names the port and what to do, without a traceback.
    """
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]

        code, running = station.bare("sandbox", "--port", str(port))

    assert code not in (0, 2)
    assert f"Port {port}" in running.err
    assert "another port" in running.err
    assert "Traceback" not in running.err
