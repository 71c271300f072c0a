"""
One result finished: a function of what was received, the original, its mask and what was asked for, and of
nothing else.

Done twice it gives the same bytes. Blocking, and large: a picture takes four bytes a pixel, see `memory`.
"""

from dataclasses import dataclass, field, replace
from math import inf
from typing import TypeAlias

import numpy as np
from PIL import Image

from retouchd.pictures.colours import from_srgb, to_srgb
from retouchd.pictures.decoding import FAULTS, ImageFault
from retouchd.pictures.finishing import reading
from retouchd.pictures.finishing.change import OutsideChange, outside_change
from retouchd.pictures.finishing.credentials import has_credentials
from retouchd.pictures.finishing.detail import MOST_RESIDUAL, fitted, residual
from retouchd.pictures.finishing.detail import REGISTERS as DETAIL_REGISTERS
from retouchd.pictures.finishing.encode import encoded
from retouchd.pictures.finishing.exif_directories import Directories
from retouchd.pictures.finishing.geometry import (
    Box,
    Canvas,
    covered,
    fitted_into,
    is_same_shape,
    size_of,
)
from retouchd.pictures.finishing.placing import PlacedResult, colour_match
from retouchd.pictures.finishing.plan import Caution, PictureFacts, Plan, Warned, plan_of
from retouchd.pictures.finishing.planes import Floats, blurred, resampled
from retouchd.pictures.finishing.protect import Opening, feather_for, lay_over, opening_of
from retouchd.pictures.finishing.reading import Frame, Stored, Told
from retouchd.pictures.finishing.registration import UNCHECKED, Registration, register
from retouchd.pictures.finishing.task import Finishing, FinishingError
from retouchd.pictures.finishing.told import blocks_for
from retouchd.pictures.finishing.xmp import Provenance
from retouchd.pictures.metadata import Blocks

_GROWN = 8
_PADDED_MUCH = 0.25
_GRAIN = 2.0
"""The blur that takes it away from a small picture."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureShape:
    """
    The format of a file and its size in pixels as shown.
    """

    format: str
    width: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """
    A finished result. `data` is its file, None where what was received is already what was asked for.

    `padded` is the share that was put around the picture and cut off again, `shift` what the result was moved
    by, in pixels of the original; `protected` is `exact` or `encoded`.
    """

    data: bytes | None
    extension: str
    received: PictureShape
    finished: PictureShape
    has_credentials: bool
    padded: float | None = None
    shift: tuple[float, float] | None = None
    protected: str | None = None
    is_colour_matched: bool = False
    outside: OutsideChange | None = None
    cautions: tuple[Caution, ...] = ()


def finish(job: Finishing) -> Finished:
    """
    Return a result as it was asked for. Raises FinishingError, OSError for files that cannot be read,
    MemoryError.
    """
    try:
        return _Work(job).done()
    except ImageFault as fault:
        raise FinishingError(f"{fault.problem.message} {fault.problem.hint}") from fault
    except OSError as error:
        if error.errno is not None:
            raise
        raise FinishingError(f"It could not be decoded or encoded: {error}.") from error
    except FAULTS as error:
        raise FinishingError(f"It could not be decoded or encoded: {error}.") from error


@dataclass(frozen=True, slots=True)
class _Source:
    """
    An original, and its pixels if they had to be decoded already.
    """

    file: Stored
    frame: Frame | None


_Compared: TypeAlias = tuple[Image.Image, Image.Image, Floats]
"""Original and result, small, without grain, one over the other; and where both are to be the same."""


@dataclass(slots=True)
class _Work:
    """
    One finishing, and what was learnt on the way.
    """

    job: Finishing
    cautions: list[Caution] = field(default_factory=list)
    registration: Registration | None = None
    outside: OutsideChange | None = None
    is_colour_matched: bool = False
    protected: str | None = None
    kept_detail: bool = False

    def done(self) -> Finished:
        job, output = self.job, self.job.output
        answer = reading.stored(job.received, "The picture received", inf)
        result = reading.received(answer)
        source = reading.stored(job.original, job.name, inf)
        facts, told = reading.facts_of(source)
        shown, box = self._shown(result.facts.size, facts.size)
        plan = plan_of(output, facts, result.facts, shown)
        self.cautions += plan.warnings
        if plan.size[0] * plan.size[1] > job.max_megapixels * 1e6:
            raise FinishingError(
                f"It would have {plan.size[0]}×{plan.size[1]} pixels; output.max_megapixels = "
                f"{job.max_megapixels:g} is the most. Raise it, or ask for a smaller output.size."
            )
        if not plan.is_needed:
            return self._report(None, plan, result, answer, shown)
        image, profile = self._made(plan, result, source, facts, box)
        plan = replace(plan, size=image.size)
        blocks, directories = self._metadata(plan, told, result.told, profile, facts)
        dpi = told.dpi if output.metadata == "source" else None
        data = encoded(image, plan, blocks, directories, dpi)
        return self._report(data, plan, result, answer, shown)

    def _shown(
        self, received: tuple[int, int], source: tuple[int, int]
    ) -> tuple[tuple[int, int], Box]:
        """
        Return the size of the part of a result that is the picture, and where it is.
        """
        canvas = self.job.canvas or Canvas(width=source[0], height=source[1])
        whole = (0.0, 0.0, float(received[0]), float(received[1]))
        is_cut = (
            canvas.is_padded
            and self.job.output.keeps_shape
            and is_same_shape(received, canvas.size)
        )
        if not is_cut:
            return received, whole
        if canvas.share > _PADDED_MUCH:
            told = (
                f"{canvas.share:.0%} of what was sent was put around the picture, as the model makes no size "
                "of its shape: the result has fewer pixels of its own"
            )
            self.cautions.append(Caution(code=Warned.PADDED, words=told))
        box = canvas.box(received)
        return size_of(box), box

    def _made(
        self, plan: Plan, result: Frame, source: Stored, facts: PictureFacts, box: Box
    ) -> tuple[Image.Image, bytes | None]:
        """
        Return the pixels of the finished picture, and the profile by which they are meant.
        """
        output = self.job.output
        opening = self._opening(source, facts)
        if opening is None and output.detail != "source":
            return self._resized(plan, result, source, box)
        over = _Source(source, None if reading.can_be_drafted(source) else reading.whole(source))
        low = reading.small(source, over.frame)
        place, is_other_shape = box, not is_same_shape(size_of(box), facts.size)
        if opening is not None and is_other_shape:
            place = fitted_into(box, facts.size)
            opening = opening.within(covered(box, place, facts.size))
        outside = self._outside(low.size, opening, covered(box, place, low.size))
        self.registration = found = register(low, result.image.convert("RGB"), place, outside)
        moved = found.alignment.box(place) if found.is_sure else place
        if opening is None:
            made = self._with_detail(plan, result, over, moved)
            return made or self._resized(replace(plan, size=plan.size_alone), result, source, box)
        aligned = resampled(result.image.convert("RGB"), moved, low.size)
        one, other = (blurred(each, _GRAIN) for each in (low, aligned))
        self.outside = outside_change(one, other, outside, facts.size)
        if output.protect:
            return self._protected(plan, result, over, (moved, opening), (one, other, outside))
        return self._resized(plan, result, source, box)

    def _opening(self, source: Stored, facts: PictureFacts) -> Opening | None:
        if self.job.mask is None:
            return None
        mask = reading.stored(self.job.mask, "The mask", inf)
        alpha = reading.mask_alpha(mask, facts, reading.orientation(source))
        return opening_of(alpha)

    def _outside(
        self, size: tuple[int, int], opening: Opening | None, shown: tuple[int, int, int, int]
    ) -> Floats:
        """
        Return 1 for each pixel of a small picture that a result shows and was not to change, 0 for others.
        """
        found = np.zeros((size[1], size[0]), np.float32)
        left, top, right, bottom = shown
        found[top:bottom, left:right] = 1
        if opening is not None:
            found *= np.asarray(opening.closed(size, _GROWN), np.float32) / np.float32(255)
        return found

    def _protected(
        self,
        plan: Plan,
        result: Frame,
        source: _Source,
        placed: tuple[Box, Opening],
        compared: _Compared,
    ) -> tuple[Image.Image, bytes | None]:
        self._tell_of_registration()
        box, opening = placed
        image = result.image
        matched = colour_match(*compared)
        if matched is not None:
            image = matched.applied(image)
            self.is_colour_matched = True
        frame = source.frame
        if frame is None and plan.tables is not None and image.mode == "RGB":
            frame = reading.as_stored(source.file, plan.tables.sampling)
        frame = frame or reading.whole(source.file)
        if frame.profile is not None:
            image = from_srgb(image, frame.profile)
        if image.mode == "RGBA" and frame.image.mode != "RGBA":
            frame.image.putalpha(255)
        feather = self.job.output.feather
        if feather is None:
            feather = feather_for(frame.image.size, size_of(box))
        lay_over(frame.image, image, box, opening, feather)
        is_exact = plan.is_lossless and plan.size == frame.image.size and frame.facts.depth <= 8
        is_exact = is_exact and (
            frame.profile is None or plan.in_source_profile or not frame.facts.is_foreign
        )
        self.protected = "exact" if is_exact and frame.facts.is_rgb else "encoded"
        return self._as_planned(plan, frame)

    def _with_detail(
        self, plan: Plan, result: Frame, source: _Source, box: Box
    ) -> tuple[Image.Image, bytes | None] | None:
        """
        Return the original with the change of a result; None where that is more than colours and light.
        """
        found = self.registration or UNCHECKED
        width, height = max(8, round(box[2] - box[0]) // 2), max(8, round(box[3] - box[1]) // 2)
        if found.score < DETAIL_REGISTERS or not found.is_checked:
            self._refuse_detail("the result does not lie over the original")
            return None
        frame = source.frame or reading.whole(source.file)
        image = result.image.convert("RGB")
        # In the numbers of the original, and compared in sRGB, where distances mean something.
        few = frame.image.resize(
            (width, height), Image.Resampling.LANCZOS, reducing_gap=3.0
        ).convert("RGB")
        other = resampled(
            image if frame.profile is None else from_srgb(image, frame.profile),
            box,
            (width, height),
        )
        transform = fitted(few, other)
        worst, column, row = residual(few, other, transform, frame.profile)
        if worst > MOST_RESIDUAL:
            place = (column * frame.image.width // width, row * frame.image.height // height)
            self._refuse_detail(
                f"around pixel {place[0]}, {place[1]} there is more than another colour or other light"
            )
            return None
        transform.apply(frame.image)
        self.kept_detail = True
        return self._as_planned(plan, frame)

    def _refuse_detail(self, why: str) -> None:
        told = f'output.detail = "source" was left out, for {why}; the result was only scaled'
        self.cautions.append(Caution(code=Warned.DETAIL, words=told))

    def _tell_of_registration(self) -> None:
        found = self.registration or UNCHECKED
        if not found.is_checked:
            told = (
                "whether the result lies over the original could not be checked: outside the mask there is too "
                "little to compare"
            )
            self.cautions.append(Caution(code=Warned.UNCHECKED, words=told))
        elif not found.is_sure:
            told = (
                f"it is not sure that the result lies over the original (score {found.score:.2f} of 1): look "
                "along the edge of the mask, or mask generously and try again"
            )
            self.cautions.append(Caution(code=Warned.UNREGISTERED, words=told))

    def _as_planned(self, plan: Plan, frame: Frame) -> tuple[Image.Image, bytes | None]:
        """
        Return a frame in the size and colours that were asked for.
        """
        image, profile = frame.image, frame.profile
        if profile is not None and frame.facts.is_foreign and not plan.in_source_profile:
            image, profile = to_srgb(image, profile), None
        if image.size != plan.size:
            image = image if image.mode != "YCbCr" else image.convert("RGB")
            image = image.resize(plan.size, Image.Resampling.LANCZOS)
        return image, profile

    def _resized(
        self, plan: Plan, result: Frame, source: Stored, box: Box
    ) -> tuple[Image.Image, bytes | None]:
        image, profile = result.image, None
        if plan.in_source_profile:
            profile = reading.profile_of(source)
            image = image if profile is None else from_srgb(image, profile)
        if (box[2] - box[0], box[3] - box[1]) == plan.size == image.size:
            return image, profile
        return PlacedResult(image, box, plan.size).part((0, 0, *plan.size)), profile

    def _metadata(
        self, plan: Plan, source: Told, result: Told, profile: bytes | None, facts: PictureFacts
    ) -> tuple[Blocks, Directories]:
        job, output = self.job, self.job.output
        kind = (
            "algorithmicallyEnhanced"
            if self.kept_detail
            else "compositeWithTrainedAlgorithmicMedia"
        )
        provenance = None
        if output.provenance:
            prompt = job.prompt if output.provenance_prompt else None
            provenance = Provenance(source=kind, system=job.system, model=job.model, prompt=prompt)
        told = {"source": source, "received": result}.get(output.metadata)
        is_of_srgb = profile is None and (facts.is_foreign or output.metadata == "received")
        return blocks_for(
            told,
            plan,
            icc=profile,
            provenance=provenance,
            keeps_positions=output.gps or output.metadata == "received",
            is_srgb=is_of_srgb,
        )

    def _report(
        self, data: bytes | None, plan: Plan, result: Frame, answer: Stored, shown: tuple[int, int]
    ) -> Finished:
        size = plan.size if data is not None else result.image.size
        shift = None
        is_moved = self.protected is not None or self.kept_detail
        if self.registration is not None and self.registration.is_sure and is_moved:
            shift = _shift(self.registration, plan.size)
        if self.outside is not None and self.outside.is_other:
            self.cautions.append(Caution(code=Warned.OUTSIDE, words=self.outside.words))
        canvas = self.job.canvas
        return Finished(
            data=data,
            extension=plan.extension,
            received=_shape(answer.kind, result.image.size),
            finished=_shape(plan.format if data is not None else answer.kind, size),
            has_credentials=has_credentials(answer.data),
            padded=round(canvas.share, 4)
            if canvas and canvas.is_padded and shown != result.facts.size
            else None,
            shift=shift,
            protected=self.protected,
            is_colour_matched=self.is_colour_matched,
            outside=self.outside,
            cautions=tuple(self.cautions),
        )


def _shift(found: Registration, size: tuple[int, int]) -> tuple[float, float]:
    """
    Return how far the middle of a result lay beside that of its original, in pixels of the latter.
    """
    alignment = found.alignment
    across = alignment.x + (alignment.scale_x - 1) / 2
    down = alignment.y + (alignment.scale_y - 1) / 2
    # Plus nothing, as -0.0 says as much as 0.0 and looks odd.
    return round(across * size[0], 2) + 0.0, round(down * size[1], 2) + 0.0


def _shape(format_: str, size: tuple[int, int]) -> PictureShape:
    return PictureShape(format=format_, width=size[0], height=size[1])
