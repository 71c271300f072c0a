import pytest
from hypothesis import given
from hypothesis import strategies as st

from retouchd.inbox import ignore
from retouchd.inbox.ignore import Ignored, IgnoredKind, ignore_table

TABLE = ignore_table()

TEMPORARY = [
    ("rsync", ".photo.jpg.aB3xYz"),
    ("rsync", ".photo.jpg.abcdef"),
    ("Syncthing", ".syncthing.photo.jpg.tmp"),
    ("Syncthing", "~syncthing~photo.jpg.tmp"),
    ("Syncthing", ".syncthing.0123456789abcdef0123456789abcdef.tmp"),
    ("rclone", "photo.jpg.1a2b3c4d.partial"),
    ("upload to Nextcloud", "photo.jpg.ocTransferId123456.part"),
    ("download of Nextcloud", ".photo.jpg.~1f2e3d"),
    ("Google Cloud", "photo.jpg_.gstmp"),
    ("Resilio", "photo.jpg.!sync"),
    ("Resilio", "photo.jpg.SyncPart"),
    ("Resilio", "photo.jpg.SyncTemp"),
    ("Resilio", "photo.jpg.bts"),
    ("Unison", ".unison.photo.jpg.1a2b.unison.tmp"),
    ("FolderSync", "photo.jpg.tacitpart"),
    ("WinSCP", "photo.jpg.filepart"),
    ("SFTPGo", ".sftpgo-upload.c0ffee.photo.jpg"),
    ("Pure-FTPd", ".pureftpd-upload.1a2b.15.1.0"),
    ("FTP", ".in.photo.jpg."),
    ("FTP", ".in.photo.jpg"),
    ("rsync", "..photo.jpg.aB3xYz.Q1w2E3"),
    ("Nextcloud", "照片.jpg.ocTransferId123456.part"),
    ("WebDAV", ".davfs.tmp1a2b3c"),
    ("AWS", "photo.jpg.1A2b3C4d"),
    ("retouchd", ".retouchd-drop-1a2b3c4d-1"),
    ("Chrome", "photo.jpg.crdownload"),
    ("Chrome", "Unconfirmed 123456.crdownload"),
    ("Chrome", ".com.google.Chrome.aB3xYz"),
    ("Chrome", ".org.chromium.Chromium.aB3xYz"),
    ("Firefox", "photo.jpg.part"),
    ("Firefox", "photo.JPG.PART"),
    ("Safari", "photo.jpg.download"),
    ("Opera", "photo.jpg.opdownload"),
    ("temporary file", "photo.jpg.partial"),
    *[
        ("unfinished download", f"photo.jpg.{end}")
        for end in ("!ut", "bc!", "!bt", "!qB", "xltd", "td", "jc!", "dtapart")
    ],
    ("Microsoft Office", "~WRD0001.tmp"),
    ("Microsoft Office", "~WRL0001"),
    ("Microsoft Office", "~DF1A2B.tmp"),
    ("Microsoft Office", "1A2B3C4D"),
    ("OneDrive", "~photo.tmp"),
    ("Photoshop", "Adobe Photoshop 12"),
    ("Photoshop", "Photoshop Temp123456"),
    ("ExifTool", "photo.jpg_exiftool_tmp"),
    ("GNOME", ".goutputstream-AB12CD"),
    ("GNOME or KDE", "photo.jpg.aB3xYz"),
    ("GNOME or KDE", "cat.txt.XkLmNo"),
    ("Thunar", "photo.jpg.partial~"),
    ("JetBrains", "cat.txt___jb_tmp___"),
    ("JetBrains", "cat.txt.___jb_old___"),
    ("Sublime", ".subl1a2.tmp"),
    ("Unmanic", "photo.unmanic.part"),
    ("macOS", "cat.txt.sb-1a2b3c4d-AbC123"),
    ("temporary file", "photo.jpg.tmp"),
    ("temporary file", "photo.temp"),
    ("temporary file", "photo.incomplete"),
    ("temporary file", "tmpa1b2c_d4"),
    ("temporary file", "_prompt.txt.tmp"),
]
JUNK = [
    ("iCloud", ".photo.jpg.icloud"),
    ("Syncthing", ".stignore"),
    ("Syncthing", ".stfolder"),
    ("Nextcloud", "._sync_1a2b.db"),
    ("Nextcloud", ".sync_1a2b.db-wal"),
    ("Nextcloud", ".csync_journal.db-shm"),
    ("Nextcloud", ".owncloudsync.log.1"),
    ("Nextcloud", ".nextcloudsync.log"),
    ("Dropbox", ".dropbox"),
    ("Dropbox", ".dropbox.attr"),
    ("Resilio", ".SyncID"),
    ("Resilio", "root.SyncIgnore"),
    ("aria2", "photo.jpg.aria2"),
    ("Microsoft Office", "~$letter.docx"),
    ("Microsoft Office", "~$photo.jpg"),
    ("LibreOffice", ".~lock.letter.odt#"),
    ("Affinity", "photo.afphoto~lock~"),
    ("InDesign", "~book~a1b2c3.idlk"),
    ("Bridge", ".BridgeCache"),
    ("Bridge", ".BridgeCacheT"),
    ("ExifTool", "photo.jpg_original"),
    ("Vim", ".cat.txt.swp"),
    ("Vim", ".cat.txt.swo"),
    ("Vim", "4913"),
    ("editor", "cat.txt~"),
    ("Emacs", "#cat.txt#"),
    ("Emacs", ".#cat.txt"),
    ("Kate", ".cat.txt.kate-swp"),
    ("editor", "flycheck_cat.txt"),
    ("editor", "cat.txt.bak"),
    ("editor", "cat.txt.orig"),
    ("macOS", "._photo.jpg"),
    ("macOS", "._cat.txt"),
    ("macOS", ".DS_Store"),
    ("macOS", ".apdisk"),
    ("macOS", ".VolumeIcon.icns"),
    ("macOS", ".localized"),
    ("macOS", "Icon\r"),
    ("deleted", ".smbdeleteAAA1a2b"),
    ("deleted", ".nfs0000000001a2b3c4"),
    ("deleted", ".fuse_hidden0000001a"),
    ("Windows", "Thumbs.db"),
    ("Windows", "thumbs.db:encryptable"),
    ("Windows", "ehthumbs.db"),
    ("Windows", "ehthumbs_vista.db"),
    ("Windows", "desktop.ini"),
    ("Windows", "photo.jpg.lnk"),
    ("Windows", "photo.jpg:Zone.Identifier"),
    ("Windows", "photo.jpg:Zone.Identifier:$DATA"),
    ("Windows", "photo.jpg\uf022Zone.Identifier"),
    ("KDE", ".directory"),
    ("Synology", "photo.jpg@SynoResource"),
    ("Synology", "@SynoResource"),
    ("Synology", "SYNOPHOTO_THUMB_XL.jpg"),
    ("lock", "cat.lock"),
    ("lock", "cat.lck"),
]
CONFLICT = [
    ("Syncthing", "photo.sync-conflict-20240612-153012-ABCDEFG.jpg"),
    ("Nextcloud", "photo (conflicted copy 2024-06-12 153012).jpg"),
    ("Nextcloud", "photo_conflict-20240612-153012.jpg"),
    ("Dropbox", "photo (Ann's conflicted copy 2024-06-12).jpg"),
    ("Dropbox", "photo (Ann’s conflicted copy 2024-06-12).jpg"),
    ("Dropbox", "photo (Ann (office)'s conflicted copy 2024-06-12 2).jpg"),
    ("Dropbox", "photo (In Konflikt stehende Kopie von Anna 2026-11-29).jpg"),
    ("Dropbox", "photo (Annas in Konflikt stehende Kopie 2026-11-29).txt"),
    ("Dropbox", "photo (Copie en conflit de PC-ANNE 2026-11-29).jpg"),
    ("Dropbox", "photo (Copia en conflicto de Ana 2026-11-29).jpg"),
    ("Dropbox", "photo (Copia in conflitto di MBP-di-Marco 2026-11-29).jpg"),
    ("Dropbox", "photo (Cópia em conflito de pc 2026-11-29 1).jpg"),
    ("Dropbox", "photo (CÓPIA EM CONFLITO de pc 2026-11-29).jpg"),
    ("Dropbox", "photo (Co\u0301pia em conflito de pc 2026-11-29).jpg"),
    ("Dropbox", "photo (konfliktkopia 2026-11-29).jpg"),
    ("Dropbox", "photo (kopia powodująca konflikt użytkownika Jan 2026-11-29).jpg"),
    ("Dropbox", "photo (konfliktní kopie počítače notebook 2026-11-29).jpg"),
    ("Dropbox", "photo (Конфликтующая копия пользователя Алёна 2026-11-29).jpg"),
    ("Dropbox", "photo (Taketan の競合コピー 2026-11-29).jpg"),
    ("Dropbox", "photo (Air 的冲突副本 2026-11-29).jpg"),
    ("Dropbox", "photo(Cong-Windows的冲突副本1_2026-11-29 02-11-37).jpg"),
    ("Dropbox", "photo（小王 的衝突複本 2026-11-29）.jpg"),
    ("Dropbox", "photo (민수와(과) 충돌하는 사본 2026-11-29).jpg"),
    ("Dropbox", "photo (Çakışan kopya Ayşe 2026-11-29).jpg"),
    ("Dropbox", "photo (conflicterende kopie van Jan 2026-11-29).jpg"),
    ("Dropbox", "photo (Oles motstridende kopi 2026-11-29).jpg"),
    ("Dropbox", "photo (Liisan ristiriitainen kopio 2026-11-29).jpg"),
    ("Dropbox", "photo (Case Conflict).jpg"),
    ("Dropbox", "photo (Case Conflict (2)).jpg"),
    ("Dropbox", "photo (Unicode Encoding Conflict).jpg"),
    ("Dropbox", "photo (Conflicto de mayúsculas y minúsculas).jpg"),
    ("Dropbox", "photo (Sam's conflicting copy 2026-11-29).jpg"),
    ("Dropbox", "photo (conflicting copy 1).jpg"),
    ("Dropbox", "photo (selective sync conflict).jpg"),
    ("Nextcloud", "photo (conflicted copy anna 2024-06-12 153012).jpg"),
    ("Nextcloud", "photo_conflict_anna-20240612-153012.jpg"),
    ("Seafile", "photo (SFConflict ann@example.com 2026-11-29-11-30-28).jpg"),
    ("Synology", "photo_Andy-PC_Jan-03-0901-2026_CaseConflict_1.jpg"),
    ("Synology", "photo_Andy-PC_Jan-03-0901-2026_Conflict.jpg"),
    ("OneDrive", "photo-DESKTOP-4F2K9QX.jpg"),
    ("OneDrive", "photo-LAPTOP-0AB12CDE-2.txt"),
    ("rclone", "photo.conflict1.jpg"),
    ("rclone", "photo.jpg.conflict2"),
    ("Resilio", "photo.jpg.Conflict"),
]
PRIVATE = [
    ("underscore", "_backdrop.png"),
    ("underscore", "_prompt.png"),
    ("underscore", "_prompts.txt"),
    ("underscore", "_prompt.prompt"),
    ("underscore", "_edit.txt"),
    ("underscore", "_edit.toml\n"),
    ("underscore", "_"),
    ("underscore", "_DSC001.JPG"),
    ("underscore", "_DSC00001.JPG"),
    ("underscore", "_DSC0001x.JPG"),
    ("underscore", "_DÉC0001.JPG"),
    ("underscore", "_DSC٠٠٠١.JPG"),
    ("dot", ".photo.jpg"),
    ("dot", "."),
]
RECEIVED = [
    ("endpoint", "cat.received.png"),
    ("endpoint", "cat-1.received.webp"),
    ("endpoint", "Cat-warm.Received.JPG"),
    ("endpoint", "cat.received.gif"),
]
CASES = [
    (kind, writer, name)
    for kind, cases in (
        (IgnoredKind.TEMPORARY, TEMPORARY),
        (IgnoredKind.JUNK, JUNK),
        (IgnoredKind.CONFLICT, CONFLICT),
        (IgnoredKind.PRIVATE, PRIVATE),
        (IgnoredKind.RECEIVED, RECEIVED),
    )
    for writer, name in cases
]

FOLDERS = [
    (IgnoredKind.TEMPORARY, "rsync", ".~tmp~"),
    (IgnoredKind.TEMPORARY, "rsync", ".rsync-partial"),
    (IgnoredKind.TEMPORARY, "Google Drive", ".tmp.drivedownload"),
    (IgnoredKind.TEMPORARY, "Google Drive", ".tmp.driveupload"),
    (IgnoredKind.TEMPORARY, "Safari", "photo.jpg.download"),
    (IgnoredKind.TEMPORARY, "macOS", "(A Document Being Saved By Preview)"),
    (IgnoredKind.TEMPORARY, "Firefox", "album.part"),
    (IgnoredKind.TEMPORARY, "temporary", "album.tmp"),
    *[
        (IgnoredKind.JUNK, writer, name)
        for writer, names in {
            "Syncthing": (".stfolder", ".stversions"),
            "Dropbox": (".dropbox.cache",),
            "Resilio": (".sync",),
            "WebDAV": (".DAV",),
            "macOS": (
                ".AppleDouble",
                ".TemporaryItems",
                ".Spotlight-V100",
                ".Trashes",
                ".fseventsd",
                ".DocumentRevisions-V100",
                "__MACOSX",
                ".backupdb",
                "Backups.backupdb",
            ),
            "Windows": ("$RECYCLE.BIN", "$Recycle.Bin", "System Volume Information"),
            "file system": ("lost+found", ".Trash-1000", ".recycle", ".snapshots", ".zfs"),
            "Synology": ("@eaDir", "#recycle", "#snapshot", "@tmp", ".SynologyWorkingDirectory"),
            "QNAP": (".@__thumb", "@Recycle", ".streams"),
        }.items()
        for name in names
    ],
    (IgnoredKind.PRIVATE, "underscore", "_refs"),
    (IgnoredKind.PRIVATE, "underscore", "_prompt.txt"),
    (IgnoredKind.PRIVATE, "dot", ".git"),
]

ORDINARY = [
    "cat.png.PROMPT",
    "conflict.png.Prompt",
    "~cat.jpg.PROMPT",
    "photo.jpg",
    "photo.jfif",
    "photo.JPE",
    "photo.hif",
    "_DSC0001.JPG",
    "_DSC0001",
    "_mg_0001.jpg.txt",
    "_DSC0001.mask.png",
    "_DSC0001_mask.png",
    "_DSC0001-2.png",
    "_DSC0001(1).png",
    "Photo.JPEG",
    "猫.png",
    "cat.mask.png",
    "cat.png.txt",
    "cat.png.prompt",
    "cat.jpg.prompt",
    "cat.png.toml",
    "part1.jpg",
    "my.part.jpg",
    "my.partial.jpg",
    "photo.tmp.jpg",
    "photo.part1.jpg",
    "photo.download.jpg",
    "photo.crdownload.jpg",
    "photo.jpg.uploading",
    "Unconfirmed 123456.jpg",
    "exiftool_tmp.jpg",
    "~photo~.jpg",
    "Thumbs.jpg",
    "lost+found.jpg",
    "template.png",
    "tmp.png",
    "temp.jpg",
    "tmp_beach.jpg",
    "tmpa1b2c_d4.jpg",
    "tmpabcdefgh.txt",
    "~holiday.jpg",
    "backup.jpg",
    "orig.png",
    "photo_original.jpg",
    "lock.png",
    "Icon.png",
    "Icon",
    "download.png",
    "partial.webp",
    "received.png",
    "a received.png",
    "cat.received.txt",
    "conflict.jpg",
    "conflicted copy.jpg",
    "family_conflict-resolution.jpg",
    "sync-conflict.jpg",
    *[
        f"{name}.jpg"
        for name in (
            "Conflict in Sudan (2024-01-01)",
            "Sudan (conflict zone 2024-01-01)",
            "Copy shop (2024-01-01)",
            "Konflikt (Theater 2024)",
            "Konfliktkopie",
            "copie en conflit",
            "Kopie (2)",
            "photo (2024-06-12)",
            "photo (Anna's copy 2024-06-12)",
            "photo (Anna's conflict)",
            "family (conflict of interest)",
            "冲突 (2024)",
            "副本 (1)",
            "冲突副本",
            "a(1) 冲突副本 (2)",
            "cat 2",
            "cat-DESKTOP",
            "hero-DESKTOP-1440x90",
            "hero-DESKTOP-800X600",
            "hero-LAPTOP-1024X768",
            "shop-DESKTOP-2024001",
            "shop-LAPTOP-20240011",
            "hero-DESKTOP-VERSION",
            "hero-LAPTOP-1440X900",
            "x_Jan-03-0901-2026_Resolved",
            "photo.conflict",
            "photo.Conflict",
            "war (case conflict files)",
            "SFConflict 2026",
        )
    ],
    "Adobe Photoshop 2024.png",
    "synology.png",
    "Synopsis_1.jpg",
    "thumbs.png",
    "desktop.png",
    "20240612.jpg",
    "1a2b3c4d.png",
    "4913.jpg",
    "#1.png",
    "@home.jpg",
    "$100.png",
    "photo (1).jpg",
    "photo - Copy.jpg",
    "photo.jpg.backup",
    "photo.20240612",
    "a.b.c123",
    "photo.cr2",
    "notes.docx",
    "tmp_holidays",
    "zone.identifier.jpg",
    "dropbox.jpg",
    "in.photo.jpg",
    "line\nbreak.jpg",
    "-rf.png",
    "x" * 251 + ".png",
]


@pytest.mark.parametrize(("kind", "writer", "name"), CASES, ids=[case[2] for case in CASES])
def test_writers_names_are_recognised(kind: IgnoredKind, writer: str, name: str) -> None:
    """
    Each name of the table is ignored, and the answer says what it is and whose.
    """
    found = TABLE.file(name)

    assert found
    assert kind is found.kind
    assert writer in found.reason


@pytest.mark.parametrize(("kind", "writer", "name"), FOLDERS, ids=[case[2] for case in FOLDERS])
def test_writers_folders_are_not_entered(kind: IgnoredKind, writer: str, name: str) -> None:
    """
    Each folder of the table is ignored, and the answer says what it is and whose.
    """
    found = TABLE.folder(name)

    assert found
    assert kind is found.kind
    assert writer in found.reason


@pytest.mark.parametrize("name", ORDINARY)
def test_names_that_only_look_alike_are_taken(name: str) -> None:
    """
    A person's name that resembles a writer's is not ignored.
    """
    assert TABLE.file(name) is None


@pytest.mark.parametrize(
    "name",
    [
        "_prompt.txt",
        "_Prompt.TXT",
        "_edit.toml",
        "_EDIT.json",
        "_edit.yaml",
        "_edit.yml",
    ],
)
def test_folder_files_are_taken(name: str) -> None:
    """
    The files that speak for their whole folder are not private, in any case of letters.
    """
    assert TABLE.file(name) is None


@pytest.mark.parametrize(
    "name", ["shoes", "20240612", "1a2b3c4d", "4913", "Icon", "tmp_holidays", "photo.jpg", "part"]
)
def test_ordinary_folders_are_entered(name: str) -> None:
    """
    A folder is judged by the folder names alone, not by names that are junk only as files.
    """
    assert TABLE.folder(name) is None


def test_only_ascii_letters_ignore_case() -> None:
    """
    A letter that merely folds to an ASCII one makes another name.
    """
    assert TABLE.file("_\u017fedit.toml") == TABLE.file("_x")
    assert TABLE.file("photo.loc\u212a") is None


def test_own_patterns_add_to_the_table() -> None:
    """
    A person's pattern is ignored besides everything the table ignores, and named in the reason.
    """
    table = ignore_table(["draft-*", "*.RAW.jpg"])

    assert table.file("DRAFT-1.jpg") == Ignored(
        kind=IgnoredKind.JUNK, reason="ignored by your pattern draft-*"
    )
    assert table.file("x.raw.jpg")
    assert table.folder("draft-shoes")
    assert table.file("photo.jpg.part")
    assert table.file("photo.jpg") is None


def test_exclamation_mark_takes_what_would_be_ignored() -> None:
    """
    A name behind `!` is taken whatever the table or another pattern says.
    """
    table = ignore_table(["!.hidden.jpg", "*.webp", "!cat.webp", "!_refs"])

    assert table.file(".hidden.jpg") is None
    assert table.file("cat.webp") is None
    assert table.file("dog.webp")
    assert table.file(".other.jpg")
    assert table.folder("_refs") is None


def test_pattern_with_a_slash_at_its_end_is_for_folders() -> None:
    """
    `drafts/` keeps a folder out and leaves a file of that name alone.
    """
    table = ignore_table(["drafts/", "!_shared/"])

    assert table.folder("drafts")
    assert table.file("drafts") is None
    assert table.folder("_shared") is None
    assert table.file("_shared")


@pytest.mark.parametrize("pattern", ["", "!", "/", "a/b.jpg", "!a/b/"])
def test_pattern_that_fits_no_name_is_refused(pattern: str) -> None:
    """
    A pattern that could never match is a mistake, and the sentence shows it.
    """
    with pytest.raises(ValueError, match="fits no name"):
        ignore_table([pattern])


NAMES = st.one_of(
    st.text(min_size=1, max_size=40),
    st.builds(
        "".join,
        st.lists(
            st.sampled_from([name for _, _, name in CASES] + ORDINARY + [".", "_", ".jpg", "x"]),
            min_size=1,
            max_size=3,
        ),
    ),
)


@given(NAMES)
def test_quick_answer_agrees_with_the_table(name: str) -> None:
    """
    The quick answer for ordinary names never takes a name that a row would ignore.
    """
    assert TABLE.file(name) == ignore._FILES.find(name)


WORDS = ("Anna", "conflict", "Konflikt", "copy", "Kopie", "copia", "zone", "2024", "v2", "final")


@given(
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=5).map(" ".join),
    st.text("abcXYZ 0123456789éü猫-_", max_size=12),
    st.sampled_from([".jpg", ".txt", ".mask.png"]),
)
def test_no_name_without_a_parenthesis_is_a_conflict_copy_of_dropbox(
    words: str, rest: str, end: str
) -> None:
    """
    A person's words are a person's, however they combine: the mark of those programs is its parenthesis.
    """
    found = TABLE.file(f"p{words}{rest}{end}")

    assert found is None or "Dropbox" not in found.reason


def test_conflict_copies_say_what_to_do() -> None:
    """
    Whoever sees one in the status learns how to have it edited after all.
    """
    found = TABLE.file("photo (Copie en conflit de PC-ANNE 2026-11-29).jpg")

    assert found
    assert "rename" in found.reason


@given(NAMES)
def test_every_hidden_name_is_ignored(name: str) -> None:
    """
    Nothing with a leading dot is ever taken, as a file or as a folder.
    """
    assert TABLE.file(f".{name}")
    assert TABLE.folder(f".{name}")
