"""
The way to a service by docs/service.md, each of its commands typed into a bare machine with a real systemd.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL.Image import Transpose

from builders import until
from canary import CANARY
from crash_world import counting_endpoint
from documents import section
from real_systemd import Machine, booted, obstacle
from sample_pictures import scene

CHECKOUT = "cd /root/retouchd"

WITHOUT_A_NETWORK = {
    r"apt-get install .*": ":",
    r"python3 -m venv (\S+)": r"python3 -m venv --without-pip \1",
    r"(\S+)/bin/pip install .*": r"bash /srv/share/fill.sh \1",
    r"journalctl (.*) --follow": r"timeout 2 journalctl \1 --follow || true",
}
"""Of the commands, those that would load something; and one that would never end."""

pytestmark = [pytest.mark.slow(25), pytest.mark.timeout(180)]


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    if reason := obstacle():
        pytest.skip(reason)
    with booted(tmp_path / "machine") as machine:
        (machine.share / "fill.sh").write_text(machine.filling, "utf-8")
        # Without the hidden ones: the environment of the tests is a hundred times as large as the rest.
        machine.shell("mkdir /root/retouchd; cp -r /opt/source/* /root/retouchd")
        yield machine


def blocks(title: str, name: str = "docs/service.md") -> list[list[str]]:
    """
    Return the commands of each block of a section, those without a network put in place.
    """
    text = re.split("^## ", section(name, title), maxsplit=1, flags=re.MULTILINE)[0]
    found = re.findall(r"```console\n(.*?)```", text, re.DOTALL)
    return [[_put_in_place(line) for line in block.splitlines()] for block in found]


def _put_in_place(command: str) -> str:
    for pattern, instead in WITHOUT_A_NETWORK.items():
        command = re.sub(f"^{pattern}$", instead, command)
    return command


def type_all(machine: Machine, commands: list[str], *, before: str = "") -> None:
    """
    Type commands one after the other into one shell, in the checkout; the key is what is asked for.
    """
    script = "\n".join([CHECKOUT, before, *commands])
    machine.run("bash", "-euo", "pipefail", "-c", script, text=CANARY, seconds=90)


def use_endpoint(machine: Machine, name: str, url: str) -> None:
    """
    Lead a configuration to the tests' endpoint, as an operator with a relay would.
    """
    place = f"/etc/retouchd/{name}.toml"
    change = rf's|^# base_url = .*|base_url = "{url}"|'
    machine.run("sed", "-i", change, place)


def draw(machine: Machine) -> None:
    scene().save(machine.share / "beach.jpg")
    machine.shell("mkdir -p ~/Pictures; cp /srv/share/beach.jpg ~/Pictures/")


def wait_for(machine: Machine, path: str) -> None:
    there = lambda: machine.run("test", "-e", path, check=False).returncode == 0  # noqa: E731
    assert until(there, seconds=40, beat=0.1), machine.run("journalctl", "--no-pager").stdout


def test_from_a_bare_machine_to_a_first_edit(machine: Machine, tmp_path: Path) -> None:
    """
    Install, start, drop, look: by the commands of the page alone; then looked after, upgraded and removed.
    """
    install, key, start, first_edit = blocks("As a service")
    several, key_of_several, start_several = blocks("Several at once")
    look, upgrade = blocks("Looking after it")
    draw(machine)
    with counting_endpoint(tmp_path / "ledger") as url:
        type_all(machine, install)
        use_endpoint(machine, "config", url)
        type_all(machine, key)
        type_all(machine, start)
        type_all(machine, first_edit)
        wait_for(machine, "/srv/retouch/outbox/beach.png")

        type_all(machine, several)
        use_endpoint(machine, "shop", url)
        type_all(machine, key_of_several)
        type_all(machine, start_several)
        type_all(machine, [line.replace("retouch/", "retouch/shop/") for line in first_edit[:2]])
        wait_for(machine, "/srv/retouch/shop/outbox/beach.png")

        machine.shell("useradd --create-home --shell /bin/bash alice")
        type_all(machine, blocks("A group that drops photos", "docs/nas.md")[0])
        scene().transpose(Transpose.ROTATE_90).save(machine.share / "hers.jpg")
        as_alice = ["runuser", "--login", "alice", "--command"]
        machine.run(
            *as_alice,
            "umask 027; cd /srv/retouch/inbox; echo blue > hers.txt; cp /srv/share/hers.jpg .",
        )
        wait_for(machine, "/srv/retouch/done/hers.job.json")
        machine.run(*as_alice, "mv /srv/retouch/outbox/hers.png ~ && cat ~/hers.png > /dev/null")

        type_all(machine, look)
        type_all(machine, upgrade)
        told = machine.show("retouchd.service", "ActiveState", "NRestarts")
        assert told == {"ActiveState": "active", "NRestarts": "0"}
        assert not machine.run("systemctl", "--failed", "--plain", "--no-legend").stdout

        type_all(machine, blocks("Uninstall")[0])
        left = machine.shell("ls /srv/retouch/done; command -v retouchd || true")
        assert "beach.job.json" in left
        assert "retouchd" not in left


def test_a_person_has_a_service_without_root(machine: Machine, tmp_path: Path) -> None:
    """
    The same for a user and their own service manager.
    """
    install, key, start = blocks("For one person, without root")
    draw(machine)
    with counting_endpoint(tmp_path / "ledger") as url:
        lead = f's|^# base_url = .*|base_url = "{url}"|'
        script = [
            "export XDG_RUNTIME_DIR=/run/user/$(id -u)",
            "cd /opt/source",
            *install,
            f"sed -i '{lead}' ~/.config/retouchd/config.toml",
            *key,
            *start,
            "cp /srv/share/beach.jpg ~/Retouch/inbox/; echo blue > ~/Retouch/inbox/beach.txt",
        ]
        (machine.share / "person.sh").write_text("\n".join(script), "utf-8")
        machine.shell("useradd --create-home --shell /bin/bash person")
        machine.shell("loginctl enable-linger person")
        command = "cat | bash -euo pipefail /srv/share/person.sh"  # a pipe of their own
        machine.run("runuser", "--login", "person", "--command", command, text=CANARY)
        wait_for(machine, "/home/person/Retouch/outbox/beach.png")
