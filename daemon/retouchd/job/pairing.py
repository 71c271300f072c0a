"""
Which files of one family belong together: every sidecar is joined to the images it may belong to.

Joined files make one bundle. A sidecar with two possible images, or an image with two prompts or two
masks, is ambiguous, never a guess: the whole bundle then goes to `error/` together.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from retouchd.errors import JobCode, Problem
from retouchd.job.filenames import SIDECARS, Kind, Named, as_mask, parse
from retouchd.job.naming import shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """
    Files of one family that belong together, each group sorted by name; `fault` if they cannot be told apart.

    A bundle without images is an orphan: sidecars that wait for their image.
    """

    images: tuple[Named, ...] = ()
    prompts: tuple[Named, ...] = ()
    edits: tuple[Named, ...] = ()
    masks: tuple[Named, ...] = ()
    leftovers: tuple[Named, ...] = ()
    fault: Problem | None = None

    @property
    def files(self) -> tuple[Named, ...]:
        """
        Return all files of the bundle in the order in which they are claimed: the image first.
        """
        return self.images + self.prompts + self.edits + self.masks + self.leftovers

    @property
    def stem(self) -> str:
        """
        Return the stem as the first file writes it.
        """
        return self.files[0].stem


def pair(
    names: Iterable[Named], shows_through: Callable[[str], bool | None] = lambda _: False
) -> list[Bundle]:
    """
    Return the bundles of one family, those with images first; files that belong to nobody are in none.

    `shows_through` says of a picture whether it has transparent pixels, None where nobody has looked yet; it is
    asked only of one that is named like the mask of a picture that is not there.
    """
    stems: dict[str, list[Named]] = {}
    for named in map(_of_whole_stem(family := sorted(names)), family):
        stems.setdefault(named.owner, []).append(named)
    disputed: dict[str, list[Named]] = {}
    if len(stems) > 1 or any(map(as_mask, next(iter(stems.values()), ()))):
        disputed = _take_masks(stems, shows_through)
    found = [
        _dispute(bundle, disputed.get(stem, ()))
        for stem, files in sorted(stems.items())
        for bundle in _pair_stem(files)
    ]
    return sorted(found, key=lambda bundle: not bundle.images)


def _of_whole_stem(family: Sequence[Named]) -> Callable[[Named], Named]:
    """
    Return what reads `cat.jpg.job.json` as that of `cat.jpg.png` where no `cat.jpg` is there.
    """
    images = {image.name for image in family if image.kind in (Kind.IMAGE, Kind.FOREIGN_PICTURE)}

    def read(named: Named) -> Named:
        if named.target is None or named.kind not in (Kind.RECORD, Kind.REASON):
            return named
        whole = named.name[: len(named.stem) + 1 + len(named.target)]
        is_stem = whole not in images and any(name.startswith(f"{whole}.") for name in images)
        return Named(named.name, named.kind, whole) if is_stem else named

    return read


def _pair_stem(family: Sequence[Named]) -> list[Bundle]:
    family = sorted(family)
    images = [named for named in family if named.kind is Kind.IMAGE]
    images += _foreign(family, images)
    owners: dict[Named, tuple[Named, ...]] = {}
    for kind in (Kind.PROMPT, Kind.EDIT, Kind.MASK):
        if sidecars := [named for named in family if named.kind is kind]:
            owners |= _owners(images, sidecars)
    bundles = [_bundle(group, owners) for group in _joined(images, owners)]
    bundles += _orphans(owners)
    return _with_leftovers(bundles, family)


def _take_masks(
    stems: dict[str, list[Named]], shows_through: Callable[[str], bool | None]
) -> dict[str, list[Named]]:
    """
    Move each picture that is the mask of another to the files of that one's stem.

    Return, by that stem, the sidecars that nevertheless speak of the mask as of a picture: they move, too.
    """
    disputed: dict[str, list[Named]] = {}
    for stem in sorted(stems, key=len):
        own = [named for named in stems[stem] if named.kind in SIDECARS]
        for image in list(stems[stem]):
            mask = as_mask(image)
            if mask is None:
                continue
            if _has_image(stems.get(mask.owner, ()), mask.target):
                disputed.setdefault(mask.owner, []).extend(own)
                stems[stem] = [named for named in stems[stem] if named not in own]
            elif own or not shows_through(image.name):
                continue
            stems[stem].remove(image)
            stems.setdefault(mask.owner, []).append(mask)
    return disputed


def _has_image(files: Sequence[Named], target: str | None) -> bool:
    images = [named for named in files if named.kind is Kind.IMAGE]
    images += _foreign(files, images)
    return any(target in (None, image.target) for image in images)


def _dispute(bundle: Bundle, sidecars: Sequence[Named]) -> Bundle:
    """
    Return a bundle with the sidecars that its mask has, as if that were a picture of its own.
    """
    masks = [mask for mask in bundle.masks if as_mask(parse(mask.name))]
    mine = [each for each in sidecars if any(each.owner == parse(m.name).owner for m in masks)]
    if not mine or not bundle.images:
        return bundle
    mask = shown(masks[0].name)
    fault = ambiguous(
        f"{mask} could be the mask of {shown(bundle.images[0].name)} or, with {shown(mine[0].name)}, "
        "a picture of its own.",
        f"Remove {shown(mine[0].name)} if {mask} is the mask, or give both another name",
    )
    return replace(
        bundle,
        prompts=(*bundle.prompts, *(each for each in mine if each.kind is Kind.PROMPT)),
        edits=(*bundle.edits, *(each for each in mine if each.kind is Kind.EDIT)),
        masks=(*bundle.masks, *(each for each in mine if each.kind is Kind.MASK)),
        fault=fault,
    )


def _foreign(family: Sequence[Named], images: Sequence[Named]) -> list[Named]:
    """
    Return the pictures of unsupported kinds that have a prompt of their own, plain or structured.
    """
    foreign = [named for named in family if named.kind is Kind.FOREIGN_PICTURE]
    long = {named.target for named in family if named.kind in (Kind.PROMPT, Kind.EDIT)}
    short = None in long and not images
    return [named for named in foreign if short or named.target in long]


def _owners(images: Sequence[Named], sidecars: Sequence[Named]) -> dict[Named, tuple[Named, ...]]:
    """
    Return for each sidecar of one kind the images it may belong to.

    A short name belongs to the image without a long-named one; where all have one, to any of them.
    Where only the form of a name (NFC, NFD) or the case of an ending tells images apart, it belongs to
    those that are written alike.
    """
    long = {sidecar.target for sidecar in sidecars}
    bare = [image for image in images if image.target not in long] or images
    found = {}
    for sidecar in sidecars:
        mine = [i for i in images if i.target == sidecar.target] if sidecar.target else bare
        found[sidecar] = tuple([i for i in mine if _is_written_alike(sidecar, i)] or mine)
    return found


def _is_written_alike(sidecar: Named, image: Named) -> bool:
    owner = image.name if sidecar.target else image.stem
    return sidecar.name.startswith(tuple(f"{owner}{sign}" for sign in "._-"))


def _joined(
    images: Sequence[Named], owners: Mapping[Named, tuple[Named, ...]]
) -> list[tuple[Named, ...]]:
    """
    Return the images in groups: two images that one sidecar may belong to are in the same group.
    """
    groups: list[tuple[Named, ...]] = [(image,) for image in images]
    for candidates in owners.values():
        touched = [group for group in groups if any(image in candidates for image in group)]
        if len(touched) > 1:
            merged = tuple(image for group in touched for image in group)
            groups = [group for group in groups if group not in touched] + [merged]
    return groups


def _bundle(images: tuple[Named, ...], owners: Mapping[Named, tuple[Named, ...]]) -> Bundle:
    mine = [s for s, candidates in owners.items() if not set(images).isdisjoint(candidates)]
    shared = [sidecar for sidecar in mine if len(owners[sidecar]) > 1]
    bundle = _grouped(images, mine)
    fault = _ambiguity(bundle, shared)
    return replace(bundle, fault=fault) if fault else bundle


def _grouped(images: tuple[Named, ...], sidecars: Sequence[Named]) -> Bundle:
    return Bundle(
        images=images,
        prompts=tuple([named for named in sidecars if named.kind is Kind.PROMPT]),
        edits=tuple([named for named in sidecars if named.kind is Kind.EDIT]),
        masks=tuple([named for named in sidecars if named.kind is Kind.MASK]),
    )


def _ambiguity(bundle: Bundle, shared: Sequence[Named]) -> Problem | None:
    images = bundle.images
    if len(images) > 1:
        first = shared[0]
        example = shown(f"{images[0].name}{_ending(first)}")
        return ambiguous(
            f"{shown(first.name)} could belong to {_listed(images, 'or')}.",
            f"Name it after the picture it is meant for, for example {example}",
        )
    for what, sidecars in (
        ("prompts", bundle.prompts),
        ("files with parameters", bundle.edits),
        ("masks", bundle.masks),
    ):
        if len(sidecars) > 1:
            return ambiguous(
                f"{shown(images[0].name)} has {len(sidecars)} {what}: {_listed(sidecars, 'and')}.",
                "Keep only one of them",
            )
    return None


def ambiguous(message: str, advice: str) -> Problem:
    """
    Return the problem of sidecars that cannot be told apart.
    """
    return Problem(
        code=JobCode.SIDECAR_AMBIGUOUS,
        message=message,
        hint=f"{advice}.",
    )


def _ending(sidecar: Named) -> str:
    return sidecar.suffix if sidecar.target is None else sidecar.suffix.partition(".")[2]


def _listed(names: Sequence[Named], last: str) -> str:
    return f" {last} ".join(shown(named.name) for named in names)


def _orphans(owners: Mapping[Named, tuple[Named, ...]]) -> list[Bundle]:
    lone = [sidecar for sidecar, candidates in owners.items() if not candidates]
    return [_grouped((), lone)] if lone else []


def _with_leftovers(bundles: list[Bundle], family: Sequence[Named]) -> list[Bundle]:
    """
    Return the bundles with our own records and reasons: each goes with one image, or with sidecars that wait
    for one, and is in nobody's way.
    """
    images = [image for bundle in bundles for image in bundle.images]
    owners = images or [bundle.files[0] for bundle in bundles]
    mine: dict[Named, list[Named]] = {}
    for kind in (Kind.REASON, Kind.RECORD):
        for leftover, found in _owners(owners, [n for n in family if n.kind is kind]).items():
            if found:
                mine.setdefault(found[0], []).append(leftover)
    if not mine:
        return bundles
    return [
        replace(bundle, leftovers=tuple(each for own in bundle.files for each in mine.get(own, ())))
        for bundle in bundles
    ]
