"""
The body of a successful answer, as the provider writes it and in the shapes relays use instead.
"""

import base64
import json
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from retouchd.sandbox.checks import Edit
from retouchd.sandbox.faults import FaultKind
from retouchd.sandbox.painting.paint import Painted
from retouchd.sandbox.usage import usage
from retouchd.sandbox.wire import Body

NO_PICTURE = b"these bytes are no picture"
NO_BASE64 = "this is no base64: ###"
EXPIRED = "/files/expired.png"

_Link: TypeAlias = Callable[[bytes], str]

_CHATS = {
    FaultKind.CHAT,
    FaultKind.CHAT_DATA,
    FaultKind.CHAT_IMAGES,
    FaultKind.CHAT_TEXT,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """
    An edit that was made: what was asked for, what came out, and in words what was done.
    """

    edit: Edit
    painted: Painted
    done: str


def answer_body(
    result: Result,
    kind: FaultKind | None,
    link: _Link,
    right: Callable[["Result", _Link], dict[str, Any]] | None = None,
) -> Body:
    """
    Return the answer in the shape that fault wants, or the right one, which is OpenAI's or what `right` makes.

    `link` makes a picture available and returns its URL.
    """
    if kind is None and right is not None:
        return Body(
            media_type="application/json", pieces=(json.dumps(right(result, link)).encode(),)
        )
    if kind is None and result.edit.partial_images is not None:
        return Body(media_type="text/event-stream; charset=utf-8", pieces=tuple(_events(result)))
    content = json.dumps(_document(result, kind, link)).encode()
    return Body(media_type="application/json", pieces=(content,))


def _document(result: Result, kind: FaultKind | None, link: _Link) -> dict[str, Any]:
    match kind:
        case FaultKind.EMPTY:
            return {"created": int(time.time()), "data": []}
        case FaultKind.NO_DATA:
            return {"created": int(time.time())}
        case FaultKind.TASK:
            return {"code": 200, "data": {"task_id": uuid.uuid4().hex, "status": "submitted"}}
        case chat if chat in _CHATS:
            return _chat(result, chat, link)
        case _:
            return _images(result, kind, link)


def _images(result: Result, kind: FaultKind | None, link: _Link) -> dict[str, Any]:
    edit = result.edit
    note = {"revised_prompt": f"[retouchd sandbox, no AI] {result.done}"}
    data = [_entry(edit, picture, kind, link) | note for picture in result.painted.pictures]
    answer: dict[str, Any] = {"created": int(time.time()), "data": data}
    if not edit.model.is_gpt:
        return answer
    return answer | _facts(result) | {"usage": usage_of(result, edit.n)}


def _entry(edit: Edit, picture: bytes, kind: FaultKind | None, link: _Link) -> dict[str, str]:
    if kind in _ODD_URLS:
        return {"url": _ODD_URLS[kind](link(picture))}
    if kind in _ODD_BASE64:
        return {"b64_json": _ODD_BASE64[kind](edit, picture, link)}
    return {"url": link(picture)} if edit.as_url else {"b64_json": _base64(picture)}


def _events(result: Result) -> Iterator[bytes]:
    """
    Yield the events of a stream: of each picture its drafts, then the picture with what it cost.
    """
    facts = _facts(result) | {"created_at": int(time.time())}
    for picture, drafts in zip(result.painted.pictures, result.painted.partials, strict=True):
        for index, draft in enumerate(drafts):
            yield _event("partial_image", draft, facts | {"partial_image_index": index})
        cost = usage_of(result, 1)
        del cost["output_tokens_details"]
        yield _event("completed", picture, facts | {"usage": cost})


def _event(name: str, picture: bytes, facts: dict[str, Any]) -> bytes:
    kind = f"image_edit.{name}"
    data = json.dumps({"type": kind, "b64_json": _base64(picture), **facts})
    return f"event: {kind}\ndata: {data}\n\n".encode()


def _facts(result: Result) -> dict[str, Any]:
    edit, painted = result.edit, result.painted
    facts = {
        "background": painted.background,
        "output_format": edit.output_format,
        "quality": edit.quality,
        "size": f"{painted.width}x{painted.height}",
    }
    if edit.safety_identifier is not None:
        facts["safety_identifier"] = edit.safety_identifier
    return facts


def usage_of(result: Result, n: int | None = None) -> dict[str, Any]:
    """
    Return the tokens that a result is billed with, `n` of its pictures or all that were asked for.
    """
    edit, painted = result.edit, result.painted
    return usage(
        edit.model,
        prompt=edit.prompt,
        inputs=[(look.width, look.height) for look in edit.uploads.looks],
        output=(painted.width, painted.height),
        quality=edit.quality,
        fidelity=edit.input_fidelity,
        n=edit.n if n is None else n,
        partials=edit.partial_images or 0,
    )


def _chat(result: Result, kind: FaultKind, link: _Link) -> dict[str, Any]:
    edit, pictures = result.edit, result.painted.pictures
    inlined = [_inline(edit, picture) for picture in pictures]
    message: dict[str, Any] = {"role": "assistant", "content": "Here is your picture."}
    match kind:
        case FaultKind.CHAT:
            message["content"] = _shown(link(picture) for picture in pictures)
        case FaultKind.CHAT_DATA:
            message["content"] = _shown(inlined)
        case FaultKind.CHAT_IMAGES:
            message["images"] = [
                {"type": "image_url", "image_url": {"url": one}} for one in inlined
            ]
        case _:
            message["content"] = "I'm sorry, I cannot edit this picture. 抱歉，我无法编辑这张图片。"
    prompt, words = len(edit.prompt), len(message["content"].split())
    return {
        "id": f"chatcmpl-{uuid.uuid4().hex}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": edit.model.id,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {
            "prompt_tokens": prompt,
            "completion_tokens": words,
            "total_tokens": prompt + words,
        },
    }


def _shown(links: Iterator[str] | list[str]) -> str:
    return "\n".join(["Here is your picture:", "", *(f"![image]({one})" for one in links)])


def _inline(edit: Edit, picture: bytes) -> str:
    return f"data:image/{edit.output_format};base64,{_base64(picture)}"


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


_ODD_URLS: dict[FaultKind | None, Callable[[str], str]] = {
    FaultKind.URL: str,
    FaultKind.URL_RELATIVE: lambda url: urlsplit(url).path,
    FaultKind.URL_EXPIRED: lambda url: urlsplit(url)._replace(path=EXPIRED).geturl(),
}
_ODD_BASE64: dict[FaultKind | None, Callable[[Edit, bytes, _Link], str]] = {
    FaultKind.URL_IN_B64: lambda _edit, picture, link: link(picture),
    FaultKind.DATA_PREFIX: lambda edit, picture, _link: _inline(edit, picture),
    FaultKind.GARBAGE: lambda _edit, _picture, _link: _base64(NO_PICTURE),
    FaultKind.NOT_BASE64: lambda _edit, _picture, _link: NO_BASE64,
}
