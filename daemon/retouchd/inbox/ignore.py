"""
The names in the inbox that are nobody's picture yet: temporaries, junk, conflict copies, private.

One table says which program writes which names; events and scans both ask it, so that they never
disagree. Names match whole and ASCII case-insensitively; the first row that fits decides, so rows
that know the writer stand above rows that only know a habit.
"""

import fnmatch
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from retouchd.inbox import conflict_copies
from retouchd.job.filenames import (
    EDIT_EXTENSIONS,
    FOREIGN_PICTURES,
    IMAGE_EXTENSIONS,
    PROMPT_EXTENSIONS,
)


class IgnoredKind(StrEnum):
    """
    Why a name is not taken.
    """

    TEMPORARY = "temporary"
    """A writer's own unfinished file, which gets its name when it is finished."""
    JUNK = "junk"
    """By-products of programs: locks, backups, thumbnails, lists."""
    CONFLICT = "conflict"
    """A conflict copy of a sync program: not taken but reported, it may be the only copy."""
    RECEIVED = "received"
    """What an endpoint gave, kept where a result was written anew: never a picture of its own."""
    PRIVATE = "private"
    """Other names with a leading `_` or `.`: the person's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ignored:
    """
    The answer for a name that is not taken; `reason` names the writer, for people.
    """

    kind: IgnoredKind
    reason: str


@dataclass(frozen=True, slots=True)
class Row:
    """
    One writer's names: regular expressions for whole names of files and of folders.
    """

    kind: IgnoredKind
    reason: str
    files: str | None = None
    folders: str | None = None


_TAKEN = rf"(?:{'|'.join(sorted(IMAGE_EXTENSIONS | PROMPT_EXTENSIONS | EDIT_EXTENSIONS))})"
"""Extensions of the files that retouchd takes; only these can be an ordinary picture or prompt."""
_PICTURE = rf"(?:{'|'.join(sorted(IMAGE_EXTENSIONS | FOREIGN_PICTURES))})"
_CAMERA = r"_[A-Z0-9_]{3}[0-9]{4}(?:[ ._(-]|\Z)"
"""
How a camera set to Adobe RGB begins its names, and what a person or a program adds: `_` in place of the first
letter, then the others and four digits (DCF, JEITA CP-3461: `_DSC0001`, `_MG_0001`).
"""
_RANDOM6 = r"(?-i:(?=[a-z]*[A-Z0-9])[A-Za-z0-9]{6})"
"""What mkstemp adds. One capital or digit is asked for, lest words be taken for it."""

_T, _J, _C, _P, _R = (
    IgnoredKind.TEMPORARY,
    IgnoredKind.JUNK,
    IgnoredKind.CONFLICT,
    IgnoredKind.PRIVATE,
    IgnoredKind.RECEIVED,
)

TABLE: tuple[Row, ...] = (
    # Transfers and synchronisation.
    Row(_J, "placeholder of iCloud for a file that is not here yet", r"\..+\.icloud"),
    Row(_J, "state of Syncthing", r"\.stignore|\.stfolder", r"\.stfolder|\.stversions"),
    Row(_T, "unfinished copy of Syncthing", r"(?:\.syncthing\.|~syncthing~).+\.tmp"),
    Row(_C, "conflict copy of Syncthing", conflict_copies.SYNCTHING),
    Row(_T, "unfinished upload to Nextcloud", r".+\.ocTransferId\d+\.part"),
    Row(_T, "unfinished download of Nextcloud", r"\..+\.~[0-9a-f]+"),
    Row(
        _J,
        "state of Nextcloud",
        r"\._?sync_.*\.db.*|\.csync_journal\.db.*|\.(?:owncloud|nextcloud)sync\.log.*",
    ),
    Row(_C, "conflict copy of Nextcloud", conflict_copies.NEXTCLOUD),
    Row(_C, "conflict copy of Dropbox", conflict_copies.DROPBOX),
    Row(_C, "conflict copy of Seafile", conflict_copies.SEAFILE),
    Row(_C, "conflict copy of Synology Drive", conflict_copies.SYNOLOGY),
    Row(_C, "conflict copy of OneDrive", conflict_copies.ONEDRIVE),
    Row(_C, "conflict copy of rclone or Resilio Sync", conflict_copies.OTHERS),
    Row(_J, "state of Dropbox", r"\.dropbox(?:\.attr)?", r"\.dropbox\.cache"),
    Row(_T, "unfinished copy of Google Drive", None, r"\.tmp\.drive(?:download|upload)"),
    Row(_T, "unfinished upload of Google Cloud", r".+_\.gstmp"),
    Row(_T, "unfinished copy of Resilio Sync", r".+\.(?:!sync|SyncPart|SyncTemp|bts)"),
    Row(_J, "state of Resilio Sync", r".*\.(?:SyncID|SyncIgnore)", r"\.sync"),
    Row(_T, "unfinished copy of Unison", r"\.unison\..+\.unison\.tmp"),
    Row(_T, "unfinished copy of FolderSync", r".+\.tacitpart"),
    Row(_T, "unfinished upload of WinSCP", r".+\.filepart"),
    Row(_T, "unfinished upload to SFTPGo", r"\.sftpgo-upload\..+"),
    Row(_T, "unfinished upload to Pure-FTPd", r"\.pureftpd-upload\..+"),
    Row(_T, "unfinished upload of FTP", r"\.in\..+"),
    Row(_T, "unfinished upload of WebDAV", r"\.davfs\.tmp.*"),
    Row(_J, "state of WebDAV", None, r"\.DAV"),
    Row(_T, "unfinished copy of rclone", r".+\.[0-9a-z]{8}\.partial"),
    Row(_J, "list of aria2 for a download under way", r".+\.aria2"),
    Row(_J, "test file of retouchd", r"\.retouchd-probe-.+"),
    Row(_T, "unfinished copy of retouchd", r"\.retouchd-.+"),
    # Browsers and downloaders.
    Row(
        _T,
        "unfinished download of Chrome",
        r".+\.crdownload|\.com\.google\.Chrome\..+|\.org\.chromium\.Chromium\..+",
    ),
    Row(_T, "unfinished download of Opera", r".+\.opdownload"),
    Row(_T, "unfinished download of Safari", r".+\.download", r".+\.download"),
    Row(_T, "unfinished download", r".+\.(?:!ut|bc!|!bt|!qB|xltd|td|jc!|dtapart)"),
    # Office, creative programs, editors.
    Row(_J, "lock of Microsoft Office", r"~\$.+"),
    Row(_T, "temporary file of Microsoft Office", r"~WR.*\.tmp|~WRL.*|~DF.*\.tmp|[0-9a-f]{8}"),
    Row(_T, "unfinished copy of OneDrive", r"~.*\.tmp"),
    Row(_J, "lock of LibreOffice", r"\.~lock\..+#"),
    Row(_J, "lock of Affinity", r".+~lock~"),
    Row(_J, "lock of InDesign", r".+\.idlk"),
    Row(_T, "temporary file of Photoshop", r"Adobe Photoshop \d+|Photoshop Temp\d+"),
    Row(_J, "cache of Adobe Bridge", r"\.BridgeCacheT?"),
    Row(_T, "temporary file of ExifTool", r".+_exiftool_tmp"),
    Row(_J, "backup of ExifTool", r".+\.\w+_original"),
    Row(_T, "unfinished file of a GNOME program", r"\.goutputstream-.{6}"),
    Row(_T, "unfinished copy of Thunar", r".+\.partial~"),
    Row(_T, "unfinished file of JetBrains", r".*___jb_...___"),
    Row(_T, "unfinished file of Sublime Text", r"\.subl.*\.tmp"),
    Row(_J, "swap file of Vim", r"\..*\.sw[a-z]|4913"),
    Row(_J, "swap file of Kate", r"\..+\.kate-swp"),
    Row(_J, "lock or autosave of Emacs", r"#.+#|\.#.+"),
    Row(_J, "check of an editor", r"flycheck_.+"),
    Row(_T, "unfinished file of Unmanic", r".+\.unmanic\.part"),
    # Operating systems, storage boxes, network filesystems.
    Row(
        _J, "metadata of macOS", r"\._.*|\.DS_Store|\.apdisk|\.VolumeIcon\.icns|\.localized|Icon\r"
    ),
    Row(
        _J,
        "folder of macOS",
        None,
        r"\.AppleDouble|\.TemporaryItems|\.Spotlight-V100|\.Trashes|\.fseventsd"
        r"|\.DocumentRevisions-V100|__MACOSX|.*\.backupdb",
    ),
    Row(
        _T,
        "unfinished file of macOS",
        r".+\.sb-[0-9a-f]{8}-[0-9a-z]{6}",
        r"\(A Document Being Saved By .+\)",
    ),
    Row(_J, "file deleted while it was open", r"\.smbdelete.*|\.nfs.*|\.fuse_hidden.*"),
    # Where a filesystem cannot hold a colon, Samba's two mappings put another character.
    Row(_J, "origin mark of Windows", ".+[:\uf022\uf03a]Zone\\.Identifier(?::\\$DATA)?"),
    Row(
        _J,
        "system file of Windows",
        r"Thumbs\.db(?::encryptable)?|ehthumbs(?:_vista)?\.db|desktop\.ini|.+\.lnk",
        r"\$RECYCLE\.BIN|System Volume Information",
    ),
    Row(_J, "folder settings of KDE", r"\.directory"),
    Row(
        _J, "folder of the file system", None, r"lost\+found|\.Trash-.+|\.recycle|\.snapshots|\.zfs"
    ),
    Row(
        _J,
        "file of a Synology",
        r".*@SynoResource|(?-i:SYNO[A-Z]+_.+)",
        r"@eaDir|#recycle|#snapshot|@tmp|\.SynologyWorkingDirectory",
    ),
    Row(_J, "folder of a QNAP", None, r"\.@__thumb|@Recycle|\.streams"),
    # Habits that many programs share.
    Row(_T, "unfinished download of Firefox or KDE", r".+\.part", r".+\.part"),
    Row(
        _T,
        "temporary file",
        r".*\.(?:tmp|temp|partial|incomplete)|(?-i:tmp[a-z0-9_]{8})",
        r".+\.(?:tmp|temp|partial|incomplete)",
    ),
    Row(
        _R,
        "what an endpoint gave before retouchd finished it; to have it edited, rename it",
        rf".+\.received\.{_PICTURE}",
    ),
    Row(_J, "lock", r".*\.(?:lock|lck)"),
    Row(_J, "backup of an editor", r".+\.(?:bak|orig)|.*~"),
    Row(_T, "unfinished copy of rsync", r"\..+\.[0-9a-z]{6}", r"\.~tmp~|\.rsync-partial"),
    Row(_T, "unfinished copy of the AWS command line", rf".+\.{_TAKEN}\.[0-9a-f]{{8}}"),
    Row(_T, "unfinished file of a GNOME or KDE program", rf".+\.{_TAKEN}\.(?!prompt\Z){_RANDOM6}"),
    Row(_P, "hidden: the name starts with a dot", r"\..*", r"\..*"),
    Row(
        _P,
        "private: the name starts with an underscore",
        rf"(?!_prompt\.txt\Z|_edit\.(?:toml|json|ya?ml)\Z|{_CAMERA})_.*",
        r"_.*",
    ),
)
"""Who writes what; specific rows first."""

_RESOLVE = ", as its file was changed in two places: delete one of them, or rename this one to have it edited"

_FLAGS = re.IGNORECASE | re.ASCII | re.DOTALL


@dataclass(frozen=True, slots=True, kw_only=True)
class IgnoreRules:
    """
    Rows compiled into one expression; the number of the group that matched is the answer's place.
    """

    expression: re.Pattern[str]
    answers: tuple[Ignored, ...]

    def find(self, name: str) -> Ignored | None:
        """
        Return the answer of the first row that fits the whole name.
        """
        found = self.expression.fullmatch(name) if self.answers else None
        return self.answers[(found.lastindex or 0) - 1] if found else None


def _rules(rows: Iterable[tuple[str, Ignored]]) -> IgnoreRules:
    rows = tuple(rows)
    return IgnoreRules(
        expression=re.compile("|".join(f"({names})" for names, _ in rows), _FLAGS),
        answers=tuple(answer for _, answer in rows),
    )


def _answer(row: Row) -> Ignored:
    advice = _RESOLVE if row.kind is IgnoredKind.CONFLICT else ""
    return Ignored(kind=row.kind, reason=f"{row.reason}{advice}")


_FILES = _rules((row.files, _answer(row)) for row in TABLE if row.files)
_FOLDERS = _rules((row.folders, _answer(row)) for row in TABLE if row.folders)

_ORDINARY = re.compile(
    rf"(?!flycheck_|SYNO)[^._~#\0-\x1f](?!.*(?:{conflict_copies.MAYBE}|\.received\.)).*(?<!\.)\.{_TAKEN}",
    _FLAGS,
)
"""Names that no row fits: the quick answer for nearly every file of a large folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IgnoreTable:
    """
    The table together with the person's own patterns; what they allow wins over everything.
    """

    allowed_files: IgnoreRules
    allowed_folders: IgnoreRules
    own_files: IgnoreRules
    own_folders: IgnoreRules

    def file(self, name: str) -> Ignored | None:
        """
        Return why a file of this name is not taken, or None when it may be.
        """
        if self.allowed_files.find(name):
            return None
        if own := self.own_files.find(name):
            return own
        return None if _ORDINARY.fullmatch(name) else _FILES.find(name)

    def folder(self, name: str) -> Ignored | None:
        """
        Return why a folder of this name is not entered, or None when it may be.
        """
        if self.allowed_folders.find(name):
            return None
        return self.own_folders.find(name) or _FOLDERS.find(name)

    def is_aside(self, name: str) -> bool:
        """
        Return whether folders of that name are the person's own, for references and notes.
        """
        return name.startswith("_") and self.folder(name) is not None

    def is_of_no_matter(self, path: str) -> bool:
        """
        Return whether nothing in this folder is taken, nor sent along as a reference.
        """
        parts = path.split("/")
        return any(self.folder(part) is not None and not self.is_aside(part) for part in parts)


NAME_PATTERN = r"^\s*(!\s*[^/\s][^/]*|[^!/\s][^/]*)/?\s*$"
"""A person's own pattern, as a regular expression: one whole name, a `!` before it, a `/` behind it."""


def ignore_table(user_patterns: Sequence[str] = ()) -> IgnoreTable:
    """
    Return the table with the person's patterns added to it.

    A pattern is a glob (`*`, `?`, `[abc]`) for one whole name; with a `/` at its end it is for folders
    only, and a `!` before it takes what the table or another pattern would ignore. Raises ValueError
    for a pattern that can fit no name.
    """
    allowed = [pattern[1:] for pattern in user_patterns if pattern.startswith("!")]
    own = [pattern for pattern in user_patterns if not pattern.startswith("!")]
    return IgnoreTable(
        allowed_files=_rules(_own(pattern) for pattern in allowed if not pattern.endswith("/")),
        allowed_folders=_rules(_own(pattern) for pattern in allowed),
        own_files=_rules(_own(pattern) for pattern in own if not pattern.endswith("/")),
        own_folders=_rules(_own(pattern) for pattern in own),
    )


def _own(pattern: str) -> tuple[str, Ignored]:
    name = pattern.removesuffix("/")
    if not name or "/" in name:
        raise ValueError(
            f"The ignore pattern {pattern!r} fits no name: "
            "write a pattern for one name, such as '*.bak' or 'drafts/'."
        )
    answer = Ignored(kind=IgnoredKind.JUNK, reason=f"ignored by your pattern {pattern}")
    return fnmatch.translate(name), answer
