"""What Plangrep read out of the documents, in the neutral shape.

Source: docs.plangrep.com/concepts/results, guides/reading-results, api-reference/artifacts/*.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pydantic import JsonValue

from longshore.provider import (
    Artifact,
    DocumentResult,
    FieldValue,
    Place,
    Response,
    Results,
    TextPiece,
    VendorTimes,
    quoted,
)
from longshore_plangrep import wire
from longshore_plangrep.projects import API

__all__ = ["results_of"]

# Source: docs.plangrep.com/api-reference/artifacts/get-artifact-download.
_DOWNLOADS = f"{API}/artifact-downloads/"


def results_of(reply: Response, job_url: str, base_url: str) -> Results:
    """Read a result; what does not fit stays in ``raw``."""
    result = reply.parse(wire.ResultReply)
    texts: dict[int | None, list[TextPiece]] = {}
    for evidence in result.evidence:
        owner = _owner(evidence, result.documents)
        texts.setdefault(owner, []).append(_text(evidence))
    documents = [
        _document(document, texts.get(index, ()), job_url, base_url)
        for index, document in enumerate(result.documents)
    ]
    if None in texts:
        documents.append(DocumentResult(texts=tuple(texts[None])))
    usage, job = result.usage or {}, result.job or {}
    pages, debited = usage.get("pageCount"), usage.get("creditsDebited")
    notes = (wire.words_of(note) for note in (*result.warnings, *result.errors))
    return Results(
        documents=tuple(documents),
        usage=usage,
        pages=pages if isinstance(pages, int) else None,
        credits=debited if isinstance(debited, int | float) else None,
        times=VendorTimes.of(job.get("createdAt"), finished=job.get("completedAt")),
        warnings=tuple(note for note in notes if note),
        raw=reply.json(),
    )


def _document(
    document: wire.ResultDocument, texts: Iterable[TextPiece], job_url: str, base_url: str
) -> DocumentResult:
    listed = [*document.artifacts, *(a for sheet in document.sheets for a in sheet.artifacts)]
    fields = [field for sheet in document.sheets for field in _sheet_fields(sheet)]
    fields += [field for section in document.specifications for field in _section_fields(section)]
    fields += [
        FieldValue(name="doc_type", value=d["docType"]) for d in document.docs if d.get("docType")
    ]
    if document.classification:
        fields.insert(0, FieldValue(name="classification", value=document.classification))
    failed = document.failed_page_count
    unread = f"{failed} pages could not be read" if failed else None
    warning = wire.words_of(document.error) or unread
    found = (_artifact(artifact, job_url, base_url) for artifact in listed)
    return DocumentResult(
        name=document.file_name,
        vendor_id=document.document_id,
        pages=document.page_count,
        fields=tuple(fields),
        texts=tuple(texts),
        artifacts=tuple(artifact for artifact in found if artifact),
        warnings=(warning,) if warning else (),
    )


def _sheet_fields(sheet: wire.Sheet) -> Iterable[FieldValue]:
    place = Place(page=sheet.page_number)
    for name in ("sheet_number", "sheet_name", "drawing_type", "discipline"):
        value = getattr(sheet, name)
        if value is not None:
            yield FieldValue(name=name, value=value, place=place)


def _section_fields(section: Mapping[str, JsonValue]) -> Iterable[FieldValue]:
    """Name a section of a specification, with the page on which it begins.

    Assumption: it has the field names of the project's specifications; the result's own table is
    not at hand. Source: docs.plangrep.com/api-reference/project-reads/list-specifications.
    """
    page = section.get("pageStart")
    place = Place(page=page) if isinstance(page, int) else None
    for name, key in (("section_number", "sectionNumber"), ("section_title", "sectionTitle")):
        if section.get(key) is not None:
            yield FieldValue(name=name, value=section[key], place=place)


def _owner(
    evidence: Mapping[str, JsonValue], documents: tuple[wire.ResultDocument, ...]
) -> int | None:
    """Find the document of a piece of evidence.

    Assumption: it carries ``documentId`` or ``fileName``; the full table is not at hand.
    """
    if len(documents) == 1:
        return 0
    for index, document in enumerate(documents):
        if document.document_id and evidence.get("documentId") == document.document_id:
            return index
    named = [
        index
        for index, document in enumerate(documents)
        if document.file_name and evidence.get("fileName") == document.file_name
    ]
    return named[0] if len(named) == 1 else None


def _text(evidence: Mapping[str, JsonValue]) -> TextPiece:
    kind, page = evidence.get("regionType") or evidence.get("type"), evidence.get("pageNumber")
    return TextPiece(
        text=str(evidence.get("text") or ""),
        kind=str(kind or ""),
        place=Place(page=page) if isinstance(page, int) else None,
    )


def _artifact(artifact: Mapping[str, JsonValue], job_url: str, base_url: str) -> Artifact | None:
    """Say how to fetch an artifact: by the URL of the result, never built by hand.

    A URL of Plangrep's own host needs the key and is made relative, so that it gets it; but a
    download link holds a token of its own, and no key may go there. Where only a path is given it
    goes to the job's artifact route.
    """
    kind = str(artifact.get("type") or "")
    url, path = artifact.get("url"), artifact.get("path")
    if isinstance(url, str) and url:
        own = url.removeprefix(base_url) if url.startswith(f"{base_url}/") else url
        if own.startswith(_DOWNLOADS):
            own = f"{base_url}{own}"
        return Artifact(name=kind or "artifact", url=own, kind=kind, signed="://" in own)
    if isinstance(path, str) and path:
        address = f"{job_url}/artifact?path={quoted(path)}"
        return Artifact(name=kind or path, url=address, kind=kind)
    return None
