"""
Examines a job's pictures and makes them fit to be sent: what had to be changed is kept in the job's `upload/`.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Protocol, TypeAlias

from retouchd.config.settings import Current
from retouchd.endpoint.client import Upload
from retouchd.errors import Blocked, Problem
from retouchd.events import emit
from retouchd.events.jobs import ImageFitted
from retouchd.job.model import Job
from retouchd.job.naming import shown
from retouchd.job.stripped import Removed, Stripped
from retouchd.pictures import fit_apply, inspect
from retouchd.pictures.decoding import ImageFault
from retouchd.pictures.finishing.geometry import Canvas
from retouchd.pictures.fit_plan import (
    EXTENSIONS,
    Change,
    Fit,
    expected,
    image_fit,
    mask_fit,
    with_way_out,
)
from retouchd.pictures.metadata import Metadata
from retouchd.request.limits import Limits, Picture
from retouchd.request.validate import check_image, check_mask
from retouchd.spool.spool import Spool

_KEPT = frozenset({Removed.EXIF, Removed.XMP})
"""What a fitted file still holds, if metadata is kept."""

_Rule: TypeAlias = Callable[[Picture], Fit | None]


class _Make(Protocol):
    def __call__(self, path: Path, *, name: str, fit: Fit, max_megapixels: float) -> bytes: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcePicture:
    """
    A picture of a job as it was dropped: where it lies, its own name, and its label in `upload/`.

    The label is the same at every start (`image`, `mask`, `reference-1`).
    """

    job: Job
    path: Path
    name: str
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadablePicture:
    """
    A file that could be read, and the picture it would be sent as: of its `size` bytes what `stripped` says,
    or all.
    """

    path: Path
    picture: Picture
    stripped: Stripped | None
    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """
    A picture that could be read, and the limits that hold for it.
    """

    source: SourcePicture
    seen: ReadablePicture
    limits: Limits
    canvas: Canvas | None = None
    """What is put around it before it is sent."""

    @property
    def picture(self) -> Picture:
        """
        Return what it would be sent as if it were not fitted.
        """
        return self.seen.picture


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """
    What is sent for a picture: a file of ours, or the original's pixels byte for byte.
    """

    upload: Upload
    picture: Picture


class Fitter:
    """
    Examines pictures and makes them fit, unless that is off. Blocking: it decodes whole pictures.
    """

    def __init__(self, *, spool: Spool, current: Current) -> None:
        self._spool = spool
        self._current = current

    @property
    def _is_on(self) -> bool:
        return self._current.settings.fit

    @property
    def _metadata(self) -> Metadata:
        return self._current.settings.metadata

    @property
    def _max_megapixels(self) -> float:
        return self._current.max_megapixels()

    def examine(self, source: SourcePicture, limits: Limits) -> Examined:
        """
        Return what a picture is. Raises ImageFault, and OSError where it cannot be read.
        """
        seen = self._look(source.path, source.name)
        return Examined(source=source, seen=seen, limits=limits)

    def problems(self, path: Path, name: str, limits: Limits) -> list[Problem]:
        """
        Return what would be wrong with a picture that is in no job yet. Raises as `examine` does.
        """
        picture = self._look(path, name).picture
        found = self._problems(name, picture, limits)
        fit = image_fit(picture, limits) if self._is_on and not found else None
        if fit is not None:
            # Only trying shows whether it can be made small enough.
            fit_apply.fitted_image(
                path, name=shown(name), fit=fit, max_megapixels=self._max_megapixels
            )
        return found

    def image_problems(self, image: Examined) -> list[Problem]:
        """
        Return what is wrong with a picture, and would be after fitting, if that is on.
        """
        return self._problems(image.source.name, image.picture, image.limits, image.canvas)

    def mask_problems(self, mask: Examined, image: Examined) -> list[Problem]:
        """
        Return what is wrong with a mask for its picture, and would be after fitting, if that is on.
        """
        beside = _as_fitted(image.picture, image.limits, image.canvas)
        fit = mask_fit(mask.picture, image.picture, beside.upright, mask.limits, image.canvas)
        check = partial(_check_mask, mask=mask, image=image)
        return self._told(
            check(mask.picture, image.picture), check(expected(mask.picture, fit), beside)
        )

    def fitted_image(self, image: Examined) -> Fitted:
        """
        Return what is sent for a picture.

        Raises ImageFault where it cannot be made small enough, Blocked where it cannot be kept.
        """
        if self._metadata is Metadata.STRIP:
            return self._fitted(image, self._image_rule(image), fit_apply.fitted_image)
        make = partial(fit_apply.fitted_image, keeps_metadata=True)
        return self._fitted(image, self._image_rule(image), make, kept=_KEPT)

    def fitted_mask(self, mask: Examined, image: Examined, sent: Fitted) -> Fitted:
        """
        Return what is sent for a mask beside what is sent for its picture. Raises as `fitted_image` does.
        """
        rule = self._mask_rule(mask, image, sent.picture.upright)
        return self._fitted(mask, rule, fit_apply.fitted_mask)

    def _image_rule(self, image: Examined) -> _Rule:
        if not self._is_on:
            return _nothing
        return partial(image_fit, limits=image.limits, canvas=image.canvas)

    def _mask_rule(self, mask: Examined, image: Examined, size: tuple[int, int]) -> _Rule:
        if not self._is_on:
            return _nothing
        return partial(
            mask_fit, image=image.picture, size=size, limits=mask.limits, canvas=image.canvas
        )

    def _fitted(
        self, examined: Examined, rule: _Rule, make: _Make, kept: frozenset[Removed] = frozenset()
    ) -> Fitted:
        """
        Return what is sent for a picture; `kept` are the kinds of metadata that are in a fitted file.
        """
        source, fit = examined.source, rule(examined.picture)
        if fit is None:
            stripped = examined.seen.stripped
            return _as(examined.seen, stripped.removed if stripped else ())
        # By another name: with other settings it would be another file.
        around = f"-{fit.canvas.size[0]}x{fit.canvas.size[1]}" if fit.canvas else ""
        name = f"{source.label}{around}{'-with-metadata' * bool(kept)}.{EXTENSIONS[fit.format]}"
        path = self._spool.upload(source.job.id, name)
        found = self._kept(path, source)
        if found is None or not _is_done(rule(found.picture)):
            data = make(
                source.path,
                name=shown(source.name),
                fit=fit,
                max_megapixels=self._max_megapixels,
            )
            self._keep(source, name, data)
            found = self._look(path, source.name)
            _tell(source, fit, examined.picture, found.picture)
        held = self._held(examined)
        return _as(found, tuple(kind for kind in held if kind not in kept))

    def _held(self, examined: Examined) -> tuple[Removed, ...]:
        """
        Return which kinds of metadata a picture holds.
        """
        source, seen = examined.source, examined.seen
        found = seen.stripped or inspect.without_metadata(
            source.path, name=shown(source.name), picture=seen.picture
        )
        return found.removed if found else seen.picture.metadata

    def _keep(self, source: SourcePicture, name: str, data: bytes) -> None:
        try:
            self._spool.keep_upload(source.job.id, name, data)
        except OSError as error:
            # No fault of the picture: given back, it would only be taken and fitted again at once.
            msg = f"{shown(source.name)}, as it is to be sent, cannot be kept in the work folder: {error}"
            raise Blocked(msg) from error

    def _kept(self, path: Path, source: SourcePicture) -> ReadablePicture | None:
        """
        Return what was fitted before a restart, if it was; whether it still fits is seen by itself.
        """
        try:
            return self._look(path, source.name)
        except (FileNotFoundError, ImageFault):
            return None

    def _look(self, path: Path, name: str) -> ReadablePicture:
        """
        Return what a file would be sent as, by the setting for metadata.
        """
        mtime_ns = path.stat(follow_symlinks=False).st_mtime_ns
        picture = inspect.look(path, name=shown(name), max_megapixels=self._max_megapixels)
        size, stripped = picture.size_bytes, None
        if self._metadata is Metadata.STRIP:
            stripped = inspect.without_metadata(path, name=shown(name), picture=picture)
            picture = _stripped(picture, stripped)
        return ReadablePicture(
            path=path, picture=picture, stripped=stripped, size=size, mtime_ns=mtime_ns
        )

    def _problems(
        self, name: str, picture: Picture, limits: Limits, canvas: Canvas | None = None
    ) -> list[Problem]:
        fitted = _as_fitted(picture, limits, canvas)
        return self._told(
            check_image(shown(name), picture, limits), check_image(shown(name), fitted, limits)
        )

    def _told(self, as_it_is: list[Problem], as_fitted: list[Problem]) -> list[Problem]:
        if self._is_on:
            return as_fitted
        return [each if each in as_fitted else with_way_out(each) for each in as_it_is]


def _as_fitted(picture: Picture, limits: Limits, canvas: Canvas | None) -> Picture:
    return expected(picture, image_fit(picture, limits, canvas))


def _check_mask(
    mask_seen: Picture, image_seen: Picture, *, mask: Examined, image: Examined
) -> list[Problem]:
    names = shown(mask.source.name), shown(image.source.name)
    return check_mask(names[0], mask_seen, names[1], image_seen, mask.limits)


def _is_done(rest: Fit | None) -> bool:
    """
    Say whether nothing is left to be done to a fitted picture: what is put around it does not show in it.
    """
    return rest is None or rest.changes == (Change.SHAPE,)


def _nothing(_: Picture) -> None:
    return None


def _stripped(picture: Picture, stripped: Stripped | None) -> Picture:
    if stripped is None:
        return replace(picture, has_fixed_metadata=True)
    # What stood behind a JPEG's first picture is gone.
    kind = "jpeg" if picture.format == "mpo" else picture.format
    return replace(picture, format=kind, size_bytes=stripped.size)


def _as(seen: ReadablePicture, removed: tuple[Removed, ...]) -> Fitted:
    upload = Upload(
        path=seen.path,
        content_type=f"image/{seen.picture.format}",
        size=seen.size,
        mtime_ns=seen.mtime_ns,
        stripped=seen.stripped,
        removed=removed,
    )
    return Fitted(upload=upload, picture=seen.picture)


def _tell(source: SourcePicture, fit: Fit, before: Picture, after: Picture) -> None:
    emit(
        ImageFitted(
            job=source.job.id,
            folder=source.job.folder,
            name=source.name,
            changes=[change.value for change in fit.changes],
            before=_in_words(before),
            after=_in_words(after),
        )
    )


def _in_words(picture: Picture) -> str:
    width, height = picture.upright
    return f"{width}×{height} {picture.format} {picture.mode}, {picture.size_bytes} bytes"
