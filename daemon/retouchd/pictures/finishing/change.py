"""
How much a model changed where it was to change nothing: in words that a photographer can act upon.
"""

from dataclasses import dataclass

from PIL import Image

from retouchd.pictures.finishing.planes import Floats, delta_e_2000, lab, worst_block

_UNCHANGED, _DRIFTED, _OTHER = 1.0, 2.5, 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class OutsideChange:
    """
    The change outside of a mask as CIEDE2000, grain aside: its mean, and that of the worst block of 32 pixels a
    side of a picture of at most 1,024. `place` is where that is, in pixels of the original.
    """

    mean: float
    worst: float
    place: tuple[int, int]

    @property
    def is_other(self) -> bool:
        """
        Return whether there is something else in one place.
        """
        return self.worst > _OTHER

    @property
    def words(self) -> str:
        """
        Return what that means.
        """
        if self.is_other:
            x, y = self.place
            return f"something outside the mask was changed, most around pixel {x}, {y}"
        if self.mean < _UNCHANGED:
            return "unchanged outside the mask"
        return (
            "slight drift outside the mask"
            if self.mean <= _DRIFTED
            else "recoloured outside the mask"
        )


def outside_change(
    original: Image.Image, result: Image.Image, outside: Floats, size: tuple[int, int]
) -> OutsideChange | None:
    """
    Return the change between two small sRGB pictures without their grain, one over the other, where `outside`
    is 1; None if nowhere.

    `size` is that of the original itself.
    """
    outside = outside[::2, ::2]
    if not outside.any():
        return None
    one, other = (lab(each.reduce(2)) for each in (original, result))
    apart = delta_e_2000(one, other)
    worst, column, row = worst_block(apart, outside, 16)
    return OutsideChange(
        mean=round(float((apart * outside).sum() / outside.sum()), 2),
        worst=round(worst, 2),
        place=(2 * column * size[0] // original.width, 2 * row * size[1] // original.height),
    )
