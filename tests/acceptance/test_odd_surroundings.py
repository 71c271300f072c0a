"""
Commands in surroundings that nobody would choose: streams that are closed or full, no home, no folder to be in,
files that are no configuration, too little of everything. None ends with a traceback, and none stops half-way.
"""

import os
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from process import AS_NOBODY, RETOUCHD, Station
from retouchd.config import find, load, readable
from retouchd.errors import ConfigurationError

SURROUNDINGS = {
    "no standard error": ("", "2>&-", 0),
    "no standard output": ("", ">&-", 0),
    "no streams at all": ("", "<&- >&- 2>&-", 0),
    "a full disk behind standard output": ("", ">/dev/full", 74),
    "a full disk behind standard error": ("", "2>/dev/full", 0),
    "a reader that left": ("", "| true", 0),
    "ASCII alone": ("export LC_ALL=C PYTHONUTF8=0 PYTHONIOENCODING=ascii;", "", 0),
    "no home": ("unset HOME TERM; export TZ=Non/Sense:99;", "", 0),
    "a home that cannot be written": ("export HOME=/proc;", "", 0),
    "no folder to be in": ("mkdir gone; cd gone; rmdir ../gone;", "", 0),
}
LACKS = {
    "few files": ("ulimit -n 40;", "ulimit -n"),
    "little memory": ("ulimit -v 60000;", "memory"),
}


def run(station: Station, line: str) -> "subprocess.CompletedProcess[str]":
    """
    Run a line of a shell in the station's environment; none ends with a traceback.
    """
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", line],
        cwd=station.root,
        env=station.environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    for trouble in ("Traceback", "Exception ignored", "Fatal Python"):
        assert trouble not in done.stdout + done.stderr, done.stdout + done.stderr
    return done


@pytest.mark.parametrize("name", SURROUNDINGS)
def test_a_command_does_its_work_whoever_listens(station: Station, name: str) -> None:
    """
    All is dropped, whatever becomes of what is told; only a disk that is full has a code of its own.
    """
    before, after, code = SURROUNDINGS[name]
    for each in ("蓝.png", "red.png"):
        Image.new("RGB", (48, 32)).save(station.root / each)
    pictures = f'"{station.root}/蓝.png" "{station.root}/red.png"'
    done = run(station, f"{before} {RETOUCHD} submit {pictures} -p x -c {station.config} {after}")

    assert done.returncode == code, done.stderr
    assert station.tree("inbox") == ["red.png", "red.txt", "蓝.png", "蓝.txt"]
    if code:
        assert "standard output" in done.stderr
    if name == "ASCII alone":
        assert "\\u84dd.png" in done.stdout


def test_closed_streams_let_no_text_into_a_file(station: Station) -> None:
    """
    With all three closed, what the daemon opens first would be its standard error.
    """
    station.drop("cat.png")
    want = station.originals()

    done = run(station, f"{RETOUCHD} once -c {station.config} <&- >&- 2>&-")

    assert done.returncode == 0
    assert station.tree("outbox") == ["cat.png"]
    kept = {digest for digest, name in _digests(station).items() if name in want.values()}
    assert kept >= set(want)
    Image.open(station.root / "outbox/cat.png").load()


def _digests(station: Station) -> dict[str, str]:
    from checker import digest

    return {digest(path): path.name for path in station.folders.done.iterdir()}


def test_following_ends_with_its_reader(station: Station) -> None:
    """
    `status --follow | head` does not go on for nobody.
    """
    done = run(station, f"{RETOUCHD} status --follow --json -c {station.config} | head -1")

    assert done.stdout.startswith("{")


@pytest.mark.parametrize("name", LACKS)
def test_too_little_of_everything_is_told(station: Station, name: str) -> None:
    """
    Too few files, too little memory: a sentence that says so at the start, and the picture stays.
    """
    before, word = LACKS[name]
    station.drop("cat.png")

    done = run(station, f"{before} {RETOUCHD} once -c {station.config}")

    assert done.returncode in (75, 78), done.stderr
    assert word in done.stderr
    assert "cat.png" in station.tree("inbox")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_who_may_not_read_the_configuration_is_told(station: Station) -> None:
    """
    The file, or the folder it lies in: named, with 78.
    """
    open_folder = Path("/tmp/retouchd-test-of-rights")
    open_folder.mkdir(exist_ok=True)
    try:
        config = open_folder / "config.toml"
        config.write_text("[folders]\n")
        config.chmod(0o600)
        said = []
        for _ in range(2):
            asking = station.run(*AS_NOBODY, "status", "--config", os.fspath(config))
            assert asking.end() == 78, asking.err
            said.append(asking.err)
            open_folder.chmod(0o700)
    finally:
        config.unlink()
        open_folder.rmdir()

    for text in said:
        assert text.startswith(f"retouchd: {config} cannot be read: Permission denied")


FILES = {
    "a folder": (None, "it is a folder"),
    "UTF-16": ("[folders]\n".encode("utf-16"), "is UTF-16: save it as UTF-8"),
    "a picture": (b"\x89PNG\r\n\x1a\n\0\0", "is not text in UTF-8"),
    "NUL": (b"\0" * 100, "is not valid TOML"),
    "huge": (b"#" * (2 << 20), "more than"),
    "nested": (b"x = " + b"[" * 100_000, "nested too deeply"),
}


@pytest.mark.parametrize("name", FILES)
def test_what_is_no_configuration_is_told(tmp_path: Path, name: str) -> None:
    """
    By its name, with what it is instead.
    """
    file = tmp_path / "config.toml"
    raw, word = FILES[name]
    if raw is None:
        file.mkdir()
    else:
        file.write_bytes(raw)

    with pytest.raises(ConfigurationError, match=word) as refusal:
        load(file)

    assert os.fspath(file) in str(refusal.value)


def test_a_pipe_for_a_configuration_does_not_hang(tmp_path: Path) -> None:
    """
    One that nobody writes into would be waited for for ever.
    """
    os.mkfifo(tmp_path / "config.toml")

    with pytest.raises(ConfigurationError, match="it is a pipe"):
        load(tmp_path / "config.toml")
    assert any("it is a pipe" in fault for fault in readable(tmp_path / "config.toml")[1])


def test_places_that_may_not_be_looked_into_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Of the places where nobody named a configuration; a user without a home has one place less.
    """
    monkeypatch.delenv("RETOUCHD_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)

    def refuse(path: Path) -> bool:
        if path.parts[:2] == ("/", "etc"):
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return False

    def homeless(path: Path) -> Path:
        if path.parts[0] == "~":
            raise RuntimeError("Could not determine home directory.")
        return path

    monkeypatch.setattr(Path, "is_file", refuse)
    monkeypatch.setattr(Path, "expanduser", homeless)

    with pytest.raises(ConfigurationError, match="/etc/retouchd may not be looked into"):
        find(None)
