"""
Structured sidecars: three notations of one tree, and nothing that lies in the inbox harms the reader.
"""

import codecs
import json
import time
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from retouchd.request import yaml_text
from retouchd.request.edit_reader import read_edit
from retouchd.request.formats import MAX_TREE_BYTES, Notation, notation_of, parse_tree
from retouchd.request.sidecar_tree import MAX_DEPTH, NotationFault

JARGON = ("Error", "token", "scalar", "mapping", "parse", "anchor", "alias", "None", "Expect", "\n")
TREE = {
    "prompt": "把背景改成“蓝色”",
    "n": 2,
    "extra": {"strength": 0.5, "hd": True},
    "images": ["a", "b"],
}
SAME = {
    Notation.TOML: """
        prompt = "把背景改成“蓝色”"   # 背景
        n = 2
        images = ["a", "b"]
        [extra]
        strength = 0.5
        hd = true
    """,
    Notation.JSON: """
        {"prompt": "把背景改成“蓝色”", "n": 2, "images": ["a", "b"],
         "extra": {"strength": 0.5, "hd": true}}
    """,
    Notation.YAML: """
prompt: 把背景改成“蓝色”
# 背景
n: 2
images:
  - a
  - "b"
extra: {strength: 0.5, hd: true}
""",
}
SIGNS = st.characters(exclude_categories=["Cc", "Cs"])
SCALARS = (
    st.booleans()
    | st.integers(-(2**62), 2**62)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(SIGNS)
)
TREES = st.dictionaries(
    st.text(SIGNS),
    st.recursive(
        SCALARS,
        lambda inner: st.lists(inner) | st.dictionaries(st.text(SIGNS), inner),
        max_leaves=8,
    ),
)


@pytest.fixture(params=["CSafeLoader", "SafeLoader"])
def _each_loader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    loader = getattr(yaml, request.param, None)
    if loader is None:
        pytest.skip("this build of the library has one loader")
    monkeypatch.setattr(yaml_text, "_LOADER", loader)


def fault(text: str | bytes, notation: Notation, fallback: str | None = None) -> str:
    raw = text.encode() if isinstance(text, str) else text
    with pytest.raises(NotationFault) as caught:
        parse_tree(raw, notation, fallback)
    return str(caught.value)


def assert_plain(sentence: str) -> None:
    assert sentence.endswith(".")
    assert len(sentence) < 120
    assert [word for word in JARGON if word in sentence] == []


@pytest.mark.parametrize("notation", Notation)
def test_three_notations_say_the_same(notation: Notation) -> None:
    """
    Whoever prefers which: the same keys and values make the same tree.
    """
    assert parse_tree(SAME[notation].encode(), notation) == TREE


@pytest.mark.parametrize("notation", Notation)
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_the_encodings_of_prompts_are_read(notation: Notation, encoding: str) -> None:
    """
    Notepad's marks and UTF-16 are as good as UTF-8, with any line ends.
    """
    text = SAME[notation].replace("\n", "\r\n")

    assert parse_tree(text.encode(encoding), notation) == TREE


@pytest.mark.parametrize("notation", Notation)
def test_a_chinese_windows_gb18030_is_read_where_it_is_meant(notation: Notation) -> None:
    """
    By `intake.text_encoding`, or on a machine whose language is Chinese; elsewhere it is shown, not guessed.
    """
    raw = SAME[notation].encode("gb18030")

    assert parse_tree(raw, notation, "gb18030") == TREE
    assert parse_tree(raw, notation, is_chinese=True) == TREE
    assert "in gb18030" in fault(raw, notation)


@pytest.mark.parametrize("notation", Notation)
@pytest.mark.parametrize(
    ("raw", "what"),
    [
        (rb"{\rtf1\ansi prompt = blue}", "rich text"),
        (b"<!DOCTYPE html><html><body>prompt: blue", "web page"),
        (b"PK\x03\x04word/document.xml", "office document"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0\0", "office document"),
        ("{\\rtf1 blue}".encode("utf-16"), "rich text"),
        (b"%PDF-1.4", "PDF"),
    ],
)
def test_a_document_is_named_as_such(notation: Notation, raw: bytes, what: str) -> None:
    """
    A sidecar that TextEdit saved as rich text is no fault of a bracket in line 1.
    """
    assert what in fault(raw, notation)


CUT = [
    "prompt: Make the sky #ff66aa and the sea calm",
    "prompt: #ff66aa for the sky\nn: 1",
    "prompt: Make\n  the sky #ff66aa\nn: 1",
    "prompt: Make the sky\n  #ff66aa\nn: 1",
    "prompt: Make it blue\n\n #1 at first",
    "prompt: Make it blue\t#1",
    "{prompt: Make the sky #ff66aa\n}",
    "prompt:\n  # sky\n  Make it blue",
    '"prompt": Make the sky #ff66aa',
    "n: 1\nprompt: 把天空改成 #粉红色",
    "prompt: 😀😀 #1",
    "prompt: ~ # later",
    "edit:\n  prompt: Make the sky #ff66aa",
]
UNCUT = {
    "prompt: Make the sky#ff66aa": "Make the sky#ff66aa",
    'prompt: "Make the sky #ff66aa" # pink': "Make the sky #ff66aa",
    "prompt: 'Make it #1' # pink": "Make it #1",
    "prompt: | # pink\n  Make the sky #ff66aa\n": "Make the sky #ff66aa\n",
    "prompt: >-\n  Make the sky\n  #ff66aa\n# pink": "Make the sky #ff66aa",
    "prompt: Make it blue\n# pink\nn: 1": "Make it blue",
    "# pink\nprompt: Make it blue\nn: 1 # one": "Make it blue",
    "prompt: 😀😀\n# pink": "😀😀",
    "prompt: Make it blue\n\n# pink": "Make it blue",
}


@pytest.mark.usefixtures("_each_loader")
@pytest.mark.parametrize("text", CUT)
def test_a_comment_never_cuts_off_a_prompt_without_quotes(text: str) -> None:
    """
    A colour behind a space is a comment in YAML: half the prompt would be sent and paid for.
    """
    found = fault(text, Notation.YAML)

    assert "# begins a comment" in found
    assert "quotes" in found


@pytest.mark.usefixtures("_each_loader")
@pytest.mark.parametrize(("text", "prompt"), UNCUT.items())
def test_comments_elsewhere_are_comments(text: str, prompt: str) -> None:
    """
    Behind quotes, at a block's head, on lines of their own and behind other keys nothing is cut off.
    """
    assert parse_tree(text.encode(), Notation.YAML)["prompt"] == prompt


WORDS = {
    "yes": "yes",
    "No": "No",
    "off": "off",
    "2024-01-01": "2024-01-01",
    "12:30:45": "12:30:45",
    "0x1F": "0x1F",
    "1_000": "1_000",
    "=": "=",
    "Make it blue, and calm": "Make it blue, and calm",
    "C:\\new": "C:\\new",
}


@pytest.mark.usefixtures("_each_loader")
@pytest.mark.parametrize(("word", "prompt"), WORDS.items())
def test_a_prompt_without_quotes_is_what_is_written(word: str, prompt: str) -> None:
    """
    YAML's words for truth, dates and odd numbers are text.
    """
    assert parse_tree(f"prompt: {word}\n".encode(), Notation.YAML) == {"prompt": prompt}


@pytest.mark.usefixtures("_each_loader")
@pytest.mark.parametrize(
    "word",
    [
        "null",
        "~",
        "",
        "true",
        "False",
        "42",
        "4.5",
        "[blue] sky",
        "[blue, sky]",
        "{sky}",
        "&sky blue",
        "*sky",
        "!sky blue",
        "Make it: blue",
        "@sky",
        "`sky`",
        "%sky",
        "- blue",
        "? blue",
        '"Make" it blue',
        "blue:",
        "|blue",
    ],
)
def test_whatever_else_yaml_makes_of_a_prompt_is_refused(word: str) -> None:
    """
    Nothing but a text is a prompt, and nothing of it is dropped without a word.
    """
    try:
        tree = parse_tree(f"prompt: {word}\n".encode(), Notation.YAML)
    except NotationFault:
        return
    assert isinstance(read_edit(tree), list)


def test_the_operator_may_name_the_encoding() -> None:
    """
    What is no UTF-8 is read as `intake.text_encoding` says, and not without it.
    """
    raw = 'prompt = "café"'.encode("latin-1")

    assert parse_tree(raw, Notation.TOML, "latin-1") == {"prompt": "café"}
    assert "UTF-8" in fault(raw, Notation.TOML)


@pytest.mark.parametrize(
    ("extension", "notation"),
    [
        ("toml", Notation.TOML),
        (".JSON", Notation.JSON),
        ("yml", Notation.YAML),
        (".yaml", Notation.YAML),
    ],
)
def test_the_extension_names_the_notation(extension: str, notation: Notation) -> None:
    """
    With or without its dot, in any case; yml is YAML.
    """
    assert notation is notation_of(extension)


@pytest.mark.usefixtures("_each_loader")
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("Off", "Off"),
        ("true", True),
        ("FALSE", False),
        ("1024:768", "1024:768"),
        ("10:20:30", "10:20:30"),
        ("0777", "0777"),
        ("0x1f", "0x1f"),
        ("1_000", "1_000"),
        ("1e5", "1e5"),
        ("2", 2),
        ("-3", -3),
        ("0.5", 0.5),
        ("1.0e+3", 1000.0),
        ("2020-01-01", "2020-01-01"),
        ('"2"', "2"),
        ("", None),
        ("~", None),
        ("50% blue", "50% blue"),
        ("|\n  蓝色\n  背景", "蓝色\n背景"),
    ],
)
def test_a_plain_word_of_yaml_is_what_it_looks_like(text: str, value: object) -> None:
    """
    `no` is a prompt, 1024:768 a size and a date text; only true and false are booleans.
    """
    found = parse_tree(f"v: {text}".encode(), Notation.YAML)["v"]

    assert value == found
    assert type(value) is type(found)


@pytest.mark.parametrize(
    ("notation", "text"),
    [
        (Notation.TOML, ""),
        (Notation.TOML, "# later\n"),
        (Notation.YAML, ""),
        (Notation.YAML, "# later\n"),
        (Notation.YAML, "---\n"),
        (Notation.JSON, "{}"),
    ],
)
def test_a_file_may_say_nothing(notation: Notation, text: str) -> None:
    """
    An `_edit` file of comments alone sets nothing.
    """
    assert parse_tree(text.encode(), notation) == {}


T, J, Y = Notation.TOML, Notation.JSON, Notation.YAML
WRONG = [
    (T, "n = 1\nprompt = 蓝色", "line 2", "quotes"),
    (T, "prompt = “蓝色”", "line 1", "straight"),
    (T, "prompt: blue", "line 1", "= is missing"),
    (T, 'prompt = "blue\nsky"', "line 1", '"""'),
    (T, 'prompt = "C:\\q"', "line 1", "backslash"),
    (T, "n = 1\nn = 2", "line 2", "twice"),
    (T, "extra = {a = 1, a = 2}", "line 1", "twice"),
    (T, 'prompt = """blue', "line 1", "closed"),
    (T, 'images = ["a"\n', "bracket"),
    (T, "n = 1 size = 2", "line 1", "follows"),
    (T, '[extra]\n[extra]\nx = "y"', "line 2", "twice"),
    (T, "a = 2020-01-01", "a is a date", "quotes"),
    (T, "a = [07:32:00]", "a is a date", "quotes"),
    (T, "a = nan", "a is not a number"),
    (T, "a = -inf", "a is not a number"),
    (T, "a = 1e999", "a is not a number"),
    (T, "a = 9223372036854775808", "a is too large"),
    (T, "a = " + "1" * 5000, "digits"),
    (T, "a = 0x" + "f" * 5000, "a is too large"),
    (T, 'a = "\\u0000"', "a holds a control character"),
    (J, "", "empty"),
    (J, " \n", "empty"),
    (J, "[1]", "no keys"),
    (J, '"prompt"', "no keys"),
    (J, '{"a": 1,\n "a": 2}', "a stands in the file twice"),
    (J, '{"size": 1, "\\u0073ize": 2}', "size stands in the file twice"),
    (J, '{"extra": {"a": 1, "a": 1}}', "a stands in the file twice"),
    (J, '{"a":\n blue}', "line 2", "quotes"),
    (J, "{'a': 1}", "line 1", "quotes"),
    (J, '{"a": 1 "b": 2}', "line 1", "comma"),
    (J, '{"a": 1,}', "line 1", "comma"),
    (J, '{"a" 1}', "line 1", "colon"),
    (J, '{"a": "b', "line 1", "closed"),
    (J, '{"a": "b\nc"}', "line 1", "\\n"),
    (J, '{"a": "C:\\q"}', "line 1", "backslash"),
    (J, '{"a": 1}}', "line 1", "closing bracket"),
    (J, '{"a": NaN}', "NaN is not a number"),
    (J, '{"a": -Infinity}', "-Infinity is not a number"),
    (J, '{"a": 1e999}', "a is not a number"),
    (J, '{"a": ' + "1" * 5000 + "}", "digits"),
    (J, '{"a": "\\ud800"}', "a holds a control character"),
    (J, '{"\\u0007": 1}', "the name of a key"),
    (J, "\0{}", "control character"),
    (Y, "prompt: Change: blue", "line 1", "colon"),
    (Y, "prompt：蓝色", "no keys", "plain colon"),
    (Y, "- a\n- b", "no keys"),
    (Y, "n: 1\nn: 2", "line 2", "n stands in the file twice"),
    (Y, 'n: 1\n"\\u006e": 2', "line 2", "n stands in the file twice"),
    (Y, "prompt: @home", "line 1", "quotes"),
    (Y, "a:\n\tb: 1", "line 2", "tab"),
    (Y, "a: 'b", "closed"),
    (Y, "a: [1, 2", "bracket"),
    (Y, 'a: "C:\\q"', "line 1", "backslash"),
    (Y, 'a: "b" c', "line 1", "quote"),
    (Y, "a: 1\n---\nb: 2", "line 2", "second document"),
    (Y, "a: &x b\nc: *x", "line 1", "quotes"),
    (Y, "&x a: b", "line 1", "quotes"),
    (Y, "a: !!python/object/apply:os.system [ls]", "line 1", "!"),
    (Y, "a: !!int '3'", "line 1", "!"),
    (Y, "! a: b", "line 1", "!"),
    (Y, "<<: {n: 1}", "line 1", "<<"),
    (Y, "? [a]\n: b", "line 1", "key must be text"),
    (Y, "a: .nan", "line 1", "not a number"),
    (Y, "a: -.INF", "line 1", "not a number"),
    (Y, "a: 1.0e+999", "a is not a number"),
    (Y, "a: 9223372036854775808", "a is too large"),
    (Y, "a: " + "1" * 5000, "line 1", "too large"),
    (Y, 'a: "\\0"', "a holds a control character"),
    (Y, "a: b\x1b[0m", "control character"),
]


@pytest.mark.usefixtures("_each_loader")
@pytest.mark.parametrize(
    ("notation", "text", "parts"), [(n, t, p) for n, t, *p in WRONG], ids=range(len(WRONG))
)
def test_a_fault_says_where_and_what(notation: Notation, text: str, parts: list[str]) -> None:
    """
    One plain sentence: the line or the key, and what is to be done about it.
    """
    found = fault(text, notation)

    assert_plain(found)
    assert [part for part in parts if part not in found] == []


HOSTILE = [
    (T, "a = " + "[" * 100_000),
    (T, "a = " + "{a=" * 60_000),
    (T, ".".join("a" * 100_000) + " = 1"),
    (T, "[" + ".".join(['"a"'] * 60_000) + "]"),
    (J, "[" * 100_000),
    (J, '{"a":' * 50_000),
    (Y, "[" * 100_000),
    (Y, "a: " + "[" * 100_000),
    (Y, "- " * 100_000),
    (Y, "{a: " * 60_000),
    (Y, "".join(f"{' ' * depth}a:\n" for depth in range(600))),
    (Y, "? " * 100_000),
    (Y, "a: &a [x]\n" + "".join(f"a{i}: &a{i} [*a,*a,*a,*a]\n" for i in range(9))),
]


@pytest.mark.parametrize(("notation", "text"), HOSTILE, ids=range(len(HOSTILE)))
def test_what_is_made_to_hurt_is_refused_at_once(notation: Notation, text: str) -> None:
    """
    Brackets without end, keys of a hundred thousand parts and a billion laughs cost no more than their size.
    """
    began = time.process_time()

    assert_plain(fault(text, notation))
    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    ("notation", "text"),
    [
        (T, 'a = """' + "[[[{{{" * 20 + '..."' * 20 + '"""'),
        (T, "a = '''" + "[[[{{{" * 20 + "'''"),
        (T, 'a = "' + '[[\\"[{{' * 20 + '" # ' + "[" * 40),
        (T, "a = '" + "[" * 40 + "\\'"),
        (J, '{"a": "' + '[[\\"{{' * 20 + '"}'),
        (Y, "a: '" + "[{" * 40 + "'"),
    ],
)
def test_brackets_inside_a_text_are_text(notation: Notation, text: str) -> None:
    """
    Only what is nested counts, not what a prompt is about.
    """
    assert isinstance(parse_tree(text.encode(), notation)["a"], str)


@pytest.mark.parametrize("notation", [J, Y])
def test_the_depth_that_is_allowed(notation: Notation) -> None:
    """
    As deep as the limit is read, one deeper is not; a list of many is not deep.
    """
    inner = MAX_DEPTH - 1

    assert parse_tree(('{"a": ' + "[" * inner + "]" * inner + "}").encode(), notation)
    assert "inside one another" in fault('{"a": ' + "[" * 17 + "]" * 17 + "}", notation)
    assert parse_tree(('{"a": [' + ",".join(["[]"] * 50) + "]}").encode(), notation)


@pytest.mark.parametrize("notation", Notation)
def test_a_file_far_too_long_is_refused_unread(notation: Notation) -> None:
    """
    The limit is its size, before anything is decoded.
    """
    assert "too long" in fault(b"\xff" * (MAX_TREE_BYTES + 1), notation)


@given(TREES)
def test_any_tree_comes_back_from_json(tree: dict[str, Any]) -> None:
    """
    What another program writes as JSON is read as it was meant.
    """
    assert parse_tree(json.dumps(tree).encode(), J) == tree
    assert parse_tree(json.dumps(tree, ensure_ascii=False, indent=2).encode(), J) == tree


@given(TREES, st.booleans(), st.booleans())
def test_any_tree_comes_back_from_yaml(tree: dict[str, Any], flow: bool, escapes: bool) -> None:  # noqa: FBT001 - drawn
    """
    What another program writes as YAML, for whichever version of it, is read as it was meant.
    """
    text = yaml.safe_dump(tree, allow_unicode=not escapes, default_flow_style=flow)

    assert parse_tree(text.encode(), Y) == tree


@given(
    st.binary(max_size=300)
    | st.text(st.sampled_from("ab01.-_:=[]{},\"'\\#&*!|>?%@` \n\t改")).map(str.encode)
    | st.just(codecs.BOM_UTF16_LE + b"a"),
    st.sampled_from(Notation),
    st.sampled_from([None, "latin-1", "no-such-encoding"]),
)
def test_no_bytes_raise_anything_else(raw: bytes, notation: Notation, fallback: str | None) -> None:
    """
    Whatever lies in the inbox is either a tree or refused with one sentence.
    """
    try:
        said = str(parse_tree(raw, notation, fallback).keys()) + "."
    except NotationFault as refused:
        said = str(refused)

    assert said.endswith(".")
    assert "\n" not in said
