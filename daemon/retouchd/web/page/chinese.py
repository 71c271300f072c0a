"""
What the page says in Chinese beside its own words: why jobs failed, why files wait, why something is refused.

Sentences that tell of a file, or that an endpoint sent, stay as they are; these stand before them.
"""

from collections.abc import Mapping

from retouchd.errors import JobCode
from retouchd.inbox.waiting import (
    CHANGING,
    COMPANION,
    DUPLICATES,
    NOT_TAKEN,
    OTHERS,
    READY,
    REFERENCE,
    STAYS,
    UNDECIDED,
)
from retouchd.job.filetypes import Medium
from retouchd.job.model import Verdict

CODES: Mapping[str, str] = {
    JobCode.PROMPT_MISSING: "照片没有提示词。",
    JobCode.IMAGE_MISSING: "有提示词或蒙版，但没有对应的照片。",
    JobCode.PROMPT_EMPTY: "提示词是空的。",
    JobCode.PROMPT_TOO_LONG: "提示词太长，模型不接受。",
    JobCode.SIDECAR_INVALID: "参数文件或提示词文件无法读取，或含有未知的内容。",
    JobCode.SIDECAR_AMBIGUOUS: "不清楚哪个提示词或参数文件属于这张照片。",
    JobCode.IMAGE_UNREADABLE: "照片已损坏或不完整，无法读取。",
    JobCode.IMAGE_UNSUPPORTED: "不支持这种图片格式。",
    JobCode.IMAGE_TOO_LARGE: "照片太大，模型不接受。",
    JobCode.IMAGE_NOT_SQUARE: "这个模型只接受正方形的照片。",
    JobCode.MASK_INVALID: "蒙版不可用。",
    JobCode.MASK_SIZE_MISMATCH: "蒙版和照片的尺寸不一致。",
    JobCode.PARAMETER_INVALID: "有一个参数不可用。",
    JobCode.REFERENCE_INVALID: "有一张参考图不可用。",
    JobCode.CONTENT_POLICY: "服务方因内容规定拒绝了这次修图。",
    JobCode.REFUSED: "服务方拒绝了这次请求。",
    JobCode.ATTEMPTS_EXHAUSTED: "多次尝试都没有成功。",
    JobCode.IN_DOUBT: "请求已发出，但没有收到结果；可能已经计费。",
    JobCode.BAD_RESPONSE: "收到了回答，但其中没有可用的图片；可能已经计费。",
    JobCode.CRASHED: "处理这张照片时程序出错了。",
    JobCode.FINISHING_FAILED: "图片已收到并保存，但未能按要求完成后期处理。",
}

VERDICTS: Mapping[str, str] = {
    Verdict.DONE: "完成",
    Verdict.TRANSIENT: "暂时失败，未计费",
    Verdict.IN_DOUBT: "结果未知，可能已计费",
    Verdict.REFUSED: "被拒绝",
    Verdict.ACCOUNT: "账户有问题",
}

_MEDIA = {Medium.RAW: "RAW 原片", Medium.FILM: "视频", Medium.SOUND: "录音"}

KINDS: Mapping[str, str] = {
    READY: "已就绪",
    CHANGING: "文件还在变化",
    UNDECIDED: "即将检查",
    OTHERS: "其他原因",
    **dict(
        zip(DUPLICATES, ("相同的任务排在前面", "以前已经修过", "这是以前的修图结果"), strict=True)
    ),
    REFERENCE: "参考图，随其他照片一起发送",
    COMPANION: "随所属照片一起移动",
    **{start: f"不处理：{_MEDIA[medium]}" for medium, start in STAYS.items()},
    f"{NOT_TAKEN}unfinished": "不处理：尚未完成的下载或复制",
    NOT_TAKEN: "不处理",
    "waits for its prompt": "等待提示词",
    "waits for its image": "等待照片",
    "waits for": "等待",
    "it cannot be read": "无法读取",
    "it lies in": "所在的文件夹有问题",
    "": "等待",
}
"""How the kinds of reasons begin, the longer ones first where one begins as another does."""

REFUSALS: Mapping[str, str] = {
    "unsupported_media_type": "请用表单上传照片。",
    "malformed": "上传的内容无法读取。",
    "too_large": "文件太大，超过了允许的大小（web.max_upload_mb）。",
    "parameter_invalid": "上传的内容里有不可用的项目。",
    "image_missing": "没有选择照片。",
    "image_unsupported": "不支持这种图片格式。",
    "folder_invalid": "收件箱里不能用这个文件夹。",
    "prompt_missing": "没有提示词：请写明要怎么修，或在文件夹里放一个 _prompt.txt。",
    "name_taken": "收件箱里已有同名文件。",
    "no_space": "收件箱所在的磁盘空间不足，或不可写入。",
    "misdirected": "请用 localhost 或监听的地址打开此页；要用别的名字，请先设置 web.token。",
    "foreign_origin": "请求来自别的网站，已拒绝；如确需允许，请加入 web.origins。",
    "unauthorized": "请先登录。",
    "read_only": "此令牌只能查看，不能操作。",
    "unresponsive": "有一个文件夹没有响应，请检查它的磁盘或网络共享。",
}
