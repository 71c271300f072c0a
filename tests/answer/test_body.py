"""
What a successful answer holds, in every shape relays were seen to send.
"""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retouchd.answer.body import AnswerFault, Inline, Link, read_answer

JPEG = "/9j/4AAQSkZJRgABAQ=="
PNG = "iVBORw0KGgoAAAANSUhEUg=="


def images(*items: Any) -> dict[str, Any]:
    return {"created": 1, "data": list(items)}


def chat(message: dict[str, Any]) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": "stop"}
    return {"id": "c", "object": "chat.completion", "created": 1, "choices": [choice]}


def said(text: str) -> dict[str, Any]:
    return chat({"content": text})


SHAPES = {
    "base64": (images({"b64_json": PNG}), [Inline(PNG)]),
    "base64 of a JPEG, which begins like a path": (images({"b64_json": JPEG}), [Inline(JPEG)]),
    "two equal pictures are two": (images({"b64_json": PNG}, {"b64_json": PNG}), [Inline(PNG)] * 2),
    "base64 broken into lines": (images({"b64_json": "iVBO\r\nRw0K\n"}), [Inline("iVBORw0K")]),
    "data URI as base64": (images({"b64_json": f"data:image/png;base64,{PNG}"}), [Inline(PNG)]),
    "URL as base64": (images({"b64_json": "https://cdn.x/a"}), [Link("https://cdn.x/a")]),
    "data URI as URL": (images({"url": f"data:image/png;base64,{PNG}"}), [Inline(PNG)]),
    "URL": (images({"url": "https://cdn.x/a?s=1"}), [Link("https://cdn.x/a?s=1")]),
    "path": (images({"url": "/v1/images/7/content"}), [Link("/v1/images/7/content")]),
    "path without a slash": (images({"url": "images/7.png"}), [Link("images/7.png")]),
    "file URL, to be refused by name": (images({"url": "file:///etc"}), [Link("file:///etc")]),
    "both": (images({"b64_json": PNG, "url": "https://cdn.x/a"}), [Inline(PNG)]),
    "empty base64 beside a URL": (
        images({"b64_json": "", "url": "https://cdn.x/a"}),
        [Link("https://cdn.x/a")],
    ),
    "null base64 beside a URL": (
        images({"b64_json": None, "url": "https://cdn.x/a"}),
        [Link("https://cdn.x/a")],
    ),
    "one object instead of a list": ({"data": {"b64_json": PNG}}, [Inline(PNG)]),
    "images instead of data": ({"images": [{"url": "https://x/a"}]}, [Link("https://x/a")]),
    "strings instead of objects": (
        images("https://cdn.x/a.png", PNG),
        [Link("https://cdn.x/a.png"), Inline(PNG)],
    ),
    "Markdown picture": (said("Done\n![image](https://x/a.png)"), [Link("https://x/a.png")]),
    "Markdown picture without an extension": (said("![](https://x/a)"), [Link("https://x/a")]),
    "Markdown picture with a title": (said('![i](https://x/a "t")'), [Link("https://x/a")]),
    "the same picture shown twice": (
        said("![a](https://x/a.png) ![b](https://x/a.png)"),
        [Link("https://x/a.png")],
    ),
    "progress links before the picture": (
        said(
            "[12%](https://x/p.png)\n> 进度 50%\n![image](https://x/a.png)\n[下载](https://x/b.png)"
        ),
        [Link("https://x/a.png")],
    ),
    "data URI in Markdown": (said(f"![image](data:image/png;base64,{PNG})"), [Inline(PNG)]),
    "bare data URI": (said(f"data:image/jpeg;base64,{JPEG}"), [Inline(JPEG)]),
    "bare links: the last": (
        said("预览 https://x/p.png 完成 https://x/a.webp?sig=%2F1."),
        [Link("https://x/a.webp?sig=%2F1")],
    ),
    "bare link before a full stop": (said("见 https://x/a.jpeg。"), [Link("https://x/a.jpeg")]),
    "content in parts": (
        chat(
            {
                "content": [
                    {"type": "text", "text": "here"},
                    {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
                    {"type": "image_url", "image_url": "https://x/a"},
                ]
            }
        ),
        [Inline(PNG), Link("https://x/a")],
    ),
    "shown in HTML": (
        said('<p>Done</p><img width="64" src="https://x/a?k=1">'),
        [Link("https://x/a?k=1")],
    ),
    "pictures beside the content": (
        chat({"content": "", "images": [{"image_url": {"url": "https://x/a"}}]}),
        [Link("https://x/a")],
    ),
}


LINK = "https://cdn.x/a?sign=1"
ONE = [
    "signed_url",
    "public_url",
    "cdn_url",
    "download_link",
    "image_link",
    "photo_url",
    "picUrl",
    "result_image_url",
    "generatedImageUrl",
    "output_image",
]
MANY = ["urls", "output_urls", "resultUrls", "image_url_list", "final_image_list"]
NAMED: dict[str, Any] = {
    "MiniMax": {"id": "1", "data": {"image_urls": [LINK]}, "base_resp": {"status_code": 0}},
    "Volcengine": {"code": 10000, "data": {"binary_data_base64": [], "image_urls": [LINK]}},
    "Black Forest": {"id": "1", "status": "Ready", "result": {"sample": LINK}},
    "Hunyuan": {"Response": {"ResultImage": [LINK], "ResultDetails": ["Success"]}},
    "Freepik": {"data": {"task_id": "1", "status": "COMPLETED", "generated": [LINK]}},
    "Luma": {"id": "1", "state": "completed", "assets": {"image": LINK}},
    "Replicate": {
        "status": "succeeded",
        "input": {"image_url": "https://x/in.png"},
        "output": LINK,
        "urls": {"get": "https://api.x/1", "cancel": "https://api.x/1/cancel"},
    },
    "a list of a language that has none": {"images": {"0": {"url": LINK}}},
    **{name: {"code": 0, "data": {name: LINK}} for name in ONE},
    **{name: {"code": 0, "data": {name: [LINK]}} for name in MANY},
}


@pytest.mark.parametrize("document", NAMED.values(), ids=NAMED)
def test_a_url_is_a_pictures_by_any_name_that_says_so(document: Any) -> None:
    """
    Without a name of a file in it: what lies there is paid for, and bought again if it is not found.
    """
    reply = read_answer(json.dumps(document).encode())

    assert reply.pictures == (Link(LINK),)


NOT_NAMED: dict[str, Any] = {
    "where a task stands": {"id": "1", "urls": {"get": LINK, "cancel": LINK}},
    "a ticket's own": {"status": "queued", "task_id": "1", "url": LINK},
    "what was sent": {"data": {"input_image_url": LINK, "original_url": LINK, "image_urls": []}},
    "a draft": {"data": {"preview_url": LINK, "thumb_urls": [LINK], "previewImageUrls": [LINK]}},
    "whom to tell": {"data": {"webhook_url": LINK, "callback_url": LINK, "status_url": LINK}},
    "a person's": {"data": {"avatar_url": LINK, "profile_link": LINK}},
}


@pytest.mark.parametrize("document", NOT_NAMED.values(), ids=NOT_NAMED)
def test_other_urls_are_left_alone(document: Any) -> None:
    """
    Nothing is fetched that is said to be something else.
    """
    reply = read_answer(json.dumps(document).encode())

    assert reply.found == ()


@pytest.mark.parametrize(("document", "pictures"), SHAPES.values(), ids=SHAPES.keys())
def test_pictures_are_found_in_every_known_shape(
    document: dict[str, Any], pictures: list[Inline | Link]
) -> None:
    """
    Each shape yields its pictures in order and no fault.
    """
    reply = read_answer(json.dumps(document).encode())

    assert list(reply.pictures) == pictures
    assert reply.fault is None
    assert reply.text is None


FAULTS = {
    "nothing": (b"", AnswerFault.EMPTY, None),
    "white space": (b" \r\n", AnswerFault.EMPTY, None),
    "page": (
        b"<!DOCTYPE html><title>Hi</title>",
        AnswerFault.HTML,
        "<!DOCTYPE html><title>Hi</title>",
    ),
    "page after a blank line": (b"\n<html>", AnswerFault.HTML, "<html>"),
    "plain text": (b"upstream said no", AnswerFault.NOT_JSON, "upstream said no"),
    "Chinese": ("上游没有图片".encode(), AnswerFault.NOT_JSON, "上游没有图片"),
    "noise": (bytes(range(256)) * 40, AnswerFault.NOT_JSON, None),
    "cut short": (b'{"created":1,"data":[{', AnswerFault.NOT_JSON, '{"created":1,"data":[{'),
    "number": (b"7", AnswerFault.NO_PICTURE, None),
    "no data": (b'{"created":1}', AnswerFault.NO_PICTURE, None),
    "empty data": (b'{"created":1,"data":[]}', AnswerFault.NO_PICTURE, None),
    "null data": (b'{"created":1,"data":null}', AnswerFault.NO_PICTURE, None),
    "chat": (
        json.dumps(said("I can't draw that")).encode(),
        AnswerFault.NO_PICTURE,
        "I can't draw that",
    ),
    "chat in parts": (
        json.dumps(chat({"content": [{"type": "text", "text": "no"}, 7]})).encode(),
        AnswerFault.NO_PICTURE,
        "no",
    ),
    "error": (b'{"error":{"message":"quota"}}', AnswerFault.ERROR, "quota"),
    "error as text": (b'{"error":"quota"}', AnswerFault.ERROR, "quota"),
    "ticket": (
        b'{"code":200,"data":[{"status":"submitted","task_id":"t"}]}',
        AnswerFault.ASYNCHRONOUS,
        None,
    ),
    "ticket in an object": (b'{"data":{"task_id":"t"}}', AnswerFault.ASYNCHRONOUS, None),
    "ticket by its state": (b'{"id":"t","status":"Processing"}', AnswerFault.ASYNCHRONOUS, None),
    "only partial events": (
        b'event: image_edit.partial_image\ndata: {"type":"image_edit.partial_image","b64_json":"iV"}\n\n',
        AnswerFault.NO_PICTURE,
        None,
    ),
}


@pytest.mark.parametrize(("body", "fault", "text"), FAULTS.values(), ids=FAULTS.keys())
def test_an_answer_without_a_picture_says_why(
    body: bytes, fault: AnswerFault, text: str | None
) -> None:
    """
    Success without a picture names its fault and keeps the words that came instead.
    """
    reply = read_answer(body)

    assert reply.pictures == ()
    assert reply.fault is fault
    assert reply.text == text


def test_words_instead_of_a_picture_are_kept_short() -> None:
    """
    Of a long refusal the first 500 characters are kept.
    """
    reply = read_answer(json.dumps(said("不" * 900)).encode())

    assert reply.text == "不" * 500


@pytest.mark.parametrize(
    "document",
    [
        images({"b64_json": PNG}) | {"usage": {"total_tokens": 7}},
        said("no") | {"usage": {"total_tokens": 7}},
    ],
)
def test_usage_is_read_with_or_without_a_picture(document: dict[str, Any]) -> None:
    """
    The endpoint's own count is there for the ledger, whatever the shape.
    """
    assert read_answer(json.dumps(document).encode()).usage == {"total_tokens": 7}


def test_a_streamed_answer_counts_when_it_is_complete() -> None:
    """
    Of a stream of events the finished picture is taken, previews are not.
    """
    stream = (
        "event: image_edit.partial_image\n"
        f'data: {{"type":"image_edit.partial_image","b64_json":"{JPEG}"}}\n\n'
        "event: image_edit.completed\n"
        f'data: {{"type":"image_edit.completed","b64_json":"{PNG}","usage":{{"total_tokens":7}}}}\n\n'
        "data: [DONE]\n\n"
    )

    reply = read_answer(stream.encode())

    assert reply.pictures == (Inline(PNG),)
    assert reply.usage == {"total_tokens": 7}


@pytest.mark.parametrize("mark", [b"\xef\xbb\xbf", b"\r\n  "])
def test_what_stands_before_the_json_does_no_harm(mark: bytes) -> None:
    """
    A byte order mark or blank lines before the answer are passed over.
    """
    assert read_answer(mark + json.dumps(images({"b64_json": PNG})).encode()).fault is None


def test_half_a_character_in_a_caption_does_not_lose_the_picture() -> None:
    """
    A lone surrogate in a revised prompt is not the picture's fault.
    """
    body = f'{{"data":[{{"b64_json":"{PNG}","revised_prompt":"\\ud83d"}}]}}'

    assert read_answer(body.encode()).pictures == (Inline(PNG),)


@pytest.mark.parametrize(
    "text",
    [
        "![" * 400_000,
        "<img " * 200_000,
        "<img src=" * 100_000,
        "http://" * 200_000,
        "data:image/" * 100_000,
        "![](" * 300_000,
    ],
)
@pytest.mark.timeout(60)
def test_hostile_words_are_read_in_linear_time(text: str) -> None:
    """
    A megabyte of beginnings without ends is read in no time.
    """
    read_answer(json.dumps(said(text)).encode())


shapes = ["data", "b64_json", "url", "images", "image_url", "choices", "message", "content", "text"]
keys = st.sampled_from([*shapes, "type", "usage", "error", "task_id", "status", "detail"])
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from(
        [PNG, "/x", "https://x/a.png", "![](https://x)", "data:,", "data:image/png;base64,AA"]
    )
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=12,
)


@given(st.binary(max_size=300) | values.map(lambda value: json.dumps(value).encode()))
def test_no_answer_is_too_strange_to_be_read(body: bytes) -> None:
    """
    Any bytes yield a reply: pictures, or a fault.
    """
    reply = read_answer(body)

    assert (reply.fault is None) == bool(reply.pictures)
    for picture in reply.pictures:
        assert not isinstance(picture, Inline) or picture.data
