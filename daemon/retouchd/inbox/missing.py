"""
What is said of a bundle that stayed incomplete: what is missing, and which name nearly fits.

Names that nearly fit: what a person most likely meant where a picture and its prompt do not meet.

All names of a folder are sorted once by their cores: what is left of a name without endings, marks of copies,
and whatever nobody sees. So asking costs the same in a large folder.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cached_property

from retouchd.errors import JobCode, Problem
from retouchd.job.filenames import (
    EDIT_EXTENSIONS,
    FOLDER_PROMPT,
    FOREIGN_PICTURES,
    IMAGE_EXTENSIONS,
    PROMPT_EXTENSIONS,
    SIDECARS,
    Kind,
    Named,
    normal,
    parse,
)
from retouchd.job.filetypes import RAW
from retouchd.job.naming import shown
from retouchd.job.pairing import pair

_WHAT = {Kind.PROMPT: "prompt", Kind.EDIT: "file with parameters", Kind.MASK: "mask"}


def prompt_name(image: Named) -> str:
    """
    Return the name that a prompt of this image needs: the short one, unless it means something else.
    """
    short = parse(f"{image.stem}.txt")
    is_its = short.kind is Kind.PROMPT and short.target is None
    return shown(short.name if is_its else f"{image.name}.txt")


def with_near_miss(problem: Problem, near: str) -> Problem:
    """
    Return a problem of something missing that also says what nearly fits.
    """
    return replace(problem, message=f"{problem.message} But {near}.") if near else problem


def awaited_prompt(image: Named, lacking: Sequence[str] = ("",), sidecar: str = "") -> str:
    """
    Return what an image waits for that has no prompt, or of which edits that its sidecar names have none.
    """
    reason = f"waits for its prompt, {prompt_name(image)}"
    return f"{reason}: {_listed(lacking)} in {sidecar} has none" if sidecar else reason


def _listed(lacking: Sequence[str]) -> str:
    *others, last = lacking
    return f"the edits {', '.join(others)} and {last}" if others else f"the edit {last}"


def prompt_missing(image: Named, lacking: Sequence[str] = ("",), sidecar: str = "") -> Problem:
    """
    Return the problem of an image that nobody said anything about, or of the edits in its sidecar that are
    `lacking` a prompt.
    """
    prompt = prompt_name(image)
    if sidecar:
        return Problem(
            code=JobCode.PROMPT_MISSING,
            message=f"{sidecar}: {_listed(lacking)} came without a prompt, and there was none for all edits.",
            hint=f"Write what is to be done there as its prompt, or for all that have none into {prompt}.",
        )
    return Problem(
        code=JobCode.PROMPT_MISSING,
        message=f"{shown(image.name)} came without a prompt: there was no {prompt} beside it and "
        f"no {FOLDER_PROMPT} in its folder or one above.",
        hint=f"Write what is to be done with the picture into {prompt} beside it.",
    )


def reference_missing(edit: Named, path: str, why: str) -> Problem:
    """
    Return the problem of a structured sidecar whose reference, a path below the inbox, cannot be used: why.
    """
    name = shown(edit.name)
    return Problem(
        code=JobCode.REFERENCE_INVALID,
        message=f"{name} names {shown(path)} as a reference image, but that {why}.",
        hint=f"Put the picture there, or correct its name in {name}.",
    )


def image_missing(lone: Named) -> Problem:
    """
    Return the problem of a sidecar that came alone.
    """
    fitting, wanted = _wanted(lone)
    rename = "" if fitting == lone.name else f"Rename it to {shown(fitting)}, and put"
    return Problem(
        code=JobCode.IMAGE_MISSING,
        message=f"{shown(lone.name)} is a {_WHAT[lone.kind]}, but its image never came.",
        hint=f"{rename or 'Put'} {wanted} beside it.",
    )


def awaited_image(lone: Named) -> str:
    """
    Return what a sidecar waits for that came alone.
    """
    fitting, wanted = _wanted(lone)
    if fitting != lone.name:
        return (
            f"no image can have this name: rename it to {shown(fitting)} if it belongs to {wanted}"
        )
    return f"waits for its image, {wanted}"


def empty(named: Named) -> Problem:
    """
    Return the problem of a file that stayed without content.
    """
    name = shown(named.name)
    match named.kind:
        case Kind.PROMPT:
            code, hint = JobCode.PROMPT_EMPTY, f"Write what is to be done into {name}"
        case Kind.EDIT:
            code, hint = JobCode.SIDECAR_INVALID, f"Write its values into {name}, or leave it out"
        case Kind.MASK:
            code, hint = JobCode.MASK_INVALID, f"Save {name} anew, or leave it out"
        case _:
            code, hint = JobCode.IMAGE_UNREADABLE, f"Export or copy {name} again"
    return Problem(
        code=code,
        message=f"{name} is empty: it has 0 bytes.",
        hint=f"{hint}.",
    )


def _wanted(lone: Named) -> tuple[str, str]:
    """
    Return the name a sidecar should have, its own if that makes sense, and the image it then belongs to.
    """
    while not (images := _images(lone)):
        lone = parse(_shortened(lone))
    return lone.name, " or ".join(map(shown, images))


def _images(lone: Named) -> list[str]:
    """
    Return the images that a sidecar would belong to, as it writes them; none where its name makes no sense.
    """
    owner = lone.name[: len(lone.stem) + (len(f".{lone.target}") if lone.target else 0)]
    names = [owner] if lone.target else [f"{owner}.png", f"{owner}.jpg"]
    return [name for name in names if parse(name).kind is Kind.IMAGE]


def _shortened(lone: Named) -> str:
    """
    Return a sidecar's name without the part that keeps it from having an image: a mask has no sidecars, and
    pictures of other kinds are not taken.
    """
    front, _, last = lone.stem.rpartition(".")
    if front and last.lower() == "mask":
        return front + lone.suffix
    return lone.stem + lone.suffix[lone.suffix.index(".", 1) :]


_DOCUMENTS = frozenset({"doc", "docx", "odt", "pages", "pdf", "rtf"})
_TEXTS = frozenset({"md", "markdown", "text"})
_ENDING = (
    IMAGE_EXTENSIONS
    | FOREIGN_PICTURES
    | PROMPT_EXTENSIONS
    | _DOCUMENTS
    | _TEXTS
    | EDIT_EXTENSIONS
    | {"xmp"}
)
_ENDINGS = re.compile(rf"\.(?:{'|'.join(sorted(_ENDING))})\Z")
_COPIES = re.compile(
    r"(?: ?\(\d{1,3}\)| - copy| copy| ?\(copy\)| - kopie| kopie|[ ._-]+prompts?|[ .]+)\Z"
)
_SEPARATORS = re.compile(r"(?<![0-9])[ _-]+|[ _-]+(?![0-9])")
"""What one writes between words, and another leaves out; two numbers are not one."""
_NUMBER = re.compile(r"\((\d{1,3})\)(?=\.|\Z)")
_NESTED = re.compile(r"\.(?P<true>toml|json|ya?ml|txt|prompt)\.(?:txt|prompt)\Z", re.IGNORECASE)
"""What an editor leaves that adds its own ending to a name that has one."""
_FOLDER = re.compile(
    r"_?(?:prompts?|promt|promp|propmt|pormpt)(?:\.(?:txt|text|md|rtf|docx?|odt))*"
    r"|_?edits?\.(?:toml|json|ya?ml)(?:\.txt)?"
)
_FOR_ITS_FOLDER = "if it is meant for all pictures of its folder, rename it to {}"
_MASK = re.compile(r"(?P<stem>.*?)[ ._-]*(?:mask|maks|msak|masks|maske|masque)\Z")
_MOST_ALIKE = 32
"""Of more names nobody can say which was meant, and to compare each with each takes long."""
_ALIKE = str.maketrans("аеорсухіјѕһ‐‑‒–—−’‘ʼ“”", "aeopcyxijsh------'''\"\"")


class NearMisses:
    """
    The names of one folder, to be asked what may have been meant; answers are sentences without full stop.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._cores: dict[str, list[str]] = {}
        self._folder_files: list[str] = []
        for name in names:
            if found := _core(name):
                self._cores.setdefault(found, []).append(name)
            if folder_file(name):
                self._folder_files.append(name)

    def of(self, named: Named) -> str:
        """
        Return what nearly fits a file that waits for another, empty if nothing does.
        """
        return self._of_image(named) if named.kind is Kind.IMAGE else self._of_sidecar(named)

    def beside(self, name: str) -> str:
        """
        Return why a file is not taken that belongs to another one, or was meant to; empty for any other.
        """
        if meant := folder_file(name):
            return _FOR_ITS_FOLDER.format(meant)
        ending = name.rpartition(".")[2].lower()
        images = self._images(name)
        if not images:
            return ""
        image = shown(images[0])
        if ending in RAW or ending == "xmp":
            return f"it belongs to {image}; only the picture itself is edited"
        if ending in _DOCUMENTS | _TEXTS:
            if self._has_words(images[0]):
                return f"it lies beside {image}, which has its prompt already"
            wanted = prompt_name(parse(images[0]))
            return f"it {_unlike_text(ending, wanted)}, if it is the prompt of {image}"
        return ""

    def _of_image(self, image: Named) -> str:
        if mask := self._masked(image):
            return mask
        for name in self._alike(image.name):
            named, ending = parse(name), name.rpartition(".")[2].lower()
            if named.kind in SIDECARS and name in self._lone(_core(image.name)):
                wanted = _wanted_name(image, named)
                return f"{shown(name)} {_difference(image, named)}: rename it to {wanted} if it is meant"
            if ending in _DOCUMENTS | _TEXTS:
                return f"{shown(name)} {_unlike_text(ending, prompt_name(image))}, if it is meant"
        return ""

    def for_folder(self) -> str:
        """
        Return what was meant for all pictures of the folder and holds for none, empty if nothing was.
        """
        for name in self._folder_files:
            if parse(name).kind not in SIDECARS or name in self._lone(_core(name)):
                meant = f"rename it to {folder_file(name)} if it is meant for its folder"
                return f"{shown(name)} speaks for no picture: {meant}"
        return ""

    def _of_sidecar(self, lone: Named) -> str:
        if meant := folder_file(lone.name):
            return _FOR_ITS_FOLDER.format(meant)
        for name in self._images(lone.name):
            image = parse(name)
            difference, wanted = _difference(image, lone), _wanted_name(image, lone)
            link = "for" if "too many" in difference else "from"
            return f"it {difference} {link} {shown(name)}: rename it to {wanted} if it is meant"
        return ""

    def _has_words(self, image: str) -> bool:
        """
        Return whether a picture has a prompt or a structured sidecar of its own.
        """
        core = _core(image)
        return any(
            parse(each).kind in (Kind.PROMPT, Kind.EDIT) and each not in self._lone(core)
            for each in self._cores.get(core, ())
        )

    def _alike(self, name: str) -> list[str]:
        found = self._cores.get(_core(name), [])
        if len(found) > _MOST_ALIKE:
            return []
        mine = _number(name)
        return [each for each in found if not mine or _number(each) in ("", mine)]

    def _images(self, name: str) -> list[str]:
        return [
            each for each in self._alike(name) if each != name and parse(each).kind is Kind.IMAGE
        ]

    def _lone(self, core: str) -> frozenset[str]:
        if core not in self._lone_by_core:
            bundles = pair(map(parse, self._cores[core]))
            self._lone_by_core[core] = frozenset(
                each.name for bundle in bundles if not bundle.images for each in bundle.files
            )
        return self._lone_by_core[core]

    @cached_property
    def _lone_by_core(self) -> dict[str, frozenset[str]]:
        return {}

    def _masked(self, image: Named) -> str:
        """
        Return what to do with a picture that is named nearly as a mask.
        """
        found = _MASK.fullmatch(_plain(image.stem))
        if found is None:
            return ""
        masked = self._images(found["stem"])
        if found["stem"] and not masked:
            return ""
        is_png = image.target == "png"
        if not masked:
            how = "" if is_png else "save it with transparent parts and "
            return f"if it is a mask, {how}name it after its picture, such as cat.mask.png"
        how = "rename it to" if is_png else "save it with transparent parts as"
        stem = shown(parse(masked[0]).stem)
        return f"if it is the mask of {shown(masked[0])}, {how} {stem}.mask.png"


def folder_file(name: str) -> str:
    """
    Return what a file should be called that somebody meant for a whole folder; empty for any other.
    """
    plain = _plain(name)
    if not _FOLDER.fullmatch(plain) or parse(name).kind in (Kind.FOLDER_PROMPT, Kind.FOLDER_EDIT):
        return ""
    if not plain.lstrip("_").startswith("edit"):
        return "_prompt.txt"
    return f"_edit.{plain.removesuffix('.txt').rpartition('.')[2]}"


def _plain(text: str) -> str:
    """
    Return a text as it is seen: whatever its case, kinds of spaces, accents' forms, and signs that look alike.
    """
    folded = unicodedata.normalize("NFKC", text).casefold().translate(_ALIKE)
    seen = (sign for sign in folded if unicodedata.category(sign) != "Cf")
    return " ".join("".join(seen).split())


def _core(name: str) -> str:
    core = _plain(name)
    while (shorter := _COPIES.sub("", _ENDINGS.sub("", core)).strip()) and shorter != core:
        core = shorter
    return _SEPARATORS.sub("", core)


def _number(name: str) -> str:
    """
    Return which of several copies a name is of: `IMG (1).jpg` and `IMG (2).txt` are strangers.
    """
    found = _NUMBER.search(_plain(name))
    return found[1] if found else ""


def _wanted_name(image: Named, sidecar: Named) -> str:
    """
    Return the name with which a sidecar would belong to a picture.
    """
    nested = _NESTED.search(sidecar.name)
    end = f".{nested['true'].lower()}" if nested else sidecar.suffix
    if end in (".txt", ".prompt") or (sidecar.kind is Kind.PROMPT and not nested):
        return prompt_name(image)
    if sidecar.target and not nested:
        end = f".{end[1:].partition('.')[2]}"
    is_its = parse(image.stem + end).target is None
    return shown((image.stem if is_its else image.name) + end)


def _unlike_text(ending: str, wanted: str) -> str:
    """
    Return what is wrong with a file that holds a prompt in another form, and what to do.
    """
    if ending in _TEXTS:
        return f"is not read as a prompt: rename it to {wanted}"
    return f"is no plain text file: save its words as {wanted}"


def _difference(image: Named, sidecar: Named) -> str:
    one, other = normal(image.stem), normal(sidecar.stem)
    if _NESTED.search(sidecar.name):
        return "has one ending too many"
    if one == other:
        return "differs in its ending"
    if one.casefold() == other.casefold():
        return "differs only in upper and lower case"
    if "".join(one.split()) == "".join(other.split()):
        return "differs only in spaces, of which some may look alike"
    is_alike = _plain(one) == _plain(other)
    return "differs only in signs that look alike" if is_alike else "differs a little"
