"""
An error answer in the provider's shape, and those that many checks share.
"""

from collections.abc import Mapping, Sequence
from typing import Any

REQUEST = "invalid_request_error"
"""The error type of a request that can never pass."""

IMAGE = "image_generation_user_error"
"""The error type of a request the image model itself turned down."""


class Refusal(Exception):
    """
    A request is answered with an error: HTTP status, headers, and the fields of the error body.

    `kind` is written as `type`. `code` may be an integer: some relays send one.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        kind: str = REQUEST,
        param: str | None = None,
        code: str | int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.kind = kind
        self.param = param
        self.code = code
        self.headers = dict(headers or {})

    def body(self) -> dict[str, Any]:
        """
        Return the JSON body as the provider writes it.
        """
        return {
            "error": {
                "message": self.message,
                "type": self.kind,
                "param": self.param,
                "code": self.code,
            }
        }


def bad_value(name: str, value: str, allowed: Sequence[str], *, kind: str = REQUEST) -> Refusal:
    """
    Return the refusal of a value that is not among the supported ones.
    """
    *head, last = [f"'{one}'" for one in allowed]
    listing = f"{', '.join(head)}, and {last}" if head else last
    return Refusal(
        f"Invalid value: '{value}'. Supported values are: {listing}.",
        kind=kind,
        param=name,
        code="invalid_value",
    )


def missing(name: str) -> Refusal:
    """
    Return the refusal of a request that lacks a parameter.
    """
    return Refusal(
        f"Missing required parameter: '{name}'.", param=name, code="missing_required_parameter"
    )


def duplicate(name: str) -> Refusal:
    """
    Return the refusal of a parameter that came more than once.
    """
    return Refusal(
        f"Duplicate parameter: '{name}'. You provided multiple values for this parameter, whereas "
        "only one is allowed. If you are trying to provide a list of values, use the array syntax "
        f"instead e.g. '{name}[]=<value>'.",
        param=name,
        code="duplicate_parameter",
    )


def unknown(name: str) -> Refusal:
    """
    Return the refusal of a parameter that does not exist, or not for this model.
    """
    return Refusal(f"Unknown parameter: '{name}'.", param=name, code="unknown_parameter")


def bad_type(name: str, expected: str, given: str = "a string") -> Refusal:
    """
    Return the refusal of a value of another type, both named with their article.
    """
    return Refusal(
        f"Invalid type for '{name}': expected {expected}, but got {given} instead.",
        param=name,
        code="invalid_type",
    )
