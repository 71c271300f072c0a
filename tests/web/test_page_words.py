"""
What the page says in Chinese: nothing that it says itself is left out.
"""

import ast
import re
from pathlib import Path

import pytest

from documents import ROOT
from retouchd.errors import JobCode
from retouchd.inbox import waiting
from retouchd.job.model import Verdict
from retouchd.web.page.chinese import CODES, KINDS, REFUSALS
from retouchd.web.page.words import CHINESE, Words

WEB = ROOT / "daemon/retouchd/web"
ENGLISH, IN_CHINESE = Words("en"), Words("zh")
_WORDS = re.compile(r"\b_\('((?:[^'\\]|\\.)+)'\)")
_HAN = re.compile(r"[\u4e00-\u9fff]")


def calls(path: Path, name: str) -> list[list[str]]:
    """
    Return the texts that are handed over wherever a name is called.
    """
    return [
        [
            each.value
            for each in ast.walk(node)
            if isinstance(each, ast.Constant) and isinstance(each.value, str)
        ]
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == name
    ]


@pytest.mark.parametrize(
    "template", sorted((WEB / "page/templates").iterdir()), ids=lambda p: p.name
)
def test_every_word_of_a_template_is_there(template: Path) -> None:
    """
    As it is written in the template.
    """
    assert set(_WORDS.findall(template.read_text())) <= CHINESE.keys()


def test_every_error_and_every_refusal_has_its_sentence() -> None:
    """
    Each code of a job in error/, each of a post, and each sentence of the page's own.
    """
    assert CODES.keys() == set(JobCode)
    refused = {
        text
        for path in (WEB / "posting.py", WEB / "taking.py")
        for texts in calls(path, "PostRefused")
        for text in texts
        if re.fullmatch("[a-z]+_[a-z_]+|malformed", text)
    }
    assert {"too_large", "folder_invalid"} <= refused <= REFUSALS.keys()
    own = {
        text
        for name in ("actions.py", "page.py")
        for texts in calls(WEB / "page" / name, "Refused")
        for text in texts
        if re.fullmatch(r"[A-Z].*[a-z]\.", text)
    }
    assert len(own) >= 5
    assert own <= CHINESE.keys()
    assert all(map(_HAN.search, [*CODES.values(), *KINDS.values(), *REFUSALS.values()]))


def test_every_kind_of_waiting_is_said_in_chinese() -> None:
    """
    Those that are told apart by name have words of their own; of others it is said that they wait.
    """
    named = [waiting.READY, waiting.CHANGING, waiting.UNDECIDED, waiting.OTHERS]
    named += [*waiting.DUPLICATES, waiting.REFERENCE, waiting.COMPANION, *waiting.STAYS.values()]
    named += ["waits for its prompt", "waits for its image"]
    assert len({IN_CHINESE.kind(kind) for kind in named}) == len(named)
    assert IN_CHINESE.kind("not taken: unfinished download of a browser").startswith("不处理：")
    assert IN_CHINESE.kind("something new") == "等待"
    assert ENGLISH.kind(waiting.READY) == ""


def test_what_tells_more_is_quoted_as_it_was_said() -> None:
    """
    A sentence that names a file follows the Chinese one; one of the page's own is said in Chinese alone.
    """
    assert IN_CHINESE.refusal("It is not in error/ any more.", "refused") == "它已不在 error/ 里。"
    told = IN_CHINESE.refusal("a.xyz is no picture: send PNG.", "image_unsupported")
    assert told == "不支持这种图片格式。（a.xyz is no picture: send PNG.）"
    assert ENGLISH.refusal("a.xyz is no picture.", "image_unsupported") == "a.xyz is no picture."
    assert ENGLISH.sentence("prompt_empty") == ""
    assert IN_CHINESE.code("prompt_empty") == "提示词是空的"
    assert ENGLISH.code("prompt_empty") == "Prompt empty"
    assert all(_HAN.search(IN_CHINESE.verdict(each)) for each in Verdict)
    assert ENGLISH.verdict(Verdict.IN_DOUBT) == "In doubt"
