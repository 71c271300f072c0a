"""
Every way into `error/` for one bundle: what is dropped, and what the endpoint does about it.
"""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

from engine_world import photo
from retouchd.pictures.metadata import Metadata
from retouchd.sandbox.faults import Fault, FaultKind
from sample_pictures import deep_png, encoded, exif, masking, scene, smooth

DALL_E = {"model": "dall-e-2"}
AS_IT_IS = {"fit": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """
    One way: the files dropped, by their names, the settings, and the endpoint's faults.
    """

    files: Mapping[str, str | bytes]
    settings: Mapping[str, Any] = field(default_factory=dict)
    faults: tuple[Fault, ...] = ()


def refusal(
    message: str, code: str | None = None, *, status: int = 400, param: str | None = None
) -> tuple[Fault, ...]:
    error = {"message": message, "type": "invalid_request_error", "param": param, "code": code}
    body = json.dumps({"error": error}, ensure_ascii=False)
    return (Fault(kind=FaultKind.BODY, status=status, body=body),)


def body(
    content: str | bytes, status: int = 200, kind: str = "application/json"
) -> tuple[Fault, ...]:
    return (Fault(kind=FaultKind.BODY, status=status, body=content, content_type=kind),)


def animation(kind: str) -> bytes:
    buffer = io.BytesIO()
    scene().save(buffer, kind, save_all=True, append_images=[smooth()])
    return buffer.getvalue()


def cat(
    content: bytes | None = None, prompt: str | bytes = "改成蓝色", **more: str | bytes
) -> dict[str, str | bytes]:
    return {"猫.txt": prompt, **more, "猫.png": photo() if content is None else content}


def with_sidecar(name: str, text: str | bytes, **more: str | bytes) -> dict[str, str | bytes]:
    return {name: text, **more, "猫.png": photo()}


def asking(text: str, **settings: Any) -> dict[str, Any]:
    return {"files": {"猫.toml": text, "猫.txt": "改成蓝色", "猫.png": photo()}, **settings}


def masked(mask: bytes, image: bytes | None = None) -> dict[str, str | bytes]:
    return {"猫.txt": "改成蓝色", "猫.mask.png": mask, "猫.png": image or photo()}


BUSY = encoded(Image.effect_noise((200, 100), 90).convert("RGB"), "PNG")
GIF = animation("GIF")
TIFF = encoded(scene(), "TIFF")
PNG = photo()

CASES: dict[str, Case] = {
    "prompt_missing": Case(files={"猫.png": PNG}),
    "prompt_missing-folder": Case(files={"鞋/红.jpg": photo(kind="JPEG")}),
    "prompt_missing-parameters-only": Case(files={"猫.toml": "n = 2\n", "猫.png": PNG}),
    "prompt_missing-odd-name": Case(files={"猫.error.png": PNG}),
    "image_missing-prompt": Case(files={"猫.txt": "改成蓝色"}),
    "image_missing-long-prompt": Case(files={"鞋/红.jpg.txt": "改成蓝色"}),
    "image_missing-mask": Case(files={"猫.mask.png": encoded(masking(), "PNG")}),
    "image_missing-mask-of-mask": Case(files={"cat.mask.mask.png": encoded(masking(), "PNG")}),
    "image_missing-prompt-of-mask": Case(files={"cat.mask.txt": "改成蓝色"}),
    "image_missing-mask-png-txt": Case(files={"cat.mask.png.txt": "改成蓝色"}),
    "image_missing-structured": Case(files={"猫.toml": 'prompt = "改成蓝色"\n'}),
    "image_missing-prompt-and-mask": Case(
        files={"猫.txt": "改成蓝色", "猫.mask.png": encoded(masking(), "PNG")}
    ),
    "image_missing-foreign": Case(files={"猫.raw.txt": "改成蓝色"}),
    "prompt_empty-no-bytes": Case(files=cat(prompt=b"")),
    "prompt_empty-image-too": Case(files=cat(b"", prompt=b"")),
    "image_missing-capitals": Case(files={"猫.JPG.txt": "改成蓝色"}),
    "image_missing-film": Case(files={"猫.gif.txt": "改成蓝色"}),
    "prompt_empty-blank": Case(files=cat(prompt=" \n\t\n")),
    "prompt_empty-mark-only": Case(files=cat(prompt=b"\xef\xbb\xbf\r\n")),
    "prompt_empty-invisible": Case(files=cat(prompt="\u200b\ufeff\u2060\n")),
    "prompt_too_long-gpt": Case(files=cat(prompt="蓝" * 32_001)),
    "prompt_too_long-dall-e": Case(files=cat(prompt="蓝" * 1_020), settings={**DALL_E}),
    "prompt_too_long-sidecar": Case(
        files=with_sidecar("猫.toml", 'model = "dall-e-2"\nprompt = "' + "蓝" * 1_020 + '"\n')
    ),
    "prompt_too_long-endpoint": Case(
        files=cat(), faults=refusal("Invalid 'prompt': string too long.", "string_above_max_length")
    ),
    "sidecar_invalid-binary": Case(files=cat(prompt=b"\xff\x00\xfe\x81\x8d")),
    "sidecar_invalid-latin": Case(files=cat(prompt="mach es schöner".encode("latin-1"))),
    "sidecar_invalid-russian": Case(files=cat(prompt="Убрать тени".encode("cp1251"))),
    "sidecar_invalid-wide": Case(files=cat(prompt="Make it blue".encode("utf-16-le"))),
    "sidecar_invalid-question-marks": Case(files=cat(prompt="????? ??")),
    "sidecar_invalid-cut": Case(files=cat(prompt="改成蓝".encode()[:-1])),
    "sidecar_invalid-rich-text": Case(files=cat(prompt=r"{\rtf1\ansi Make it blue}")),
    "sidecar_invalid-web-page": Case(files=cat(prompt="<!doctype html>\n<p>Make it blue")),
    "sidecar_invalid-word": Case(files=cat(prompt=b"PK\x03\x04\x14\0\x06\0word/document.xml")),
    "sidecar_invalid-toml-rich-text": Case(
        files=with_sidecar("猫.toml", r"{\rtf1\ansi prompt = blue}")
    ),
    "sidecar_invalid-yaml-comment": Case(
        files=with_sidecar("猫.yaml", "prompt: Make the sky #ff66aa and calm\n")
    ),
    "sidecar_invalid-long": Case(files=cat(prompt="a" * 300_000)),
    "sidecar_invalid-toml-binary": Case(files=with_sidecar("猫.toml", b"\xff\x00\xfe\x81\x8d")),
    "sidecar_invalid-toml-empty": Case(files=with_sidecar("猫.toml", b"", **{"猫.txt": "改"})),
    "sidecar_invalid-toml-quotes": Case(files=with_sidecar("猫.toml", "prompt = 改成蓝色\n")),
    "sidecar_invalid-toml-curly": Case(files=with_sidecar("猫.toml", "prompt = “改成蓝色”\n")),
    "sidecar_invalid-toml-text": Case(files=with_sidecar("猫.toml", "改成蓝色\n")),
    "sidecar_invalid-toml-twice": Case(
        files=with_sidecar("猫.toml", 'prompt = "蓝"\nprompt = "红"\n')
    ),
    "sidecar_invalid-toml-open": Case(files=with_sidecar("猫.toml", 'prompt = "改成蓝色\n')),
    "sidecar_invalid-json-text": Case(files=with_sidecar("猫.json", "改成蓝色")),
    "sidecar_invalid-json-comma": Case(files=with_sidecar("猫.json", '{"prompt": "改成蓝色",}')),
    "sidecar_invalid-json-quotes": Case(files=with_sidecar("猫.json", '{"prompt": 改成蓝色}')),
    "sidecar_invalid-json-twice": Case(
        files=with_sidecar("猫.json", '{"prompt": "蓝", "prompt": "红"}')
    ),
    "sidecar_invalid-json-deep": Case(files=with_sidecar("猫.json", '{"extra": ' + "[" * 99)),
    "sidecar_invalid-yaml-colon": Case(files=with_sidecar("猫.yaml", "prompt: 蓝: 红\n")),
    "sidecar_invalid-yaml-tab": Case(files=with_sidecar("猫.yaml", "prompt: |\n\t改成蓝色\n")),
    "sidecar_invalid-yaml-text": Case(files=with_sidecar("猫.yml", "改成蓝色\n")),
    "sidecar_invalid-yaml-twice": Case(files=with_sidecar("猫.yaml", "prompt: 蓝\nprompt: 红\n")),
    "sidecar_invalid-yaml-deep": Case(files=with_sidecar("猫.yaml", "extra: " + "[" * 99)),
    "sidecar_invalid-long-toml": Case(
        files=with_sidecar("猫.toml", 'prompt = "' + "a" * 300_000 + '"\n')
    ),
    "sidecar_invalid-unknown-key": Case(
        files=with_sidecar("猫.toml", 'promt = "改成蓝色"\nsize = "1024x1024"\n')
    ),
    "sidecar_invalid-far-key": Case(files=with_sidecar("猫.toml", 'prompt = "蓝"\n颜色 = "蓝"\n')),
    "sidecar_invalid-seed": Case(files=with_sidecar("猫.toml", 'prompt = "蓝"\nseed = 7\n')),
    "sidecar_invalid-types": Case(
        files=with_sidecar("猫.toml", 'prompt = 7\nn = "two"\nsize = 1024\nextra = 1\n')
    ),
    "sidecar_invalid-boolean": Case(files=with_sidecar("猫.toml", 'prompt = "蓝"\nn = true\n')),
    "sidecar_invalid-fraction": Case(files=with_sidecar("猫.toml", 'prompt = "蓝"\nn = 1.5\n')),
    "sidecar_invalid-null": Case(files=with_sidecar("猫.json", '{"prompt": "蓝", "n": null}')),
    "sidecar_invalid-empty-text": Case(files=with_sidecar("猫.toml", 'prompt = ""\n')),
    "reference_invalid-outside": Case(
        files=with_sidecar("猫.toml", 'prompt = "蓝"\nimages = ["../../底.png"]\n')
    ),
    "reference_invalid-root": Case(
        files=with_sidecar("猫.toml", 'prompt = "蓝"\nimages = ["/home/me/底.png"]\n')
    ),
    "reference_invalid-self": Case(
        files=with_sidecar("猫.toml", 'prompt = "蓝"\nimages = ["猫.png"]\n')
    ),
    "sidecar_invalid-reference-text": Case(
        files=with_sidecar("猫.toml", 'prompt = "蓝"\nimages = "底.png"\n')
    ),
    "sidecar_invalid-references-many": Case(
        files=with_sidecar("猫.toml", 'prompt = "蓝"\nimages = ["a.png"' + ', "a.png"' * 64 + "]\n")
    ),
    "sidecar_ambiguous-two-images": Case(
        files={"猫.txt": "改成蓝色", "猫.jpg": photo(kind="JPEG"), "猫.png": PNG}
    ),
    "sidecar_ambiguous-long-and-short": Case(
        files={"猫.txt": "蓝", "猫.png.txt": "红", "猫.png": PNG}
    ),
    "sidecar_ambiguous-two-endings": Case(files={"猫.txt": "蓝", "猫.prompt": "红", "猫.png": PNG}),
    "sidecar_ambiguous-two-structured": Case(
        files={"猫.toml": 'prompt = "蓝"', "猫.json": '{"prompt": "红"}', "猫.png": PNG}
    ),
    "sidecar_ambiguous-text-and-structured": Case(
        files={"猫.txt": "蓝", "猫.toml": 'prompt = "红"', "猫.png": PNG}
    ),
    "sidecar_ambiguous-two-masks": Case(
        files={
            "猫.txt": "蓝",
            "猫.mask.png": encoded(masking(), "PNG"),
            "猫.png.mask.png": encoded(masking(), "PNG"),
            "猫.png": PNG,
        }
    ),
    "sidecar_ambiguous-mask-of-two": Case(
        files={
            "猫.jpg.txt": "蓝",
            "猫.png.txt": "蓝",
            "猫.mask.png": encoded(masking(), "PNG"),
            "猫.jpg": photo(kind="JPEG"),
            "猫.png": PNG,
        }
    ),
    "image_unreadable-truncated": Case(files=cat(BUSY[:2000])),
    "image_unreadable-truncated-jpeg": Case(
        files={"鞋/红.txt": "蓝", "鞋/红.jpg": encoded(smooth((600, 400)), "JPEG")[:2000]}
    ),
    "image_unreadable-zeros": Case(
        files={
            "红.txt": "蓝",
            "红.jpg": encoded(smooth((600, 400)), "JPEG")[:2000] + bytes(30_000),
        }
    ),
    "image_unreadable-zeros-png": Case(files=cat(BUSY[:2000] + bytes(30_000))),
    "image_unreadable-garbage": Case(files=cat(b"no picture at all" * 50)),
    "image_unsupported-page": Case(files=cat(b"<!doctype html><title>Sign in</title>")),
    "image_unreadable-empty": Case(files=cat(b"")),
    "image_unreadable-spoilt": Case(files=cat(BUSY[:2000] + bytes(40) + BUSY[2040:])),
    "image_unreadable-endpoint": Case(
        files=cat(), faults=refusal("Invalid image file or mode for image 1.", "invalid_image_file")
    ),
    "image_unsupported-gif": Case(files={"猫.txt": "蓝", "猫.gif": GIF}),
    "image_unsupported-gif-as-png": Case(files=cat(GIF)),
    "image_unsupported-psd": Case(files={"猫.txt": "蓝", "猫.psd": b"8BPS\0\1" + bytes(100)}),
    "image_unsupported-svg": Case(files={"猫.svg.txt": "蓝", "猫.svg": "<svg xmlns=''/>"}),
    "image_unsupported-raw": Case(
        files={"猫.toml": 'prompt = "蓝"', "猫.cr2": b"II*\0" + bytes(200)}
    ),
    "image_unsupported-video": Case(
        files={"猫.txt": "蓝", "猫.mov": b"\0\0\0\x14ftypqt  " + bytes(90)}
    ),
    "image_unsupported-raw-unknown": Case(
        files={"猫.txt": "蓝", "猫.raf": b"FUJIFILMCCD-RAW " + bytes(90)}
    ),
    "image_unsupported-pdf": Case(files={"猫.txt": "蓝", "猫.pdf": b"%PDF-1.7\n"}),
    "image_unsupported-animation": Case(files=cat(animation("PNG"))),
    "image_unsupported-pages": Case(files={"猫.txt": "蓝", "猫.tif": animation("TIFF")}),
    "image_unsupported-heic": Case(
        files={"猫.txt": "蓝", "猫.heic": encoded(scene(), "HEIF")}, settings=AS_IT_IS
    ),
    "image_unsupported-tiff": Case(files={"猫.txt": "蓝", "猫.tif": TIFF}, settings=AS_IT_IS),
    "image_unsupported-16-bit": Case(
        files=cat(deep_png([[(9, 9, 9)] * 48] * 32, 2)), settings=AS_IT_IS
    ),
    "image_unsupported-cmyk": Case(
        files={"猫.txt": "蓝", "猫.jpg": encoded(scene().convert("CMYK"), "JPEG")},
        settings=AS_IT_IS,
    ),
    "image_unsupported-palette": Case(
        files=cat(encoded(scene().convert("P"), "PNG")), settings=AS_IT_IS
    ),
    "image_unsupported-jpeg-for-dall-e": Case(
        files={"猫.txt": "蓝", "猫.jpg": encoded(scene((64, 64)), "JPEG")},
        settings={**DALL_E, **AS_IT_IS},
    ),
    "image_unsupported-endpoint": Case(
        files=cat(),
        faults=refusal(
            "Invalid file 'image': unsupported mimetype ('application/octet-stream').",
            "unsupported_file_mimetype",
        ),
    ),
    "image_too_large-pixels": Case(
        files=cat(encoded(Image.new("RGB", (1300, 1000)), "PNG")), settings={"max_megapixels": 1}
    ),
    "image_too_large-bytes": Case(
        files=cat(encoded(scene((64, 64)), "PNG") + bytes(4 << 20)),
        settings={**DALL_E, **AS_IT_IS, "metadata": Metadata.KEEP},
    ),
    "image_too_large-endpoint": Case(
        files=cat(),
        faults=body("<html><title>413 Request Entity Too Large</title>", 413, "text/html"),
    ),
    "image_not_square": Case(files=cat(), settings={**DALL_E}),
    "image_not_square-turned": Case(
        files={"猫.txt": "蓝", "猫.jpg": encoded(scene(), "JPEG", exif=exif(6))},
        settings={**DALL_E},
    ),
    "mask_invalid-garbage": Case(files=masked(b"no picture")),
    "mask_invalid-empty": Case(files=masked(b"")),
    "mask_invalid-truncated": Case(files=masked(encoded(masking(), "PNG")[:-20])),
    "mask_invalid-opaque": Case(files=masked(encoded(scene().convert("RGBA"), "PNG"))),
    "mask_invalid-black-and-white": Case(files=masked(encoded(scene().convert("1"), "PNG"))),
    "mask_invalid-jpeg": Case(files=masked(encoded(scene(), "JPEG"))),
    "mask_invalid-gif": Case(files=masked(GIF)),
    "mask_invalid-animation": Case(files=masked(animation("PNG"))),
    "mask_invalid-pixels": Case(
        files=masked(encoded(masking((1300, 1000)), "PNG")), settings={"max_megapixels": 1}
    ),
    "mask_invalid-bytes": Case(
        files=masked(encoded(masking(), "PNG") + bytes(4 << 20)),
        settings={**AS_IT_IS, "metadata": Metadata.KEEP},
    ),
    "mask_invalid-webp": Case(files={**masked(encoded(masking(), "WEBP"))}, settings=AS_IT_IS),
    "mask_invalid-endpoint": Case(
        files=masked(encoded(masking(), "PNG")),
        faults=refusal(
            "Invalid mask image format - mask size does not match image size",
            "invalid_value",
            param="mask",
        ),
    ),
    "mask_size_mismatch": Case(files=masked(encoded(masking((40, 32)), "PNG"))),
    "image_unreadable-mask-too": Case(files=masked(b"no picture", b"none either")),
    "parameter_invalid-size": Case(**asking('size = "1000x1000"\n')),
    "parameter_invalid-size-words": Case(**asking('size = "large"\n')),
    "parameter_invalid-size-huge": Case(**asking('size = "9216x6144"\n')),
    "parameter_invalid-size-list": Case(**asking('model = "gpt-image-1"\nsize = "512x512"\n')),
    "parameter_invalid-n": Case(**asking("n = 11\n")),
    "parameter_invalid-n-zero": Case(**asking("n = 0\n")),
    "parameter_invalid-quality": Case(**asking('quality = "hihg"\n')),
    "parameter_invalid-quality-far": Case(**asking('quality = "最好"\n')),
    "parameter_invalid-compression": Case(
        **asking("output_compression = 101\noutput_format = 'jpeg'\n")
    ),
    "parameter_invalid-fidelity": Case(**asking('input_fidelity = "high"\n')),
    "parameter_invalid-mini-fidelity": Case(
        **asking('model = "gpt-image-1-mini"\ninput_fidelity = "high"\n')
    ),
    "parameter_invalid-response-format": Case(**asking('response_format = "url"\n')),
    "parameter_invalid-transparent-jpeg": Case(
        **asking('background = "transparent"\noutput_format = "jpeg"\n')
    ),
    "parameter_invalid-compressed-png": Case(**asking("output_compression = 50\n")),
    "parameter_invalid-dall-e": Case(**asking('model = "dall-e-2"\noutput_format = "webp"\n')),
    "parameter_invalid-stream": Case(**asking("[extra]\nstream = true\n")),
    "parameter_invalid-several": Case(**asking('n = 11\nsize = "1000x1000"\nquality = "best"\n')),
    "parameter_invalid-unknown-extra": Case(**asking("[extra]\nstrength = 3\n")),
    "parameter_invalid-endpoint": Case(
        files=cat(),
        faults=refusal("Unknown parameter: 'style'.", "unknown_parameter", param="style"),
    ),
    "parameter_invalid-model": Case(**asking('model = "gpt-imgae-2"\n')),
    "reference_invalid-missing": Case(
        files=with_sidecar("猫.toml", 'prompt = "蓝"\nimages = ["_底/蓝.png"]\n')
    ),
    "reference_invalid-garbage": Case(
        files=with_sidecar(
            "猫.toml", 'prompt = "蓝"\nimages = ["_底/蓝.png"]\n', **{"_底/蓝.png": b"no picture"}
        )
    ),
    "reference_invalid-animation": Case(
        files=with_sidecar(
            "猫.toml", 'prompt = "蓝"\nimages = ["_底/蓝.png"]\n', **{"_底/蓝.png": GIF}
        )
    ),
    "reference_invalid-tiff": Case(
        files=with_sidecar(
            "猫.toml", 'prompt = "蓝"\nimages = ["_底/蓝.tif"]\n', **{"_底/蓝.tif": TIFF}
        ),
        settings=AS_IT_IS,
    ),
    "reference_invalid-too-many": Case(
        files=with_sidecar(
            "猫.toml",
            'prompt = "蓝"\nimages = [' + ", ".join(f'"_底/{n}.png"' for n in range(16)) + "]\n",
            **{f"_底/{n}.png": PNG for n in range(16)},
        )
    ),
    "reference_invalid-dall-e": Case(
        files=with_sidecar(
            "猫.toml",
            'model = "dall-e-2"\nprompt = "蓝"\nimages = ["_底/蓝.png"]\n',
            **{"_底/蓝.png": PNG},
        )
    ),
    "content_policy": Case(files=cat(), faults=(Fault(kind=FaultKind.POLICY),)),
    "content_policy-azure": Case(
        files=cat(),
        faults=refusal("Your task failed as a result of our safety system.", "contentFilter"),
    ),
    "content_policy-chinese": Case(
        files=cat(), faults=refusal("输入内容包含敏感词，请修改后重试", "sensitive_words_detected")
    ),
    "content_policy-relay-500": Case(
        files=cat(), faults=refusal("提示词违规", "new_api_error", status=500)
    ),
    "refused-400": Case(files=cat(), faults=refusal("Something about this request is odd.")),
    "refused-400-silent": Case(files=cat(), faults=body("", 400)),
    "refused-422": Case(
        files=cat(),
        faults=body('{"detail": [{"loc": ["body", "image"], "msg": "Field required"}]}', 422),
    ),
    "refused-415": Case(files=cat(), faults=body('{"message": "Unsupported Media Type"}', 415)),
    "refused-full-stop": Case(files=cat(), faults=refusal("请求参数错误。\n详情：无")),
    "in_doubt-stall": Case(
        files=cat(), settings={"timeout_seconds": 60}, faults=(Fault(kind=FaultKind.STALL),)
    ),
    "in_doubt-drop": Case(files=cat(), faults=(Fault(kind=FaultKind.DROP_READ),)),
    "in_doubt-502": Case(
        files=cat(), faults=body("<html><title>502 Bad Gateway</title>", 502, "text/html")
    ),
    "in_doubt-500": Case(files=cat(), faults=(Fault(kind=FaultKind.STATUS, status=500),)),
    "in_doubt-never-again": Case(
        files=cat(),
        settings={"max_in_doubt": 0},
        faults=(Fault(kind=FaultKind.STATUS, status=500),),
    ),
    "bad_response-empty": Case(files=cat(), faults=(Fault(kind=FaultKind.EMPTY),)),
    "bad_response-garbage": Case(files=cat(), faults=(Fault(kind=FaultKind.GARBAGE),)),
    "bad_response-page": Case(files=cat(), faults=(Fault(kind=FaultKind.HTML),)),
    "bad_response-words": Case(files=cat(), faults=(Fault(kind=FaultKind.CHAT_TEXT),)),
    "bad_response-nothing": Case(files=cat(), faults=body("")),
    "bad_response-task": Case(files=cat(), faults=body('{"task_id": "7", "status": "queued"}')),
    "bad_response-error": Case(files=cat(), faults=body('{"error": {"message": "啊"}}')),
}
