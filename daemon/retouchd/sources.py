"""
Where values of the configuration come from besides its file and our own variables: systemd, other programs.
"""

import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from retouchd.adapters.addresses import USUAL_PORTS

PREFIX = "RETOUCHD_"
"""What our own variables begin with."""


def credentials() -> dict[str, Any]:
    """
    Return what systemd hands over in files that only the service can read: `api_key`.
    """
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    if not folder or not (path := Path(folder) / "api_key").is_file():
        return {}
    return {"endpoint": {"api_key": path.read_text("utf-8").strip()}}


def wellknown() -> dict[str, Any]:
    """
    Return the address that other programs for the same endpoint read; their key has rules of its own.
    """
    address = os.environ.get("OPENAI_BASE_URL")
    return {"endpoint": {"base_url": address}} if address else {}


def wellknown_key(base_url: str, default: str) -> str | None:
    """
    Return the key that other programs use, None if there is none; `default` is their usual address.

    It is set for the address those programs use, and goes to no other: raises ValueError where `base_url` is
    at another one.
    """
    key = os.environ.get("OPENAI_API_KEY", "").strip()
    if not key:
        return None
    meant = _origin(os.environ.get("OPENAI_BASE_URL") or default)
    used = _origin(base_url)
    if meant is None or meant != used:
        msg = (
            f"OPENAI_API_KEY is a key for {meant}, and endpoint.base_url is at {used}: it is not sent there. "
            f"Set {PREFIX}ENDPOINT__API_KEY (or endpoint.api_key) to the key of that endpoint, or "
            "OPENAI_BASE_URL to its address if it is the same one."
        )
        raise ValueError(msg)
    return key


def _origin(address: str) -> str | None:
    """
    Return scheme, host and port of an address, which together are who hears what is sent.
    """
    try:
        parts = urlsplit(address.strip())
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        return None
    usual = USUAL_PORTS.get(parts.scheme)
    shown = f"[{host}]" if ":" in host else host
    suffix = "" if port in (None, usual) else f":{port}"
    return f"{parts.scheme}://{shown}{suffix}" if host else None
