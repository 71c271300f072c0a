"""
Answers for people: pages in their language, and why something is refused.
"""

from typing import Any

from jinja2 import Environment
from starlette.requests import Request
from starlette.responses import Response

from retouchd.web.access import Access, May
from retouchd.web.guard import fault
from retouchd.web.page.words import Words, language_of

_LANGUAGE = "retouchd-language"
_YEAR = 365 * 24 * 3600


class Answers:
    """
    Renders the templates for one listener, which lies below `root_path`.
    """

    def __init__(self, access: Access, root_path: str, templates: Environment) -> None:
        self._access = access
        self._root_path = root_path
        self._templates = templates

    def page(
        self, request: Request, template: str, status_code: int = 200, **values: Any
    ) -> Response:
        """
        Return a page, with what may be done on it by whoever asks.
        """
        words = _words(request)
        may = self._access.may(request.state.head)
        text = self._templates.get_template(template).render(
            _=words,
            root=self._root_path,
            may_act=may is May.ACT,
            may_look=may is not May.NOTHING,
            has_token=bool(self._access.token),
            **values,
        )
        answer = Response(text, status_code, media_type="text/html")
        if request.query_params.get("lang") == words.language:
            path = self._root_path or "/"
            answer.set_cookie(
                _LANGUAGE, words.language, max_age=_YEAR, path=path, samesite="strict"
            )
        return answer

    def refusal(
        self, request: Request, status: int, code: str, message: str, **headers: str
    ) -> Response:
        """
        Return why something is refused: a browser that would show it gets a page, everybody else a document.
        """
        told = _words(request).refusal(message, code)
        if "text/html" not in request.headers.get("accept", ""):
            return fault(status, code, told, **headers)
        answer = self.page(request, "refused.html", status, message=told, here="refused")
        answer.headers.update({key.replace("_", "-"): value for key, value in headers.items()})
        return answer


def _words(request: Request) -> Words:
    asked = request.query_params.get("lang", "")
    accepted = request.headers.get("accept-language", "")
    return Words(language_of(asked, request.cookies.get(_LANGUAGE, ""), accepted))
