"""
What holds for an image, key by key: its own sidecars, the folder files from its folder up, the configuration.

`_prompt.txt` and `_edit.*` are the folder files. What is wrong with one of them concerns every image
below it and never moves any of them.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import TypeAlias

from retouchd.disk.signature import Sight
from retouchd.job.filenames import Kind
from retouchd.job.model import Scalar
from retouchd.job.naming import path_below, shown

Values: TypeAlias = Mapping[str, Scalar]


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """
    What a structured sidecar or an `_edit.*` says: model, prompt and parameters by their keys.

    `images` are its references as paths below the inbox, None where it names none at all. `faults` are
    sentences, `reference_faults` those about references; a file that has any says nothing else but, as far
    as can be told, its references. `obstacle` is half a sentence on why the file could not be read.
    `digest` is the SHA-256 of its bytes. `foreign` is what another program's file is called that is nobody's
    sidecar, whatever its name; it says nothing.
    """

    values: Values = field(default_factory=dict)
    images: tuple[str, ...] | None = None
    faults: tuple[str, ...] = ()
    obstacle: str = ""
    reference_faults: tuple[str, ...] = ()
    digest: str = ""
    foreign: str = ""

    @property
    def has_prompt(self) -> bool:
        """
        Return whether the file says what is to be done.
        """
        return "prompt" in self.values


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """
    A folder file: its folder and name, its sight, and what an `_edit.*` says once it was read.
    """

    folder: str
    name: str
    kind: Kind
    sight: Sight
    content: Content | None = None

    @property
    def path(self) -> str:
        """
        Return its path below the inbox.
        """
        return path_below(self.folder, self.name)

    @property
    def has_prompt(self) -> bool:
        """
        Return whether it says what is to be done: a `_prompt.txt` always does.
        """
        if self.kind is Kind.FOLDER_PROMPT:
            return True
        return self.content is not None and self.content.has_prompt


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """
    What one place says; `origin` is the file's path below the inbox, or `config`.
    """

    origin: str
    values: Values = field(default_factory=dict)
    images: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """
    All that holds for one image, and for each key where it was said.
    """

    values: Values
    images: tuple[str, ...]
    origin: Mapping[str, str]


def compose(layers: Iterable[Layer]) -> Wishes:
    """
    Return what the layers say together; for each key the first layer that has it holds.
    """
    values: dict[str, Scalar] = {}
    origin: dict[str, str] = {}
    images: tuple[str, ...] | None = None
    for layer in layers:
        for key, value in layer.values.items():
            if key not in values:
                values[key], origin[key] = value, layer.origin
        if images is None and layer.images is not None:
            images, origin["images"] = layer.images, layer.origin
    return Wishes(values=values, images=images or (), origin=origin)


def needed(sources: Sequence[Source], *, has_prompt: bool) -> list[Source]:
    """
    Return the folder files that matter to an image, the nearest first: every `_edit.*`, and the nearest
    `_prompt.txt` if nothing nearer says what is to be done.
    """
    found: list[Source] = []
    for _, group in groupby(sources, key=lambda source: source.folder):
        level = [s for s in group if s.kind is Kind.FOLDER_EDIT or not has_prompt]
        has_prompt = has_prompt or any(source.has_prompt for source in level)
        found += level
    return found


def folder_faults(sources: Sequence[Source]) -> Iterator[str]:
    """
    Yield what is wrong with folder files, a sentence each that begins with the file.
    """
    for source in sources:
        content = source.content or Content()
        for fault in (*content.faults, *content.reference_faults):
            yield f"{shown(source.path)} cannot be used: {fault}"
    for _, group in groupby(sources, key=lambda source: source.folder):
        yield from _ambiguities(list(group))


def _ambiguities(level: Sequence[Source]) -> Iterator[str]:
    edits = [source for source in level if source.kind is Kind.FOLDER_EDIT]
    prompts = [source for source in level if source.has_prompt]
    for what, found in (("say what parameters hold", edits), ("say what is to be done", prompts)):
        if len(found) > 1:
            names = " and ".join(shown(source.path) for source in found)
            yield f"{names} both {what} for one folder. Keep only one of them."
