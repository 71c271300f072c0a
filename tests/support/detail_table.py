"""
How near `detail = "source"` comes to the same edit made at full size, by photograph.

    PYTHONPATH=tests/support .venv/bin/python -m detail_table [PHOTO…]

A row for each demo photo, and for each file that is named besides.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from finishing_cases import Case, pixels
from retouchd.pictures.finishing.planes import delta_e_2000, lab
from simulated_model import GLOBAL_EDITS, NAMES, Model, gradient_energy, photo

SIZE, RESULT = (1200, 800), (600, 400)


def measured(original: Image.Image, edit: str) -> tuple[float, float, float] | None:
    """
    Return of one edit the median and 95th percentile of CIEDE2000 and the share of gradient energy that came
    back; None if it was refused.
    """
    change = GLOBAL_EDITS[edit]
    model = Model(size=RESULT, shift=(1.3, -0.8), edit=change, local=0.15)
    with tempfile.TemporaryDirectory(prefix="retouchd-detail-") as place:
        case = Case(Path(place))
        files = case.original(original), case.received(model.answers(original))
        found = case.finished(*files, detail="source")
    if found.cautions or found.data is None:
        return None
    made, truth = Image.fromarray(pixels(found.data)), change(original)
    apart = delta_e_2000(lab(made), lab(truth))
    return (
        float(np.median(apart)),
        float(np.percentile(apart, 95)),
        gradient_energy(made, truth),
    )


def row(name: str | Path) -> str:
    """
    Return what of all edits of a photograph is told.
    """
    original = photo(name, SIZE)
    found = {edit: measured(original, edit) for edit in GLOBAL_EDITS}
    kept = {edit: each for edit, each in found.items() if each is not None}
    medians, highest, energies = zip(*kept.values(), strict=True)
    worst = max(kept, key=lambda edit: kept[edit][1])
    return (
        f"| {Path(name).stem} | {np.median(medians):.2f} "
        f"| {np.median(highest):.2f}, at most {max(highest):.2f} ({worst}) "
        f"| {min(energies):.2f}–{max(energies):.2f} | {len(found) - len(kept)} |\n"
    )


def main() -> None:
    sys.stdout.write(
        "| photograph | median | 95th percentile | gradient energy | refused |\n|---|---|---|---|---|\n"
    )
    sys.stdout.writelines(row(name) for name in NAMES)
    sys.stdout.writelines(row(Path(name)) for name in sys.argv[1:])


if __name__ == "__main__":
    main()
