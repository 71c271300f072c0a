"""
The real daemon under strace, stopped after each change of the disk that it makes.

strace counts the calls of each thread by itself, and the daemon changes its disk from several; so it is
told to stop the whole process after every call that may change anything, and counting is done here.
What is imported beforehand (`import_the_daemon`) a forked daemon needs not import again.
"""

import contextlib
import importlib
import os
import shutil
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from crash_world import vars_of
from retouchd.cli.main import main
from retouchd.service.daemon import Daemon

_CHANGES = (
    "openat,write,pwrite64,pwritev,ftruncate,truncate,fallocate,copy_file_range,sendfile,"
    "fsync,fdatasync,rename,renameat,renameat2,link,linkat,symlink,symlinkat,unlink,unlinkat,"
    "mkdir,mkdirat,rmdir,chmod,fchmod,fchmodat,utimensat,fsetxattr,setxattr"
)
_RUN_SECONDS = 20
_STEPS_SECONDS = 120
_FAULT_SECONDS = 2

Call = str
"""A system call with its arguments, as strace writes it."""


def obstacle() -> str:
    """
    Return why no process can be traced here, empty if one can.
    """
    if shutil.which("strace") is None:
        return "there is no strace here"
    probe = subprocess.run(
        ["strace", "-e", "inject=?rename:signal=STOP", "true"],
        check=False,
        capture_output=True,
        text=True,
    )
    return f"strace cannot trace here: {probe.stderr.strip()}" if probe.returncode else ""


def import_the_daemon(config: Path, log: Path) -> None:
    """
    Import every module that a run of `retouchd once` with this configuration needs.
    """
    listing = log.with_suffix(".modules")
    pid = _forked(config, log, lambda: None, lambda: _list_modules(listing))
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) in {0, 1}, log.read_text()
    for name in listing.read_text().split():
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


def run(config: Path, log: Path) -> int:
    """
    Run `retouchd once` to its end; return its exit code, or the signal, negative, that ended it.
    """
    pid = _forked(config, log, lambda: None)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def run_in_steps(
    config: Path,
    log: Path,
    roots: tuple[Path, ...],
    at_each: Callable[[int, Call], bool],
    mutant: Callable[[], None] = lambda: None,
) -> tuple[int, list[Call]]:
    """
    Run `retouchd once`, stopped after each change below `roots`; return its exit code and the changes.

    While all of it stands still, `at_each` is given the number of the change and the call. Where that
    returns False, the daemon is killed and the code is -9.
    """
    steps: list[Call] = []

    def begin(wait: Callable[[], None]) -> None:
        wait()
        mutant()

    with (
        _held(config, log, _STEPS_SECONDS, begin) as (pid, let_go),
        _tracer(pid, f"{_CHANGES}:signal=STOP") as lines,
    ):
        let_go()
        for made in _stops(pid, lines):
            if changes := [call for call in made if _is_change(call, roots)]:
                steps.append(" and ".join(changes))
                if not at_each(len(steps), steps[-1]):
                    os.kill(pid, signal.SIGKILL)
                    break
            os.kill(pid, signal.SIGCONT)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), steps


def run_with_fault(config: Path, log: Path, fault: str, *paths: Path) -> tuple[int, list[Call]]:
    """
    Run `retouchd once` with a fault that strace injects, into calls about certain paths if any are given.

    Calls count from where the daemon has begun its work: before, it would only refuse to start. Return
    its exit code and the calls that failed. One that waits for better times is ended by a signal.
    """
    with (
        _held(config, log, _FAULT_SECONDS, _until_it_works) as (pid, let_go),
        _tracer(pid, fault, *paths) as lines,
    ):
        let_go()
        failed = [line for line in lines if "(INJECTED)" in line]
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), failed


def _forked(
    config: Path,
    log: Path,
    before: Callable[[], object],
    after: Callable[[], object] = lambda: None,
    *,
    seconds: int = _RUN_SECONDS,
) -> int:
    child = os.fork()
    if child:
        return child
    code = 70
    try:
        signal.alarm(seconds)
        with log.open("ab") as place:
            for number in (1, 2):
                os.dup2(place.fileno(), number)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        before()
        sys.argv = ["retouchd", "once", "--config", os.fspath(config)]
        try:
            main()
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 0
        after()
        sys.stdout.flush()
    except BaseException:  # noqa: BLE001 - the child must never return into its parent's code
        traceback.print_exc()
    finally:
        os._exit(code)


def _list_modules(listing: Path) -> None:
    listing.write_text("\n".join(sys.modules))


@contextlib.contextmanager
def _held(
    config: Path, log: Path, seconds: int, before: Callable[[Callable[[], None]], object]
) -> Iterator[tuple[int, Callable[[], None]]]:
    """
    Yield a daemon that waits, and what lets it go on; it is gone with the context, or so many seconds later.

    In its process, what is called `before` all else is handed the wait for that.
    """
    gate, opener = os.pipe()
    sign, signer = os.pipe()

    def wait() -> None:
        os.close(opener)
        os.close(signer)
        os.read(gate, 1)
        os.close(gate)
        # Only now: until strace is attached, a busy machine takes longer than some faults are given.
        signal.alarm(seconds)

    pid = _forked(config, log, lambda: before(wait), seconds=_STEPS_SECONDS)
    os.close(gate)
    os.close(signer)
    os.read(sign, 1)
    os.close(sign)
    try:
        yield pid, lambda: os.close(opener)
    finally:
        with contextlib.suppress(ChildProcessError, ProcessLookupError):
            if os.waitpid(pid, os.WNOHANG) == (0, 0):
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)


def _until_it_works(wait: Callable[[], None]) -> None:
    """
    Have the daemon wait where its folders are proven and its lock is taken.
    """
    work = Daemon._work

    async def held(*arguments: Any, **keywords: Any) -> Any:
        wait()
        return await work(*arguments, **keywords)

    vars_of(Daemon, _work=held)


@contextlib.contextmanager
def _tracer(pid: int, injection: str, *paths: Path) -> Iterator[Iterator[str]]:
    """
    Attach strace to a process; yield the lines that it writes about the injected calls and signals.
    """
    names, _, what = injection.partition(":")
    # Not every machine knows every call.
    calls = ",".join(f"?{name}" for name in names.split(","))
    command = ["strace", "-f", "-y", "-s", "0", "-o", "/dev/stderr", "-e", f"trace={calls}"]
    command += ["-e", f"inject={calls}:{what}", "-p", str(pid)]
    for path in paths:
        command += ["-P", os.fspath(path)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, errors="replace") as tracer:
        assert tracer.stderr is not None
        try:
            for line in tracer.stderr:
                if "attached" in line:
                    break
            else:
                raise AssertionError("strace cannot attach to a process here")
            yield tracer.stderr
            for _ in tracer.stderr:
                pass  # Only then is it gone.
        finally:
            tracer.kill()


def _stops(pid: int, lines: Iterator[str]) -> Iterator[list[Call]]:
    """
    Return the calls since the last time, each time that all threads stand still.

    One that is inside a call comes to the end of it first: it is then told by no stop of its own.
    """
    calls: list[Call] = []
    still: set[str] = set()
    for line in lines:
        thread, _, text = line.strip().partition(" ")
        text = text.strip()
        if text.startswith("--- stopped by SIGSTOP"):
            still.add(thread)
        elif not text.startswith(("---", "+++", "<...")):
            calls.append(text)
        if still and still.issuperset(os.listdir(f"/proc/{pid}/task")):
            yield calls
            calls, still = [], set()


def _is_change(call: Call, roots: tuple[Path, ...]) -> bool:
    return any(f"{root}/" in call for root in roots) and (
        not call.startswith("openat") or "O_CREAT" in call or "O_TRUNC" in call
    )
