"""
The body of a successful answer, as the provider writes it and in the shapes relays use instead.
"""

import base64
import time
import uuid
from collections.abc import Callable
from typing import Any

from retouchd.sandbox.checks import Edit
from retouchd.sandbox.faults import FaultKind
from retouchd.sandbox.paint import Painted
from retouchd.sandbox.usage import usage

NO_PICTURE = b"these bytes are no picture"


def answer_body(
    edit: Edit,
    painted: Painted,
    *,
    kind: FaultKind | None,
    done: str,
    link: Callable[[bytes], str],
) -> dict[str, Any]:
    """
    Return the JSON body of an edit that was made, in the shape that fault wants, or the right one.

    `done` names what was done to the picture; `link` makes a picture available and returns its URL.
    """
    match kind:
        case FaultKind.CHAT:
            links = "\n".join(f"![image]({link(picture)})" for picture in painted.pictures)
            return _chat(edit, f"Here is your picture:\n\n{links}")
        case FaultKind.CHAT_DATA:
            links = "\n".join(f"![image]({_inline(edit, one)})" for one in painted.pictures)
            return _chat(edit, f"Here is your picture:\n\n{links}")
        case FaultKind.CHAT_TEXT:
            return _chat(edit, "I'm sorry, I cannot edit this picture. 抱歉，我无法编辑这张图片。")
        case FaultKind.EMPTY:
            return {"created": int(time.time()), "data": []}
        case _:
            return _images(edit, painted, kind, done, link)


def _images(
    edit: Edit,
    painted: Painted,
    kind: FaultKind | None,
    done: str,
    link: Callable[[bytes], str],
) -> dict[str, Any]:
    note = {"revised_prompt": f"[retouchd sandbox, no AI] {done}"}
    data = [_entry(edit, picture, kind, link) | note for picture in painted.pictures]
    answer: dict[str, Any] = {"created": int(time.time()), "data": data}
    if not edit.model.is_gpt:
        return answer
    return answer | {
        "background": painted.background,
        "output_format": edit.output_format,
        "quality": edit.quality,
        "size": f"{painted.width}x{painted.height}",
        "usage": _usage(edit, painted),
    }


def _entry(
    edit: Edit, picture: bytes, kind: FaultKind | None, link: Callable[[bytes], str]
) -> dict[str, str]:
    match kind:
        case FaultKind.URL:
            return {"url": link(picture)}
        case FaultKind.DATA_PREFIX:
            return {"b64_json": _inline(edit, picture)}
        case FaultKind.GARBAGE:
            return {"b64_json": _base64(NO_PICTURE)}
        case _ if edit.as_url:
            return {"url": link(picture)}
        case _:
            return {"b64_json": _base64(picture)}


def _usage(edit: Edit, painted: Painted) -> dict[str, Any]:
    return usage(
        edit.model,
        prompt=edit.prompt,
        inputs=[(look.width, look.height) for look in edit.uploads.looks],
        output=(painted.width, painted.height),
        quality=edit.quality,
        fidelity=edit.input_fidelity,
        n=edit.n,
    )


def _chat(edit: Edit, content: str) -> dict[str, Any]:
    prompt, words = len(edit.prompt), len(content.split())
    return {
        "id": f"chatcmpl-{uuid.uuid4().hex}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": edit.model.id,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": content},
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": prompt,
            "completion_tokens": words,
            "total_tokens": prompt + words,
        },
    }


def _inline(edit: Edit, picture: bytes) -> str:
    return f"data:image/{edit.output_format};base64,{_base64(picture)}"


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
