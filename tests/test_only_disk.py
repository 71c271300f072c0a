"""
Nothing but `disk` changes a file in the six folders.
"""

import ast

from documents import ROOT

CHANGES = {
    "os": {
        *(
            "chmod",
            "chown",
            "copy_file_range",
            "ftruncate",
            "link",
            "makedirs",
            "mkdir",
            "mkfifo",
            "mknod",
            "remove",
        ),
        *(
            "removedirs",
            "rename",
            "renames",
            "replace",
            "rmdir",
            "sendfile",
            "setxattr",
            "symlink",
            "truncate",
            "unlink",
        ),
        *("utime", "write", "pwrite"),
    },
    "shutil": {"copy", "copy2", "copyfile", "copymode", "copystat", "copytree", "move", "rmtree"},
    "tempfile": {"mkdtemp", "mkstemp", "NamedTemporaryFile", "TemporaryDirectory", "TemporaryFile"},
}
OF_PATHS = {"hardlink_to", "mkdir", "rmdir", "symlink_to", "touch", "write_bytes", "write_text"}
ELSEWHERE = {
    "answer/stored_answer.py: TemporaryFile",
    "cli/as_service.py: mkdir",
    "cli/as_service.py: write_text",
    "cli/demo.py: mkdir",
    "cli/demo.py: write_bytes",
    "cli/demo.py: write_text",
    "cli/completing.py: mkdir",
    "cli/completing.py: write_text",
    "logs/writer.py: write",
    "status/status_file.py: utime",
}
"""Files that are no job's, and one that has no name."""


def test_only_disk_changes_files() -> None:
    """
    Every other module goes through it, so that what must survive a power cut does, and links lead nowhere.
    """
    package, found = ROOT / "daemon/retouchd", set()
    for path in package.rglob("*.py"):
        name = path.relative_to(package).as_posix()
        if name.startswith("disk/"):
            continue
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.Attribute):
                owner = node.value.id if isinstance(node.value, ast.Name) else ""
                if node.attr in CHANGES.get(owner, ()) or node.attr in OF_PATHS:
                    found.add(f"{name}: {node.attr}")

    assert found == ELSEWHERE
