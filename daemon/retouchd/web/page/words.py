"""
The page's words in English, by which it is written, and in Chinese.
"""

import re
from collections.abc import Mapping
from typing import Any

from retouchd.job.text import counted
from retouchd.web.page.chinese import CODES, KINDS, REFUSALS, VERDICTS

LANGUAGES = {"en": "English", "zh": "中文"}

_ACCEPTED = re.compile(
    r"([a-zA-Z]{1,8})(?:-[a-zA-Z0-9-]{1,20})?(?:\s*;\s*q=([01](?:\.[0-9]{0,3})?))?"
)

CHINESE: Mapping[str, str] = {
    "Overview": "概览",
    "Wall": "展示墙",
    "All jobs": "全部任务",
    "Running": "运行中",
    "Paused": "已暂停",
    "Stopping": "正在停止",
    "Not responding": "没有响应",
    "Unknown": "状态未知",
    "Pause": "暂停",
    "Resume": "继续",
    "Log out": "退出登录",
    "Paused by a person": "已由人工暂停",
    "Nothing is sent until somebody resumes it.": "在有人点“继续”之前，不会发送任何照片。",
    "since": "自",
    "In work": "处理中",
    "Waiting": "等待中",
    "In error": "出错",
    "Finished": "已完成",
    "Nothing has been edited yet": "还没有修好的照片",
    "Drop a photo with its prompt into the inbox, or here.": "把照片和提示词放进收件箱，或拖到这里。",
    "Drop photos here": "把照片拖到这里",
    "or choose some": "或选择文件",
    "Mask, references, folder": "蒙版、参考图、文件夹",
    "Mask": "蒙版",
    "PNG of the same size; its transparent parts are edited": "同样大小的 PNG；透明的部分会被修改",
    "References": "参考图",
    "sent along with each photo": "随每张照片一起发送",
    "Folder of the inbox": "收件箱里的文件夹",
    "the inbox itself": "收件箱本身",
    "Results": "结果",
    "Review": "审片",
    "to be reviewed": "等待审片",
    "Approve": "通过",
    "Reject": "不要",
    "Again": "重修",
    "Delete it for good?": "确定永久删除？",
    "This result is deleted.": "当前结果会被删除。",
    "What is left empty is not asked for.": "留空的不会再修。",
    "Nothing waits to be reviewed": "没有等待审片的照片",
    "Results come here where output.review is true.": "设置 output.review = true 后，结果会先到这里。",
    "Files in review/ that are no result of this retouchd:": "review/ 里不属于此 retouchd 的文件：",
    "Keys: J and K go on and back, A approves, R rejects, E edits again.": (
        "按键：J、K 前后移动，A 通过，R 不要，E 重修。"
    ),
    "Say what is to be done: the prompt is empty.": "请写明要怎么修：提示词是空的。",
    "The original and its record are not there any more.": "原图或记录已不在原处。",
    "The original is not there any more.": "原图已不在原处。",
    "Its mask is not there any more.": "蒙版已不在原处。",
    "It is not in error/ any more.": "它已不在 error/ 里。",
    "It does not wait for anybody in review/ any more.": "它已不在 review/ 里。",
    "What is to be done with it?": "要怎么修这张照片？",
    "Such as: make the background a warm grey": "例如：把背景换成暖灰色",
    "Send": "发送",
    "Sending": "正在发送",
    "It is in the inbox.": "已放进收件箱。",
    "Edited today": "今天完成",
    "Failed today": "今天出错",
    "Spent today": "今天花费",
    "of": "共",
    "without a known price": "张价格未知",
    "may have been charged": "可能已计费",
    "usually": "通常",
    "waits": "等待",
    "ready, waiting for their turn": "已就绪，等待轮到",
    "Stay in the inbox, and are not edited": "留在收件箱、不修的文件",
    "raw files": "RAW 文件",
    "films": "视频",
    "sound recordings": "录音",
    "and more": "以及更多",
    "Original": "原图",
    "Edited": "修图后",
    "Before": "修图前",
    "After": "修图后",
    "Compare before and after": "对比修图前后",
    "Hold to see the original": "按住查看原图",
    "Zoom": "放大",
    "Download the original": "下载原图",
    "Download the result": "下载结果",
    "Prompt": "提示词",
    "Parameters": "参数",
    "Attempts": "尝试",
    "Cost": "费用",
    "Warnings": "提醒",
    "Model": "模型",
    "Finished at": "完成时间",
    "Claimed at": "开始时间",
    "Folder": "文件夹",
    "Result": "结果",
    "Again with another prompt": "换个提示词再修一次",
    "Edit again": "再修一次",
    "It is charged like any other edit.": "会像其他修图一样计费。",
    "Retry": "重试",
    "Why it is here": "出错原因",
    "What to do": "如何处理",
    "It may have been charged already; sent again, it may be charged again.": (
        "可能已经计费；再次发送可能再次计费。"
    ),
    "Being edited": "正在修图",
    "The result was taken out of the outbox.": "结果已被移出发件箱。",
    "There is no such job.": "没有这个任务。",
    "That did not work.": "操作没有成功。",
    "There is nothing here.": "这里什么也没有。",
    "That is not how this is asked.": "不能这样请求。",
    "That failed; the log says why.": "操作失败，原因见日志。",
    "It took too long to arrive.": "上传太慢，已中断。",
    "Too many pages are open.": "打开的页面太多。",
    "Back": "返回",
    "Search": "搜索",
    "Name or folder": "文件名或文件夹",
    "All": "全部",
    "Done": "完成",
    "Older": "更早",
    "Newest": "最新",
    "No job has that name.": "没有这个名字的任务。",
    "It was tried again as": "已重试，新任务",
    "It had been tried before as": "之前的任务",
    "Log in": "登录",
    "Token": "令牌",
    "That is no token of this retouchd.": "这不是此 retouchd 的令牌。",
    "The newest edits appear here by themselves.": "最新的修图会自动出现在这里。",
    "No connection; trying again.": "连接已断开，正在重试。",
    "Language": "语言",
    "Jump to content": "跳到内容",
    "second": "秒",
    "minute": "分钟",
    "verdict": "结论",
    "Needs attention": "需要处理",
    "This view may look and not act.": "此视图只能查看，不能操作。",
}


class Words:
    """
    The words of one language, called with the English ones.
    """

    def __init__(self, language: str) -> None:
        self.language = language

    def __call__(self, english: str) -> str:
        """
        Return a text in this language.
        """
        return CHINESE.get(english, english) if self.language == "zh" else english

    def sentence(self, code: object) -> str:
        """
        Return what an error code means, empty where the error's own sentence says it in this language.
        """
        return CODES.get(str(code), "") if self.language == "zh" else ""

    def code(self, code: object) -> str:
        """
        Return an error code as a short text.
        """
        return self.sentence(code).rstrip("。") or _plain(code)

    def verdict(self, verdict: object) -> str:
        """
        Return what an attempt came to.
        """
        told = VERDICTS.get(str(verdict)) if self.language == "zh" else None
        return told or _plain(verdict)

    def kind(self, kind: str) -> str:
        """
        Return what kind of reason a file waits for, empty where the reason itself is in this language.
        """
        if self.language != "zh":
            return ""
        starts = sorted(KINDS, key=len, reverse=True)
        return next(KINDS[start] for start in starts if kind.startswith(start))

    def refusal(self, sentence: str, code: str) -> str:
        """
        Return why something is refused: in this language, and then as it was said where that tells more.
        """
        told = self(sentence)
        if self.language != "zh" or told != sentence:
            return told
        return f"{REFUSALS.get(code, self('That did not work.'))}（{sentence}）"

    def results(self, count: int) -> str:
        """
        Return a number of results.
        """
        return f"{count:,} 个结果" if self.language == "zh" else counted(count, "result")

    def edits(self, done: int, count: int) -> str:
        """
        Return how many of a photo's edits are done.
        """
        return (
            f"{count} 项编辑已完成 {done} 项"
            if self.language == "zh"
            else f"{done} of {count} edits done"
        )

    def files(self, count: int) -> str:
        """
        Return a number of files.
        """
        return f"{count:,} 个文件" if self.language == "zh" else counted(count, "file")

    def photos(self, count: int) -> str:
        """
        Return a number of photos.
        """
        return f"{count:,} 张照片" if self.language == "zh" else counted(count, "photo")

    def length(self, seconds: float) -> str:
        """
        Return a duration as short as a tile wants it.
        """
        whole = round(seconds)
        if self.language == "zh":
            return f"{whole} 秒" if whole < 100 else f"{whole // 60} 分 {whole % 60:02} 秒"
        return f"{whole} s" if whole < 100 else f"{whole // 60} min {whole % 60:02} s"


def language_of(asked: str, kept: str, accepted: str) -> str:
    """
    Return the language of an answer: the one asked for, else the one chosen once, else the browser's.
    """
    for each in (asked, kept):
        if each in LANGUAGES:
            return each
    told = enumerate(_ACCEPTED.findall(accepted[:500]))
    ranked = sorted((-float(quality or 1), at, name.lower()) for at, (name, quality) in told)
    return next((name for _, _, name in ranked if name in LANGUAGES), "en")


def _plain(name: object) -> str:
    return str(name or "").replace("_", " ").capitalize()


def shown_value(value: Any) -> str:
    """
    Return a parameter's value as it is written in a sidecar.
    """
    return str(value).lower() if isinstance(value, bool) else str(value)
