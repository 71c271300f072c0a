"""
The names that sync programs give to one of two versions of a file: conflict copies, in many languages.

Dropbox translates them, and its server also names those of Maestral, of phones and of other programs. Its
translations are in no public source, so the words here are those of names that people's own files and scripts
show in public repositories (each was looked up there). For languages of which no such name was found, a
parenthesis counts that holds a word for a conflict, a word for a copy, and a date.
"""

import re
import unicodedata
from collections.abc import Iterable

_PHRASES = {
    "en": ("conflicted copy", "conflicting copy"),  # Dropbox, Nextcloud; Maestral's utils/path.py
    "de": ("in konflikt stehende kopie", "konfliktkopie"),
    "fr": ("copie en conflit",),
    "es": ("copia en conflicto", "copia conflictiva de"),
    "it": ("copia in conflitto",),
    "pt": ("cópia em conflito",),
    "sv": ("konfliktkopia",),
    "da": ("konfliktende kopi",),
    "pl": ("kopia powodująca konflikt",),
    "cs": ("konfliktní kopie",),
    "tr": ("çakışan kopya",),
    "ru": ("конфликтующая копия",),
    "ja": ("競合コピー", "上の問題のあるコピー"),
    "zh": ("冲突副本", "冲突的副本", "衝突複本", "衝突的複本"),  # Dropbox, Nutstore; Taiwan's
    "ko": ("충돌하는 사본", "충돌 사본", "충돌하는 복사본", "충돌 복사본"),
}
"""What stands in the parenthesis, beside somebody's name and a date."""

_KINDS = (
    "case conflict",
    "unicode conflict",
    "unicode encoding conflict",
    "white space conflict",
    "whitespace conflict",
    "normalization conflict",
    "selective sync conflict",
    "conflicto de mayúsculas y minúsculas",
    "conflicto de codificación unicode",
)
"""All that the parenthesis holds, but for a number, where one folder cannot hold two such names."""

_CONFLICTS = (
    *("conflict", "conflit", "conflikt", "conflitt", "konflikt", "konflig", "çakış", "ütköz"),
    *("конфлик", "конфлік", "ристирі", "ristirii", "motstrid", "modstrid", "tegenstrijd"),
    *("σύγκρου", "διένεξ", "xung đột", "ขัดแย้ง", "bentrok"),
)
_COPIES = (
    *("copy", "copi", "cópi", "còpi", "kopi", "kópi", "kopj", "kopy", "másolat", "exempla"),
    *("копи", "копі", "αντίγραφο", "salinan", "bản sao", "สำเนา", "version", "versie"),
)


def _spelt(text: str) -> str:
    """
    Return an expression for a text in either case, in NFC or NFD; ASCII letters ignore case by themselves.
    """
    forms = dict.fromkeys(unicodedata.normalize(form, text) for form in ("NFC", "NFD"))
    return "|".join("".join(map(_sign, form)) for form in forms)


def _sign(sign: str) -> str:
    cases = dict.fromkeys((sign, sign.upper())) if not sign.isascii() else {sign: None}
    return f"[{''.join(cases)}]" if len(cases) > 1 else re.escape(sign)


def _any(texts: Iterable[str]) -> str:
    return f"(?:{'|'.join(map(_spelt, texts))})"


_OPEN, _SHUT = "[(\uff08]", "[)\uff09]"
_INSIDE = "[^()\uff08\uff09]*"
_DATE = r"\d{4}[-.]\d\d[-.]\d\d"
_MONTHS = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"

NEXTCLOUD = r".*\(conflicted copy.*\).*|.+_conflict(?:_.+)?-\d{8}-\d{6}.*"
"""Of `makeConflictFileName` in its clients, which translate nothing, and as it was before 2018."""
SYNCTHING = r".+\.sync-conflict-\d{8}-\d{6}-.+"
_NAMED = _any(phrase for phrases in _PHRASES.values() for phrase in phrases)
DROPBOX = "|".join(
    (
        rf"(?=.*{_NAMED}).*{_OPEN}(?!\d{{1,4}}{_SHUT}).*{_NAMED}.*{_SHUT}.*",
        rf".+{_OPEN}{_any(_KINDS)}(?: \(?\d+\)?)?{_SHUT}.*",
        rf".+{_OPEN}(?={_INSIDE}{_any(_CONFLICTS)})(?={_INSIDE}{_any(_COPIES)}){_INSIDE}{_DATE}{_INSIDE}{_SHUT}.*",
    )
)
SEAFILE = rf".+\(SFConflict {_INSIDE}\d{{4}}(?:-\d\d){{5}}\).*"
"""Of seafile.com/en/help/conflicts."""
SYNOLOGY = rf".+_(?:{_MONTHS})-\d\d-\d{{4}}-\d{{4}}_\w*Conflict(?:_\d+)?(?:\.\w+)*"
"""Of Synology's knowledge base: `a_Andy-PC_Jan-03-0901-2013_CaseConflict_1.txt`."""
_MADE_UP = r"(?=[A-Z]*\d)(?!\d+X?\d*[-.])[A-Z0-9]"
ONEDRIVE = rf".+-(?-i:DESKTOP-{_MADE_UP}{{7}}|LAPTOP-{_MADE_UP}{{8}})(?:-\d+)?\.\w+"
"""It adds the computer's name; only the one that Windows makes up by itself is no word of a person's, no size,
no number."""
OTHERS = r".+\.conflict\d+(?:\.\w+)?|.+\.Conflict"
"""rclone bisync and Resilio Sync."""

MAYBE = rf"conflict|{_OPEN}(?!\d{{1,4}}{_SHUT})|-(?:DESKTOP|LAPTOP)-"
"""What each of these names holds, and hardly any other."""
