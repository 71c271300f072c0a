"""
Starts Python programs by forking a process that has imported what they need: a start costs a tenth.

What is started is a process of its own: a child of the test's process, with the arguments, environment,
folder and streams it was given, and it runs the very file. It differs from one started by exec in its command
line and environment in /proc, its memory, its limits (those the tests began with), in that the interpreter is
not taken down at its end, and in that calls go by the library of `hanging_disk.py`, which passes them on unless
the environment says otherwise. `can_start` says what the interpreter's start decides.

    python fork_server.py SOCKET
"""

import atexit
import contextlib
import ctypes
import gc
import importlib
import io
import os
import pickle
import pkgutil
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, cast

from preloaded import library

_TESTS = os.fspath(Path(__file__).parents[1])
_RETOUCHD = os.fspath(Path(sys.executable).with_name("retouchd"))
Start = tuple[list[str], dict[str, str], str, bool]
"""
A command, its environment, its folder, and whether it gets a session of its own: plain values, which the
server reads without this module.
"""

_SET_CHILD_SUBREAPER = 36
_MOST_BYTES = 1 << 20
_OF_THE_INTERPRETER = ("PYTHON", "LC_", "LANG", "LD_", "MALLOC_", "GLIBC_", "PILLOW_")
_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1"}
"""What numpy would start threads by, which no fork takes along."""
_PRELOADED = "LD_PRELOAD"
_GIVEN = ["-P", "-c"]
"""How a command goes on whose program is one of its own arguments."""
_ITS_OWN = {"retouchd.__main__", "retouchd.cli.main"}
"""Run anew by each start: they read the environment while they are imported."""


def can_start(command: Sequence[str], environment: Mapping[str, str]) -> bool:
    """
    Return whether a command is `retouchd` or a script of the tests, in an environment that means nothing
    to the interpreter but what ours means; any other preloaded library gets a server of its own.
    """
    is_known = command[0] == _RETOUCHD or (
        command[0] == sys.executable and len(command) > 1 and command[1].startswith(f"{_TESTS}/")
    )
    own = {name: each for name, each in environment.items() if name != _PRELOADED}
    return is_known and _of_the_interpreter(own) == _of_the_interpreter(os.environ)


class Forked(subprocess.Popen[bytes]):
    """
    A process that the fork server starts, to be used as one that Popen starts.
    """

    def _execute_child(
        self,
        args: Sequence[str],
        _executable: object,
        _preexec_fn: object,
        _close_fds: object,
        _pass_fds: object,
        cwd: os.PathLike[str] | None,
        env: Mapping[str, str] | None,
        _startupinfo: object,
        _creationflags: object,
        _shell: object,
        *others: Any,
    ) -> None:
        p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite, *_, is_leading, _ = others
        env = os.environ if env is None else env
        start = list(args), dict(env), os.fspath(cwd or os.getcwd()), bool(is_leading)
        given = (p2cread, c2pwrite, errwrite)
        streams = [own if fd == -1 else fd for own, fd in enumerate(given)]
        usual = library("hanging") or ""
        self.pid = _server(env.get(_PRELOADED) or usual).start(start, streams)
        self._child_created = True
        self._close_pipe_fds(p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite)  # type: ignore[attr-defined]


class ForkingFinishers:
    """
    The module `subprocess` as what finishes results sees it, whose process is forked then.

    A program that a test puts in its place is run by an interpreter of its own.
    """

    def __init__(self, program: str) -> None:
        self._command = [sys.executable, *_GIVEN, program]

    def __getattr__(self, name: str) -> Any:
        return getattr(subprocess, name)

    def run(
        self,
        command: list[str],
        *,
        input: bytes,  # noqa: A002 - as in `subprocess.run`
        timeout: float,
        check: bool,
        **streams: Any,
    ) -> "subprocess.CompletedProcess[bytes]":
        if command[:-1] != self._command or check:
            return subprocess.run(command, input=input, timeout=timeout, check=check, **streams)
        with Forked(command, stdin=subprocess.PIPE, **streams) as process:
            try:
                out, err = process.communicate(input, timeout)
            except BaseException:
                process.kill()
                raise
        return subprocess.CompletedProcess(command, process.returncode, out, err)


class _Server:
    """
    The process that forks, as the tests see it.
    """

    def __init__(self, preloaded: str) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env={**os.environ, **_ONE_THREAD, **({_PRELOADED: preloaded} if preloaded else {})},
            )
        self._lock = threading.Lock()
        self._libc = ctypes.CDLL(None, use_errno=True)
        atexit.register(self._end)

    def start(self, start: Start, streams: Sequence[int]) -> int:
        """
        Start a program; return the id of its process, which is a child of this one.
        """
        with self._lock:
            # The server's child that forks the program ends at once: the program goes to its nearest
            # ancestor that takes orphans, which is this process for as long as that takes.
            self._take_orphans(is_taking=True)
            try:
                socket.send_fds(self._socket, [pickle.dumps(start)], streams)
                said = self._socket.recv(_MOST_BYTES)
            finally:
                self._take_orphans(is_taking=False)
        if not said:
            raise RuntimeError("the fork server has ended")
        return int(said)

    def _take_orphans(self, *, is_taking: bool) -> None:
        if self._libc.prctl(_SET_CHILD_SUBREAPER, int(is_taking), 0, 0, 0):
            raise OSError(ctypes.get_errno(), "prctl")

    def _end(self) -> None:
        self._socket.close()
        self._process.wait()


_servers: dict[str, _Server] = {}
_starting = threading.Lock()


def _server(preloaded: str) -> _Server:
    with _starting:
        if preloaded not in _servers:
            _servers[preloaded] = _Server(preloaded)
        return _servers[preloaded]


def _of_the_interpreter(environment: Mapping[str, str]) -> dict[str, str]:
    names = (each for each in environment if each.startswith(_OF_THE_INTERPRETER))
    return {name: environment[name] for name in names}


def _import_all() -> None:
    """
    Import what the programs would, in the order of a daemon: what it leaves out, its libraries leave out.
    """
    os.environ.setdefault(
        "OPENBLAS_NUM_THREADS", "1"
    )  # numpy's library has threads from its import on
    import retouchd
    from retouchd.cli.command import lean

    with lean():
        importlib.import_module("retouchd.cli.running")
    for module in pkgutil.walk_packages(retouchd.__path__, "retouchd."):
        if module.name not in _ITS_OWN:
            importlib.import_module(module.name)
    assert len(os.listdir("/proc/self/task")) == 1, "a thread is lost where its process forks"
    gc.collect()
    gc.freeze()


def _serve(listening: socket.socket) -> "tuple[Start, list[int]]":
    """
    Fork at each request, for ever; return in the process that is to be the program.
    """
    while True:
        data, fds, *_ = socket.recv_fds(listening, _MOST_BYTES, 3)
        if not data:
            os._exit(0)
        ours, theirs = os.pipe()
        gate, opener = os.pipe()
        between = os.fork()
        if not between:
            if pid := os.fork():
                os.write(theirs, str(pid).encode())
                os._exit(0)
            os.close(opener)
            # Until the process between is gone: from then on its parent is the right one.
            os.read(gate, 1)
            return pickle.loads(data), fds
        os.close(theirs)
        os.close(gate)
        for fd in fds:
            os.close(fd)
        os.waitpid(between, 0)
        os.close(opener)
        with open(ours, "rb") as pipe:
            listening.send(pipe.read())


def _become(start: Start, streams: Sequence[int]) -> None:
    """
    Give this process what the program is started with.
    """
    for number, fd in enumerate([os.dup(each) for each in streams]):
        os.dup2(fd, number)
    os.closerange(3, max(map(int, os.listdir("/proc/self/fd"))) + 1)
    command, environment, folder, is_leading = start
    if is_leading:
        os.setsid()
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    tempfile.tempdir = None
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if _is_given(command):
        sys.argv = ["-c", *command[4:]]
        del sys.path[0]
    else:
        sys.argv = command[1:] if command[0] == sys.executable else command
        sys.path[0] = os.path.dirname(sys.argv[0])
    # The streams are those of the descriptors, whatever these are by now.
    out = cast("io.TextIOWrapper", sys.stdout)
    out.reconfigure(line_buffering=os.isatty(1) and not out.write_through)


def _is_given(command: Sequence[str]) -> bool:
    """
    Return whether the program is one of the command's own arguments.
    """
    return command[1:3] == _GIVEN


def _run(command: Sequence[str]) -> int:
    """
    Run the program; return its exit code.
    """
    try:
        if _is_given(command):
            exec(command[3], {"__name__": "__main__"})
        else:
            runpy.run_path(sys.argv[0], run_name="__main__")
    except SystemExit as ending:
        if ending.code is None or isinstance(ending.code, int):
            return ending.code or 0
        sys.stderr.write(f"{ending.code}\n")
        return 1
    except KeyboardInterrupt:
        traceback.print_exc()
        return -signal.SIGINT
    except Exception:  # noqa: BLE001 - the interpreter would show it as well
        traceback.print_exc()
        return 1
    return 0


def _end(code: int) -> NoReturn:
    """
    End as the interpreter does, but let the kernel have what is left: taking it down takes longer than most
    programs run.
    """
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


if __name__ == "__main__":
    _import_all()
    asked = _serve(socket.socket(fileno=int(sys.argv[1])))
    _become(*asked)
    _end(_run(asked[0][0]))
