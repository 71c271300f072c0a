"""
ExifTool, kept open from one question to the next: its start takes longer than most of them.
"""

import atexit
import functools
import re
import shutil
import subprocess

import pytest

NEEDED = pytest.mark.skipif(shutil.which("exiftool") is None, reason="exiftool is not installed")
_LAST = re.compile(rb"\A(.*)\{status (\d+)\}\n\Z", re.DOTALL)


def said(*arguments: str) -> str:
    """
    Return what it says to some arguments, none of which holds a line break; it must find nothing wrong.
    """
    process = _process()
    assert process.stdin is not None
    assert process.stdout is not None
    words = [*arguments, "-echo3", "{status ${status}}", "-execute"]
    process.stdin.write("".join(f"{word}\n" for word in words).encode())
    process.stdin.flush()
    said = b""
    while not (end := _LAST.match(said)):
        line = process.stdout.readline()
        assert line, "it has ended"
        said += line
    assert end[2] == b"0", said
    return end[1].decode()


@functools.cache
def _process() -> "subprocess.Popen[bytes]":
    command = ["exiftool", "-stay_open", "True", "-@", "-", "-common_args", "-q"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    atexit.register(process.communicate, b"-stay_open\nFalse\n")
    return process
