"""
Reads sidecars: from their bytes to prompts, and to the keys of structured sidecars.

Blocking: it reads files of the inbox.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from retouchd.errors import Problem
from retouchd.inbox.precedence import Content, EditPart
from retouchd.inbox.reference_paths import resolve
from retouchd.inbox.scanner import InboxScanner
from retouchd.job.filenames import Kind, Named
from retouchd.job.filenames import parse as parse_name
from retouchd.job.naming import shown
from retouchd.pictures import inspect
from retouchd.pictures.decoding import ImageFault
from retouchd.request.edit_reader import read_edit, sound_part
from retouchd.request.fields import Sidecar
from retouchd.request.foreign_json import foreign_beginning, foreign_json
from retouchd.request.formats import (
    MAX_TREE_BYTES,
    Notation,
    notation_of,
    parse_any_json,
    parse_tree,
)
from retouchd.request.sidecar_tree import NotationFault
from retouchd.request.text_encoding import MAX_PROMPT_BYTES, read_prompt


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """
    The text of a prompt's file, or what is wrong with it; `digest` is the SHA-256 of its bytes.
    """

    digest: str
    text: str = ""
    problem: Problem | None = None


class SidecarReader:
    """
    Reads sidecars and folder files.
    """

    def __init__(
        self,
        *,
        inbox: InboxScanner,
        text_encoding: str | None,
        is_chinese: bool = False,
        max_megapixels: float = 100,
        reads_captions: bool = False,
    ) -> None:
        self._inbox = inbox
        self._text_encoding = text_encoding
        self._is_chinese = is_chinese
        self._max_megapixels = max_megapixels
        self.reads_captions = reads_captions

    def prompt(self, folder: str, name: str) -> Prompt:
        """
        Return what a prompt's file says; raises OSError for one that cannot be read.
        """
        raw = self._inbox.read(folder, name, MAX_PROMPT_BYTES)
        found = read_prompt(raw, shown(name), self._text_encoding, is_chinese=self._is_chinese)
        if isinstance(found, Problem):
            return Prompt(problem=found, digest=_digest(raw))
        return Prompt(text=found, digest=_digest(raw))

    def shows_through(self, folder: str, name: str) -> bool:
        """
        Return whether a picture has transparent pixels; False for what cannot be told. Raises
        FileNotFoundError for one that is gone.
        """
        path = self._inbox.root / folder / name
        try:
            picture = inspect.look(path, name=shown(name), max_megapixels=self._max_megapixels)
        except FileNotFoundError:
            raise
        except (OSError, ImageFault):
            return False  # As a picture it is looked at again, and told of.
        return picture.has_transparency

    def caption(self, folder: str, name: str) -> str:
        """
        Return the caption of a picture, "" where it has none or captions are not read. Raises FileNotFoundError
        for one that is gone.
        """
        if not self.reads_captions:
            return ""
        # Imported at need: most inboxes have no use for it.
        from retouchd.pictures.captions import caption_of  # noqa: PLC0415

        path = self._inbox.root / folder / name
        try:
            return caption_of(
                path,
                name=shown(name),
                max_megapixels=self._max_megapixels,
                text_encoding=self._text_encoding,
                is_chinese=self._is_chinese,
            )
        except FileNotFoundError:
            raise
        except OSError:
            return ""  # As a picture it is looked at again, and told of.

    def size(self, folder: str, name: str) -> tuple[int, int]:
        """
        Return width and height of a picture as it is shown; raises ImageFault for what is none.
        """
        path = self._inbox.root / folder / name
        found = inspect.glance(path, name=shown(name), max_megapixels=self._max_megapixels)
        return found.upright

    def content(self, folder: str, name: str) -> Content:
        """
        Return what a structured sidecar or an `_edit.*` says, or why it could not be read.

        Raises FileNotFoundError for one that is gone.
        """
        try:
            raw = self._inbox.read(folder, name, MAX_TREE_BYTES)
        except FileNotFoundError:
            raise
        except OSError as error:
            return Content(obstacle=f"cannot be read: {error.strerror}")
        named = parse_name(name)
        notation = notation_of(name.rpartition(".")[2])
        found = self._said(folder, named, raw, notation)
        if found.faults and notation is Notation.JSON and named.kind is Kind.EDIT:
            return (
                Content(foreign=foreign, digest=found.digest)
                if (foreign := _foreign(raw))
                else found
            )
        return found

    def _said(self, folder: str, named: Named, raw: bytes, notation: Notation) -> Content:
        try:
            tree = parse_tree(raw, notation, self._text_encoding, is_chinese=self._is_chinese)
        except NotationFault as fault:
            return Content(faults=(str(fault),), digest=_digest(raw))
        found = read_edit(tree)
        if not isinstance(found, Sidecar):
            # What it names is spared all the same: a mistake in the next line must not make jobs of it.
            images, more = self._references(folder, named, _named_in(tree))
            sound = sound_part(tree)
            return Content(
                values=sound.values(),
                images=images,
                edits=_edits(sound),
                faults=tuple(found),
                reference_faults=tuple(more),
                digest=_digest(raw),
            )
        names = found.images if "images" in found.model_fields_set else None
        images, faults = self._references(folder, named, names)
        if faults:
            return Content(
                values=found.values(),
                images=images,
                edits=_edits(found),
                reference_faults=tuple(faults),
                digest=_digest(raw),
            )
        return Content(
            values=found.values(),
            images=images,
            edits=_edits(found),
            variables=found.vars,
            digest=_digest(raw),
        )

    def _references(
        self, folder: str, named: Named, names: tuple[str, ...] | None
    ) -> tuple[tuple[str, ...] | None, list[str]]:
        """
        Return the paths of the references below the inbox, None if none are named, and what is wrong with any.
        """
        if names is None:
            return None, []
        paths, faults = [], []
        for text in names:
            try:
                path = resolve(folder, text, is_aside=self._inbox.is_aside)
            except ValueError as error:
                faults.append(f"the reference {shown(text)} {error}.")
                continue
            if _is_own(folder, named, path):
                faults.append(f"the reference {shown(text)} is the picture itself; leave it out.")
                continue
            paths.append(path)
        return tuple(paths), faults


def _edits(found: Sidecar) -> tuple[EditPart, ...] | None:
    if found.edits is None:
        return None
    return tuple(EditPart(name=each.name, values=each.values()) for each in found.edits)


def _named_in(tree: Mapping[str, Any]) -> tuple[str, ...] | None:
    """
    Return the references that a faulty tree seems to name.
    """
    found = tree.get("images")
    return tuple(n for n in found if isinstance(n, str)) if isinstance(found, list) else None


def _is_own(folder: str, named: Named, path: str) -> bool:
    """
    Return whether a sidecar names the picture it belongs to.
    """
    above, _, name = path.rpartition("/")
    other = parse_name(name)
    is_beside = above == folder and other.owner == named.owner
    return (
        is_beside
        and named.kind is Kind.EDIT
        and other.kind is Kind.IMAGE
        and named.target in (None, other.target)
    )


def _foreign(raw: bytes) -> str:
    """
    Return what a JSON file is called that is another program's, empty for any other.
    """
    is_long = len(raw) > MAX_TREE_BYTES
    return (foreign_beginning(raw) if is_long else foreign_json(parse_any_json(raw))) or ""


def _digest(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()
