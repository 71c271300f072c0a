"""
Decoders keep to themselves what they think of a file: between the lines of the log stands nothing else.
"""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

from process import Station
from sample_pictures import encoded, heic, smooth
from tiff_files import Layout, tiff

CODINGS = ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg", "zstd", "lzma", "group4")
WHOLE = {
    **{
        f"{coding}.tif": encoded(
            smooth().convert("1") if coding == "group4" else smooth(), "TIFF", compression=coding
        )
        for coding in CODINGS
    },
    "plain.tif": tiff(Layout(is_planar=True, is_tiled=True)),
    "a.jpg": encoded(smooth(), "JPEG"),
    "b.jpg": encoded(smooth(), "JPEG", progressive=True),
    "a.png": encoded(smooth(), "PNG"),
    "a.webp": encoded(smooth(), "WEBP"),
    "a.avif": encoded(smooth(), "AVIF"),
    "a.heic": heic(smooth()),
    "a.bmp": encoded(smooth(), "BMP"),
}


def broken(data: bytes, seed: int) -> bytes:
    """
    A file with a few bytes changed, the first ones left as they are.
    """
    chance = random.Random(seed)
    found = bytearray(data)
    for _ in range(chance.randrange(1, 9)):
        found[chance.randrange(16, len(found))] = chance.randrange(256)
    return bytes(found)


def test_every_line_about_broken_pictures_is_json(station: Station) -> None:
    """
    Of a real run; what is wrong is told there by file and code.
    """
    station.configure(intake={"settle_seconds": 0.1, "incomplete_seconds": 0.1})
    for name, data in WHOLE.items():
        for seed in range(3):
            path = station.folders.inbox / f"{seed}-{name}"
            path.with_name(f"{path.name}.txt").write_text(f"make {path.name} blue", "utf-8")
            path.write_bytes(broken(data, seed))

    _, running = station.call("once")

    events = [json.loads(line) for line in running.err.splitlines()]
    assert {"job.failed"} <= {event["event"] for event in events}


def test_no_decoder_writes_anything_itself(tmp_path: Path) -> None:
    """
    Hundreds of broken files of every kind: nothing on standard error, from whatever thread or library.
    """
    for name, data in WHOLE.items():
        for seed in range(60):
            (tmp_path / f"{seed}-{name}").write_bytes(broken(data, seed))
    program = """if True:
        import sys
        from pathlib import Path
        from retouchd.pictures.decoding import ImageFault
        from retouchd.pictures.inspect import check_output, look
        for path in sorted(Path(sys.argv[1]).iterdir()):
            for see in (lambda: look(path, name=path.name, max_megapixels=1), lambda: check_output(path)):
                try:
                    see()
                except ImageFault:
                    print("fault")
    """
    found = subprocess.run(
        [sys.executable, "-c", program, tmp_path], check=True, capture_output=True, env=os.environ
    )

    assert found.stderr == b""
    assert found.stdout.count(b"fault") > 200
