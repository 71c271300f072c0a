"""
A container, as far as that needs no image: process 1 of its own namespace, a read-only root, no capabilities, a
key in a file, folders that are made; and what Containerfile and compose.yaml say is true.
"""

import json
import os
import re
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from canary import CANARY
from documents import ROOT
from process import RETOUCHD, Running, Station
from retouchd.config import Config

SCRIPT = """
set -eu
mount --make-rprivate /
mount --rbind / "$1"
mount -o remount,ro,bind "$1"
mount -t tmpfs none "$1/tmp"
mkdir "$1/tmp/data"
mount --bind "$2" "$1/tmp/data"
mount -t proc proc "$1/proc"
shift 2
exec "$@"
"""


def contained(station: Station, tmp: Path, data: Path, **environment: str) -> Running:
    """
    Start `retouchd run` as process 1, with nothing but its data to write to and no configuration file.
    """
    for need in ("unshare", "setpriv", "chroot", "nsenter"):
        if shutil.which(need) is None:
            pytest.skip(f"{need} is not installed")
    if Path(RETOUCHD).is_relative_to("/tmp"):
        pytest.skip("it is installed in /tmp, and a container has one of its own")
    if (
        os.geteuid()
        or subprocess.run(["unshare", "--pid", "--mount", "true"], check=False).returncode
    ):
        pytest.skip("namespaces cannot be made here")
    root, script = tmp / "root", tmp / "contain.sh"
    root.mkdir()
    script.write_text(SCRIPT)
    own = {"RETOUCHD_FOLDERS__ROOT": "/tmp/data", **environment}
    own |= {"PATH": os.environ["PATH"], "HOME": "/tmp", "PYTHONDONTWRITEBYTECODE": "1"}
    return station.run(
        *("unshare", "--pid", "--fork", "--mount", "--kill-child"),
        *("sh", str(script), str(root), str(data)),
        *("chroot", str(root), "env", "-i", *(f"{key}={value}" for key, value in own.items())),
        *("setpriv", "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all"),
        *(RETOUCHD, "run"),
    )


def inside(running: Running, *command: str) -> subprocess.CompletedProcess[str]:
    """
    Run a command in the namespaces of the daemon, below its root.
    """
    children = Path(f"/proc/{running.process.pid}/task/{running.process.pid}/children")
    pid = children.read_text().split()[0]
    enter = ("nsenter", "--target", pid, "--pid", "--mount", "--root")
    environment = {"RETOUCHD_FOLDERS__ROOT": "/tmp/data", "PATH": os.environ["PATH"]}
    return subprocess.run(
        [*enter, *command], env=environment, capture_output=True, text=True, check=False
    )


def test_it_works_as_process_1_of_a_read_only_root(station: Station, tmp_path: Path) -> None:
    """
    Folders are made, the key comes from a file, it says that it lives, and SIGTERM ends it with 0.
    """
    data = tmp_path / "data"
    data.mkdir()
    (data / "api_key").write_text(f"{CANARY}\n")
    station.holding_the_key.append(data / "api_key")
    endpoint = station.endpoint("latency=1")

    running = contained(
        station,
        tmp_path,
        data,
        RETOUCHD_ENDPOINT__BASE_URL=endpoint.url,
        RETOUCHD_ENDPOINT__API_KEY_FILE="/tmp/data/api_key",
        RETOUCHD_INTAKE__SETTLE_SECONDS="0.1",
    )
    running.until(lambda: running.events("daemon.ready"))
    assert running.events("folder.made")
    health = inside(running, RETOUCHD, "healthcheck")
    assert (health.returncode, health.stdout) == (0, "alive\n"), health
    assert inside(running, "cat", "/proc/1/comm").stdout.strip() in {
        "retouchd",
        "python3",
        "python",
    }
    assert inside(running, "touch", "/etc/here").returncode != 0
    station.drop("cat.png")
    for name in ("cat.txt", "cat.png"):
        shutil.move(station.folders.inbox / name, data / "inbox" / name)
    running.until(lambda: endpoint.requests)

    # To the process itself, as an engine does: what has been sent is finished first.
    children = Path(f"/proc/{running.process.pid}/task/{running.process.pid}/children")
    os.kill(int(children.read_text().split()[0]), signal.SIGTERM)

    assert running.end() == 0
    assert [path.name for path in (data / "outbox").iterdir()] == ["cat.png"]
    assert json.loads((data / "done/cat.job.json").read_bytes())["status"] == "done"
    ended = subprocess.run(
        [RETOUCHD, "healthcheck"],
        env={"RETOUCHD_FOLDERS__ROOT": str(data), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (1, "not running\n")


def is_key(variable: str) -> bool:
    section, _, key = variable.removeprefix("RETOUCHD_").lower().partition("__")
    model: Any = Config.model_fields[section].annotation
    return key in model.model_fields


def test_what_the_files_of_the_container_say_is_true() -> None:
    """
    Each variable is a key, each file that is copied is there, and what is promised stands in them.
    """
    containerfile = (ROOT / "Containerfile").read_text("utf-8")
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))
    service = compose["services"]["retouchd"]

    named = set(
        re.findall(r"RETOUCHD_[A-Z_]+", containerfile + (ROOT / "compose.yaml").read_text())
    )
    assert len(named) > 4
    assert all(map(is_key, named)), named
    for copied in re.findall(r"^COPY (?!--from)(.+) \S+$", containerfile, re.MULTILINE):
        for name in copied.split():
            assert (ROOT / name).exists(), name
            assert f"!{name}" in (ROOT / ".containerignore").read_text().splitlines()
    assert "\nUSER 1000:1000\n" in containerfile
    assert re.findall(r"^WORKDIR (.+)$", containerfile, re.MULTILINE)[-1] == "/", (
        "it may be entered by all"
    )
    assert 'CMD ["retouchd", "healthcheck"]' in containerfile
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["user"] == "1000:1000"
    key = service["environment"]["RETOUCHD_ENDPOINT__API_KEY_FILE"]
    assert key == f"/run/secrets/{service['secrets'][0]}"
    assert service["secrets"][0] in compose["secrets"]
