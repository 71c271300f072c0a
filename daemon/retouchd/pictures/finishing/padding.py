"""
Something around a picture before it is sent: its own edges, mirrored.
"""

from PIL import Image, ImageOps

from retouchd.pictures.finishing.geometry import Canvas


def mirrored(image: Image.Image, canvas: Canvas) -> Image.Image:
    """
    Return a picture in the middle of its canvas, what is around it mirrored, as often as it takes.

    `image` may have another size than the canvas says, if it has its shape.
    """
    across, down = image.width / canvas.width, image.height / canvas.height
    left, right = round(canvas.left * across), round(canvas.right * across)
    top, bottom = round(canvas.top * down), round(canvas.bottom * down)
    found = Image.new(image.mode, (image.width + left + right, image.height + top + bottom))
    for column in range(-(-left // image.width), -1 - -(-right // image.width), -1):
        part = ImageOps.mirror(image) if column % 2 else image
        found.paste(part, (left - column * image.width, top))
    if top or bottom:
        whole = found.crop((0, top, found.width, top + image.height))
        for row in range(-(-top // image.height), -1 - -(-bottom // image.height), -1):
            part = ImageOps.flip(whole) if row % 2 else whole
            found.paste(part, (0, top - row * image.height))
    return found
