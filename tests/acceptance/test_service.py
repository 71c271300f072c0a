"""
The service under a real systemd: as it starts, works, hangs, is reloaded and stops, hardened as it is shipped.
"""

import configparser
import http.server
import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from builders import until
from canary import CANARY
from crash_world import counting_endpoint
from real_systemd import Machine, booted, obstacle
from systemd_service import UNITS, Service, install
from web_station import free_port

SYSTEMD = Path(__file__).parents[2] / "systemd"

pytestmark = [pytest.mark.slow(60), pytest.mark.timeout(180)]


@pytest.fixture(scope="session")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    if reason := obstacle():
        pytest.skip(reason)
    with booted(tmp_path_factory.mktemp("machine")) as machine:
        install(machine)
        yield machine


@pytest.fixture
def service(machine: Machine, request: pytest.FixtureRequest) -> Iterator[Service]:
    """
    An instance of the test's own.
    """
    name = re.sub(r"\W+", "-", request.node.name.removeprefix("test_"))[:40].strip("-")
    service = Service(machine=machine, name=name.replace("_", "-"))
    yield service
    machine.run("systemctl", "kill", "--signal=KILL", service.unit, check=False)
    machine.run("systemctl", "stop", service.unit, check=False)


def requests(ledger: Path) -> int:
    return len(ledger.read_text("ascii").split()) if ledger.exists() else 0


def test_the_units_are_clean_and_closed(machine: Machine) -> None:
    """
    Systemd finds nothing to say about any of them, and little that the service may do.
    """
    machine.shell("mkdir -p /root/.local/share; ln -sfn /opt/retouchd /root/.local/share/retouchd")
    for name in (*UNITS, "retouchd.user.service"):
        told = machine.run("systemd-analyze", "verify", f"/opt/source/systemd/{name}")
        assert told.stdout + told.stderr == ""
    for name in UNITS:
        place = f"/opt/source/systemd/{name}"
        command = ("systemd-analyze", "security", "--offline=true", "--no-pager", place)
        told = machine.run(*command)
        exposure = re.search(r"exposure level.*: ([\d.]+)", told.stdout)
        assert exposure is not None
        assert float(exposure[1]) <= 1.5


def test_one_and_several_are_the_same_service() -> None:
    """
    The template differs from the single service in names alone.
    """
    single, template = ((SYSTEMD / name).read_text("utf-8") for name in UNITS)
    named = (
        template.replace("/etc/retouchd/%i.key", "/etc/retouchd/api_key")
        .replace("/etc/retouchd/%i.toml", "/etc/retouchd/config.toml")
        .replace("/srv/retouch/%i", "/srv/retouch")
        .replace("edits (%i)", "edits")
        .replace("LogExtraFields=RETOUCHD_INSTANCE=%i\n", "")
    )

    def settings(text: str) -> list[str]:
        return [line for line in text.splitlines() if line and not line.startswith("#")]

    assert settings(named) == settings(single)


def test_no_start_limit_ends_it_for_good(machine: Machine) -> None:
    """
    However often it ends, it is started again, but for what starting again would not help.
    """
    told = machine.show("retouchd.service", "StartLimitIntervalUSec", "Restart", "RestartUSec")

    assert told == {"StartLimitIntervalUSec": "0", "Restart": "always", "RestartUSec": "10s"}


def test_user_and_folders(machine: Machine) -> None:
    """
    The folders belong to the service's user, and hand its group on to what is dropped.
    """
    told = machine.run("stat", "--format", "%a %U %G", "/srv/retouch/inbox", "/etc/retouchd")
    shell = machine.run("getent", "passwd", "retouchd").stdout.strip().rpartition(":")[2]

    assert told.stdout.split("\n")[:2] == ["2770 retouchd retouchd", "750 root retouchd"]
    assert shell == "/usr/sbin/nologin"


def test_it_is_ready_once_it_has_looked_and_does_its_job(service: Service, tmp_path: Path) -> None:
    """
    In its full sandbox: what was there before the start, and what comes afterwards.
    """
    ledger = tmp_path / "ledger"
    with counting_endpoint(ledger) as url:
        service.configure(url)
        service.drop("before.png")
        service.start()
        assert service.show("ActiveState") == "active"
        service.wait_for("outbox", "before.png")
        service.drop("after.png", prompt="make it grey")
        service.wait_for("outbox", "after.png")
        service.wait_for("done", "after.job.json")
        service.wait_until_shown("StatusText", "^0 in work, 2 done$")
        service.stop()

    assert service.show("Result") == "success"
    assert service.files("inbox") == service.files("error") == []
    assert requests(ledger) == 2
    modes = service.machine.run("stat", "--format", "%a %G", f"{service.root}/outbox/after.png")
    assert modes.stdout.split() == ["660", "retouchd"], "the group may take it away"


class Relay(http.server.BaseHTTPRequestHandler):
    """
    An endpoint that tells who asked, and has no money.
    """

    heard: list[str]

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.heard.append(self.headers["authorization"])
        body = b'{"error": {"message": "Incorrect API key", "code": "invalid_api_key"}}'
        self.send_response(401)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """
        Keep quiet.
        """


def test_the_key_is_a_credential_and_nothing_else(service: Service) -> None:
    """
    It reaches the endpoint, and stands in no environment, property, command line or journal.
    """
    Relay.heard = []
    with http.server.HTTPServer(("127.0.0.1", 0), Relay) as relay:
        threading.Thread(target=relay.serve_forever, daemon=True).start()
        service.configure(f"http://127.0.0.1:{relay.server_port}/v1")
        service.start()
        service.drop()
        service.wait_until_shown("StatusText", "paused")
        relay.shutdown()
    pid = service.show("MainPID")

    assert Relay.heard == [f"Bearer {CANARY}"]
    shown = service.machine.run("systemctl", "show", service.unit).stdout
    process = service.machine.shell(f"cat /proc/{pid}/environ /proc/{pid}/cmdline | tr '\\0' ' '")
    assert CANARY not in shown + process + service.log()
    seen = service.machine.run(
        "setpriv", "--reuid=65534", "--clear-groups", "ls", "/etc/retouchd", check=False
    )
    assert seen.returncode != 0, "nobody else may look"


def test_a_missing_key_is_told(service: Service, tmp_path: Path) -> None:
    """
    Without its file the service works where no key is needed; where one is, it ends once and names the file.
    """
    with counting_endpoint(tmp_path / "ledger") as url:
        service.configure(url)
        service.machine.run("rm", f"/etc/retouchd/{service.name}.key")
        service.start()
        service.drop()
        service.wait_for("outbox", "cat.png")
        service.stop()
    service.write_config("https://api.openai.com/v1")

    started = service.machine.run("systemctl", "start", service.unit, check=False)

    assert started.returncode != 0
    assert service.show("ExecMainStatus") == "78"
    assert service.show("NRestarts") == "0"
    assert "No key is set" in service.log()
    assert f"/etc/retouchd/{service.name}.key" in service.log()


def check(service: Service) -> tuple[int, str]:
    """
    Run `check` as the service, by its name; return its exit code and what it says.
    """
    command = ("/opt/retouchd/bin/retouchd", "check", "--service", f"retouchd@{service.name}")
    done = service.machine.run("env", "COLUMNS=400", *command, check=False)
    assert "Traceback" not in done.stdout + done.stderr
    return done.returncode, done.stdout + done.stderr


def test_check_looks_as_the_service_does(service: Service, tmp_path: Path) -> None:
    """
    With its user, its credential and the folders it may write; a wrong key and such folders are named so.
    """
    with counting_endpoint(tmp_path / "ledger") as url:
        service.configure(url)
        code, said = check(service)
        assert code == 0, said
        assert f"takes the key from the credential api_key of {service.unit}" in said

        elsewhere = f"/var/lib/{service.name}"
        service.machine.run(
            "install", "-d", "-o", "retouchd", "-m", "2770", elsewhere, "/home/prints"
        )
        config = f'[folders]\nroot = "{service.root}"\noutbox = "{elsewhere}"\n'
        config += f'done = "/home/prints"\n[endpoint]\nbase_url = "{url}"\n'
        service.machine.write(f"/etc/retouchd/{service.name}.toml", config)
        code, said = check(service)
        assert code == 78, said
        assert f"ReadWritePaths={elsewhere}" in said
        assert f"systemctl edit retouchd@{service.name}" in said
        assert "ProtectHome=" in said

        started = service.machine.run("systemctl", "start", service.unit, check=False)
        assert started.returncode != 0
        assert (service.show("ExecMainStatus"), service.show("NRestarts")) == ("78", "0")
        assert f"ReadWritePaths={elsewhere}" in service.log()
        assert "Traceback" not in service.log()

        drop_in = f"[Service]\nReadWritePaths={elsewhere} /home/prints\nProtectHome=read-only\n"
        service.machine.write(f"/etc/systemd/system/{service.unit}.d/mine.conf", drop_in)
        code, said = check(service)
        assert code == 0, said

    killed = "[Service]\nExecStart=\nExecStart=/bin/sh -c 'kill -9 $$$$' run\n"
    service.machine.write(f"/etc/systemd/system/{service.unit}.d/killed.conf", killed)
    code, said = check(service)
    assert (code, "systemd could not run the check to its end: signal" in said) == (78, True), said
    service.machine.run("rm", f"/etc/systemd/system/{service.unit}.d/killed.conf")

    service.machine.run("rmdir", elsewhere)
    code, said = check(service)
    assert code == 78
    assert "ReadWritePaths=" in said, "systemd itself cannot start it"
    left = "ls /run/systemd/system | grep check || true"
    assert service.machine.shell(left) == ""
    nothing = service.machine.run(
        "/opt/retouchd/bin/retouchd", "check", "--service", "nothing", check=False
    )
    assert nothing.returncode == 2
    assert "nothing.service" in nothing.stderr


def test_what_a_person_submits_is_the_services_to_use(service: Service, tmp_path: Path) -> None:
    """
    With a umask that lets nobody else read, and into a folder that is made for it; strangers are told that they
    may not.
    """
    name = f"hand-{service.name}"[:30]
    script = f"""
        useradd --create-home --shell /bin/bash {name}
        useradd --create-home --shell /bin/bash {name}x
        usermod --append --groups retouchd {name}
        install -m 644 /srv/share/{service.name}-drop.png /home/{name}/cat.png
    """
    submit = f"umask 077; retouchd submit cat.png -p blue -c /etc/retouchd/{service.name}.toml"
    path = "PATH=/opt/retouchd/bin:$PATH; cd; "
    with counting_endpoint(tmp_path / "ledger") as url:
        service.configure(url)
        service.drop("seed.png")
        service.machine.shell(script)
        as_person = ("runuser", "--login", name, "--command")
        service.machine.run(*as_person, f"{path} {submit}")
        service.machine.run(*as_person, f"{path} {submit} --folder shoes/red")
        modes = service.machine.shell(
            f"cd {service.root}/inbox; stat -c '%a %G' cat.png cat.txt shoes shoes/red shoes/red/cat.png"
        )
        shared = ["660 retouchd"] * 2 + ["2770 retouchd"] * 2 + ["660 retouchd"]
        assert modes.splitlines() == shared
        service.start()
        service.wait_for("outbox", "cat.png")
        service.wait_for("done", "cat.job.json")

    as_stranger = ("runuser", "--login", f"{name}x", "--command")
    for command in (f"{submit} --prompt x", "retouchd status"):
        done = service.machine.run(*as_stranger, path + command, check=False)
        assert done.returncode == 78, done.stderr
        assert "Traceback" not in done.stderr
        assert "/etc/retouchd" in done.stderr


def test_the_watchdog_starts_what_hangs_anew(service: Service, tmp_path: Path) -> None:
    """
    With a request out: it is in doubt from then on, and asked once more as the configuration allows.
    """
    ledger = tmp_path / "ledger"
    with counting_endpoint(ledger, "latency=3") as url:
        service.configure(url, unit="WatchdogSec=2\nRestartSec=100ms")
        service.start()
        service.drop()
        assert until(lambda: requests(ledger) == 1, seconds=30)
        service.machine.run("kill", "-STOP", service.show("MainPID"))
        service.wait_until_shown("NRestarts", "^1$")
        service.wait_for("done", "cat.job.json")

    assert requests(ledger) == 2
    attempts = service.record("cat.job.json")["attempts"]
    assert [each["verdict"] for each in attempts] == ["in_doubt", "done"]
    assert service.files("outbox") == ["cat.png"]
    # Of all that is there it may write into these alone, and a core falls where it runs.
    assert not service.machine.shell(
        "find / -maxdepth 1 -name 'core*' -type f;"
        f"find {service.root} /tmp /var/tmp -xdev -name 'core*' -type f"
    )


def test_a_quiet_run_feeds_its_watchdog(service: Service) -> None:
    """
    With nothing to do it lives on well beyond the watchdog's time.
    """
    service.configure("http://127.0.0.1:9/v1", unit="WatchdogSec=1")
    service.start()
    pid = service.show("MainPID")
    before = service.show("WatchdogTimestampMonotonic")

    assert until(lambda: service.show("WatchdogTimestampMonotonic") != before, seconds=20, beat=0.1)
    service.machine.run("sleep", "3")
    assert (service.show("MainPID"), service.show("NRestarts")) == (pid, "0")


def test_a_stop_waits_for_what_is_paid_for(service: Service, tmp_path: Path) -> None:
    """
    Longer than the unit's own timeout: it asks for the time, and ends cleanly.
    """
    ledger = tmp_path / "ledger"
    with counting_endpoint(ledger, "latency=5") as url:
        service.configure(url, unit="TimeoutStopSec=2")
        service.start()
        service.drop()
        assert until(lambda: requests(ledger) == 1, seconds=30)
        service.stop()

    assert service.show("Result") == "success"
    assert requests(ledger) == 1
    assert service.files("outbox") == ["cat.png"]
    assert "cat.job.json" in service.files("done")


def test_a_wrong_configuration_does_not_loop(service: Service) -> None:
    """
    It ends with 78 and a sentence, once.
    """
    service.configure("http://127.0.0.1:9/v1", more="setle_seconds = 1\n", unit="RestartSec=100ms")

    started = service.machine.run("systemctl", "start", service.unit, check=False)

    assert started.returncode != 0
    assert service.show("ExecMainStatus") == "78"
    service.machine.run("sleep", "1")
    assert (service.show("NRestarts"), service.show("ActiveState")) == ("0", "failed")
    assert "intake.settle_seconds" in service.log(), "the nearest key is named"


def test_a_reload_changes_what_is_asked(service: Service, tmp_path: Path) -> None:
    """
    In the same process, and `systemctl` sees it come back.
    """
    ledger = tmp_path / "ledger"
    with counting_endpoint(ledger) as url:
        service.configure(url)
        service.start()
        pid = service.show("MainPID")
        service.write_config(url, more='[edit]\nmodel = "gpt-image-1.5"\n')
        service.machine.run("systemctl", "reload", service.unit)
        assert until(lambda: "configuration.reloaded" in service.log(), seconds=20, beat=0.1)
        service.wait_until_shown("ActiveState", "^active$")
        service.drop()
        service.wait_for("done", "cat.job.json")

    assert service.record("cat.job.json")["request"]["model"] == "gpt-image-1.5"
    assert service.show("MainPID") == pid


def test_the_socket_starts_it_and_stays_over_restarts(machine: Machine, tmp_path: Path) -> None:
    """
    The first who asks starts the service; who asks while it starts anew waits, and is answered.
    """
    service = Service(machine=machine, name="")
    # The port of the machine outside, where another test may be at it.
    address = f"127.0.0.1:{free_port()}"
    curl = f"curl --silent --show-error --max-time 60 http://{address}"
    with counting_endpoint(tmp_path / "ledger") as url:
        service.configure(url, more='[web]\nlisten = "systemd"\n')
        machine.shell(
            "install -m 644 /opt/source/systemd/retouchd.socket /etc/systemd/system/;"
            f"sed -i s/127.0.0.1:8484/{address}/ /etc/systemd/system/retouchd.socket;"
            "systemctl daemon-reload; systemctl start retouchd.socket"
        )
        listens = machine.show("retouchd.socket", "Listen")
        assert listens["Listen"] == f"{address} (Stream)"
        assert service.show("ActiveState") == "inactive"

        assert json.loads(machine.shell(f"{curl}/livez")) == {"alive": True, "reason": ""}
        assert service.show("ActiveState") in {"activating", "active"}
        service.drop()
        service.wait_for("outbox", "cat.png")
        before = service.show("MainPID")
        restarting = (
            f"systemctl restart --no-block retouchd; for i in $(seq 20); do {curl}/livez; done"
        )
        answers = machine.shell(restarting)
        service.wait_until_shown("MainPID", f"^(?!{before}$|0$)")

        assert answers.count('"alive":true') == 20, answers
        machine.run("systemctl", "stop", "retouchd.service")
        assert machine.show("retouchd.socket", "ActiveState")["ActiveState"] == "active"
        assert '"alive":true' in machine.shell(f"{curl}/livez"), "it is started once more"
        machine.run("systemctl", "stop", "retouchd.socket", "retouchd.service")
    assert "Traceback" not in service.log()


def test_two_instances_do_not_meet(service: Service, tmp_path: Path) -> None:
    """
    Each with its folders; one that is led into the other's may not write there.
    """
    other = Service(machine=service.machine, name=f"{service.name}-2")
    with counting_endpoint(tmp_path / "ledger") as url:
        for each in (service, other):
            each.configure(url)
            each.start()
            each.drop(f"{each.name}.png")
        for each in (service, other):
            each.wait_for("done", f"{each.name}.job.json")
            assert each.files("outbox") == [f"{each.name}.png"]
        other.stop()
        config = f'[folders]\nroot = "{other.root}"\noutbox = "{service.root}/outbox"\n'
        other.machine.write(f"/etc/retouchd/{other.name}.toml", config)
        started = other.machine.run("systemctl", "start", other.unit, check=False)

    assert started.returncode != 0
    assert f"{service.root}/outbox" in other.log()


def test_the_journal_has_priorities_and_fields(service: Service, tmp_path: Path) -> None:
    """
    A warning is one for `journalctl -p warning`, and each line says whose it is.
    """
    with counting_endpoint(tmp_path / "ledger") as url:
        service.configure(url)
        service.start()
        service.drop("bad.png", prompt=" ")
        service.wait_for("error", "bad.error.txt")
        service.stop()

    entries = [entry for entry in service.journal() if entry["_TRANSPORT"] == "stdout"]
    told = {json.loads(entry["MESSAGE"])["event"]: entry for entry in entries}
    assert told["job.failed"]["PRIORITY"] == "4"
    assert told["daemon.started"]["PRIORITY"] == "6"
    assert {entry["SYSLOG_IDENTIFIER"] for entry in entries} == {"retouchd"}
    assert {entry["RETOUCHD_INSTANCE"] for entry in entries} == {service.name}


def test_a_name_forges_no_line_of_the_journal(service: Service, tmp_path: Path) -> None:
    """
    A newline and a priority in a file's name stay what they are: a name.
    """
    with counting_endpoint(tmp_path / "ledger") as url:
        service.configure(url)
        service.start()
        service.drop('x\n<0>{"event": "forged"}.png')
        service.wait_for("outbox", 'x\n<0>{"event": "forged"}.png')
        service.stop()

    entries = [entry for entry in service.journal() if entry["_TRANSPORT"] == "stdout"]
    events = [json.loads(entry["MESSAGE"])["event"] for entry in entries]
    assert "job.done" in events
    assert "forged" not in events
    assert {entry["PRIORITY"] for entry in entries} <= {"4", "6"}


def test_the_unit_files_say_what_can_be_read() -> None:
    """
    No setting is new enough that an older systemd would take it for hardening and ignore it.
    """
    unknown_on_252 = {"RestartSteps", "RestartMode", "ImportCredential", "PrivatePIDs"}
    for name in (*UNITS, "retouchd.user.service"):
        unit = configparser.ConfigParser(strict=False, interpolation=None)
        unit.optionxform = str  # type: ignore[assignment, method-assign]
        unit.read(SYSTEMD / name)
        assert not unknown_on_252 & set(unit["Service"])
        assert unit["Service"]["Type"] == "notify"
