"""
Azure's: OpenAI's form below the path of a deployment, with a version in the query and the key as `api-key`.

Sources: learn.microsoft.com, "How to use Azure OpenAI image generation models" (path, query, header), and
threads about older versions, which answer 404 "Resource not found" to edits (github.com/openai/openai-python
#2608, Azure/azure-sdk-for-net#49697): they are there from 2025-04-01-preview on. An address that goes on to
`/openai/v1` names no deployment and needs no version; whether it takes edits is not documented.
"""

import re
from urllib.parse import quote, urlsplit, urlunsplit

from retouchd.endpoint.styles.openai import OPENAI
from retouchd.endpoint.styles.style import (
    API_KEY,
    EDITS,
    Remarks,
    Style,
    StyleName,
    below,
    without_route,
)

VERSION = "2025-04-01-preview"
"""The first version of the interface that has edits."""
DEPLOYMENTS = "/openai/deployments/"
_NEWER = "/openai/v1"
_DEPLOYMENT = re.compile(rf"{DEPLOYMENTS}[^/?]+")
_DATED = re.compile(r"(?:^|&)api-version=(\d{4}-\d{2}-\d{2})")


def _righted(base_url: str) -> tuple[str, Remarks]:
    remarks: Remarks = []
    parts = without_route(base_url, (EDITS, "/images/generations"), remarks)
    path = parts.path
    if path.endswith(_NEWER):
        return urlunsplit(parts), remarks
    if not _DEPLOYMENT.search(path):
        parts = parts._replace(path=path.removesuffix("/deployments").removesuffix("/openai"))
    dated = _DATED.search(parts.query)
    if "api-version=" not in parts.query:
        remarks.append(f"endpoint.base_url lacks ?api-version=…: {VERSION} is asked for.")
        query = f"{parts.query}&api-version={VERSION}" if parts.query else f"api-version={VERSION}"
        parts = parts._replace(query=query)
    elif dated and dated[1] < VERSION[:10]:
        remarks.append(
            f"endpoint.base_url asks for api-version={dated[1]}, which has no edits: write {VERSION} or a "
            "newer one."
        )
    return urlunsplit(parts), remarks


def _edits(base_url: str, model: str) -> str:
    path = urlsplit(base_url).path
    if _DEPLOYMENT.search(path) or path.endswith(_NEWER):
        return below(base_url, EDITS)
    return below(base_url, f"{DEPLOYMENTS}{quote(model, safe='')}{EDITS}")


def _models(base_url: str) -> str:
    parts = urlsplit(base_url)
    if parts.path.endswith(_NEWER):
        return below(base_url, "/models")
    return urlunsplit(parts._replace(path=f"{parts.path.partition('/openai')[0]}/openai/models"))


AZURE = Style(
    name=StyleName.AZURE,
    title="Azure's form (multipart)",
    write=OPENAI.write,
    edits=_edits,
    models=_models,
    righted=_righted,
    auth=API_KEY,
    lists_models=False,
    paid_hosts=(".openai.azure.com", ".cognitiveservices.azure.com", ".services.ai.azure.com"),
)
