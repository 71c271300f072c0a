"""
A rehearsal as a document for programs.
"""

import datetime as dt
from typing import Any

from retouchd.cli.compose import without_password
from retouchd.cli.rehearsal_text import host_of
from retouchd.config import SANDBOX
from retouchd.config.settings import Settings
from retouchd.inbox.waiting import WaitingFile, is_no_work
from retouchd.job.json_text import iso
from retouchd.job.model import CONFIGURATION, Role
from retouchd.job.naming import escaped
from retouchd.money.pricing import pictures_asked
from retouchd.status.rehearsal import Failing, Planned, Rehearsal, Sent, sources


def document_of(found: Rehearsal, settings: Settings, now: dt.datetime) -> dict[str, Any]:
    """
    Return all that is known of a rehearsal.
    """
    base_url = settings.endpoint.base_url
    known = [each.usd for each in found.planned if each.usd is not None]
    today = [each for each in found.planned if each.is_today]
    return {
        "version": 1,
        "at": iso(now),
        "endpoint": {
            "base_url": without_password(base_url),
            "host": host_of(base_url) or None,
            "is_embedded": base_url == SANDBOX,
        },
        "metadata": settings.metadata.value,
        "totals": {
            "pictures": len(found.planned),
            "today": len(today),
            "usd_at_most": round(sum(known), 6),
            "usd_today_at_most": round(sum(each.usd or 0 for each in today), 6),
            "price_unknown": len(found.planned) - len(known),
            "to_error": len(found.failing),
            "waiting": len(found.waiting),
            "in_work": found.in_work,
        },
        "budget": {
            "usd_per_day": settings.allowance.usd_per_day or None,
            "images_per_day": settings.allowance.images_per_day or None,
            "usd_spent": float(found.spend.committed_usd),
            "images_spent": found.spend.images,
            "reason": found.lack,
        },
        "pictures": [_planned(each) for each in found.planned],
        "to_error": [_failing(each) for each in found.failing],
        "waiting": [_waiting(each) for each in found.waiting],
    }


def _planned(each: Planned) -> dict[str, Any]:
    job, origin = each.job, sources(each.job)
    image = job.member(Role.IMAGE)

    def said(key: str, value: object) -> dict[str, Any]:
        where = origin.get(key, CONFIGURATION)
        return {"value": value, "from": None if where == CONFIGURATION else escaped(where)}

    return {
        "folder": escaped(job.folder),
        "name": escaped(image.name if image else job.stem),
        "prompt": said("prompt", job.request.prompt),
        "model": said("model", job.request.model),
        "parameters": {key: said(key, value) for key, value in job.request.parameters.items()},
        "image": _sent(each.image),
        "mask": _sent(each.mask) if each.mask else None,
        "references": [_sent(reference) for reference in each.references],
        "results": [escaped(name) for name in each.results],
        "pictures_asked": pictures_asked(job.request),
        "usd_at_most": each.usd,
        "today": each.is_today,
    }


def _sent(picture: Sent) -> dict[str, Any]:
    found, sent = picture.found, picture.sent
    return {
        "path": escaped(picture.path),
        "bytes": found.size_bytes,
        "format": found.format,
        "width": found.width,
        "height": found.height,
        "changes": [each.value for each in picture.changes],
        "sent": {"format": sent.format, "width": sent.width, "height": sent.height},
        "metadata_removed": [each.value for each in picture.removed],
    }


def _failing(each: Failing) -> dict[str, Any]:
    return {
        "folder": escaped(each.job.folder),
        "name": escaped(each.job.members[0].name),
        "problems": [
            {"code": problem.code.value, "message": problem.message, "hint": problem.hint}
            for problem in each.problems
        ],
    }


def _waiting(each: WaitingFile) -> dict[str, Any]:
    return {
        "folder": each.folder,
        "name": each.name,
        "reason": each.reason,
        "kind": each.kind,
        "is_no_work": is_no_work(each.kind),
    }
