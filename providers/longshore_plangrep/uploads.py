"""The files of a job: what a reply says of each, what has to be put where, what proves it.

A form goes as it is. A registered file is one PUT, or one for each part; Plangrep decides from its
size. Source: docs.plangrep.com/api-reference/uploads/register-uploads. The names that the page does
not show come from ``SignedFields``.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TypeVar, cast

from pydantic import JsonValue

from longshore.provider import (
    Accepted,
    Document,
    Piece,
    ProtocolError,
    Receipt,
    Session,
    Transfer,
    excerpt,
    upload_url,
    url_expiry,
)
from longshore_plangrep import wire
from longshore_plangrep.settings import SignedFields

__all__ = [
    "form_documents", "signed_body", "signed_documents", "signed_session", "transfers_of",
    "vendor_ids",
]  # fmt: skip

T = TypeVar("T", str, int, dict[str, JsonValue], list[JsonValue])
E = TypeVar("E", wire.FormUpload, wire.SignedUpload)


def form_documents(documents: Sequence[Document], reply: wire.FilesReply) -> list[Accepted]:
    """Return the ids under which the files of a form are stored.

    Assumption: the status ``uploaded`` says so, and so does a reply without one. There are others,
    such as ``skipped``, whose meaning is not known: nothing is completed upon them.

    Raises:
        ProtocolError: the reply says something else.
    """
    if reply.status not in (None, "uploaded"):
        said = excerpt(reply.status.encode(errors="replace"))
        raise ProtocolError(
            f"the reply to the form has the status {said!r}, not 'uploaded'",
            hint="nobody can tell whether the files were stored: the upload is not completed",
        )
    uploads = _in_order(documents, reply.uploads)
    return [
        Accepted(document=document.id, vendor_id=upload.document_id)
        for document, upload in zip(documents, uploads, strict=True)
    ]


def signed_session(
    form: Session,
    documents: Sequence[Document],
    reply: wire.RegisterReply,
    names: SignedFields,
) -> Session:
    """Return the session of a job whose files are registered; the tokens are among its secrets.

    Raises:
        ProtocolError: see ``transfers_of``.
    """
    transfers: list[Transfer] = []
    known: dict[str, JsonValue] = {}
    tokens: dict[str, str] = {}
    uploads = _in_order(documents, reply.uploads)
    for document, upload in zip(documents, uploads, strict=True):
        transfers.extend(transfers_of(document, upload, names))
        known[document.id] = [upload.document_id, _multipart_id(upload, names)]
        tokens[upload.document_id] = upload.upload_token
    return Session(
        transfers=tuple(transfers),
        data={**form.data, "mode": "signed", "documents": known},
        secrets={**form.secrets, **tokens},
    )


def _in_order(documents: Sequence[Document], entries: Sequence[E]) -> Sequence[E]:
    """Put a reply's entries into the order of the documents.

    Entries that name their part or file are matched by that where it is unique. Assumption:
    otherwise their order is that of the request.
    """
    if len(entries) != len(documents):
        raise ProtocolError(
            f"files sent: {len(documents)}; files in the reply: {len(entries)}",
            # Source: api-reference/uploads/register-uploads ("de-duplication", without its effect).
            hint="equal files may count as one: send them apart, with --batch-size 1",
        )
    by_part = {entry.part_name: entry for entry in entries}
    by_name = {entry.file_name: entry for entry in entries}
    parts = [f"file{index}" for index in range(len(documents))]
    if set(by_part) == set(parts):
        return [by_part[part] for part in parts]
    if len(by_name) == len(documents) and set(by_name) == {d.name for d in documents}:
        return [by_name[document.name] for document in documents]
    return entries


# ---------------------------------------------------------------------- what to put where


def transfers_of(
    document: Document, upload: wire.SignedUpload, names: SignedFields
) -> tuple[Transfer, ...]:
    """Return what has to be put where for one document.

    Raises:
        ProtocolError: the reply lacks what is needed; the message names the setting.
    """
    if upload.upload_mode == "direct_put":
        return (_direct(document, upload, names),)
    if upload.upload_mode == "multipart":
        return _parts(document, upload, names)
    raise ProtocolError(f"{document.name}: unknown uploadMode {upload.upload_mode!r}")


def _multipart_id(upload: wire.SignedUpload, names: SignedFields) -> str | None:
    """Return the id that ``complete`` wants to see again; None for a direct PUT."""
    if upload.upload_mode != "multipart":
        return None
    return _need(upload.undeclared, "multipart_id", names.multipart_id, str)


def _direct(document: Document, upload: wire.SignedUpload, names: SignedFields) -> Transfer:
    """One PUT with exactly the headers that the reply dictates."""
    if not upload.upload_url:
        raise ProtocolError(f"{document.name}: a direct_put without uploadUrl")
    return Transfer(
        id=document.id,
        pieces=(document.whole(),),
        url=upload_url(upload.upload_url),
        headers=_headers(_need(upload.undeclared, "headers", names.headers, dict)),
        expires_at=_expiry(upload, upload.upload_url),
    )


def _parts(
    document: Document, upload: wire.SignedUpload, names: SignedFields
) -> tuple[Transfer, ...]:
    """One PUT per part, cut where the reply says so."""
    listed = _need(upload.undeclared, "parts", names.parts, list)
    parts = [_part(document, upload, part, names) for part in listed]
    parts.sort(key=lambda part: part.number)
    if _cover(document, parts):
        return tuple(parts)
    ranges = ", ".join(f"{p.number}: {p.pieces[0].offset}+{p.size}" for p in parts[:5])
    raise ProtocolError(
        f"{document.name}: the parts do not cover its {document.size} bytes in order: {ranges}",
        hint="set signed_fields.range_end_inclusive to false if the ends are one too large",
    )


def _cover(document: Document, parts: Sequence[Transfer]) -> bool:
    """Tell whether the parts are numbered from 1 and hold every byte once, in order."""
    at = 0
    for number, part in enumerate(parts, 1):
        (piece,) = part.pieces
        if (part.number, piece.offset) != (number, at) or piece.size < 0:
            return False
        at = piece.end
    return at == document.size


def _part(
    document: Document, upload: wire.SignedUpload, part: JsonValue, names: SignedFields
) -> Transfer:
    entry = part if isinstance(part, dict) else {names.parts: part}
    number = _need(entry, "part_number", names.part_number, int)
    url = upload_url(_need(entry, "part_url", names.part_url, str))
    start = _need(entry, "range_start", names.range_start, int)
    end = _need(entry, "range_end", names.range_end, int) + names.range_end_inclusive
    dictated = entry.get(names.headers)  # Assumption: a part needs no headers unless it has some.
    return Transfer(
        id=f"{document.id}/{number}",
        number=number,
        pieces=(Piece(document=document.id, offset=start, size=end - start),),
        url=url,
        headers=_headers(dictated) if isinstance(dictated, dict) else {},
        expires_at=_expiry(upload, url),
    )


def _need(entry: Mapping[str, JsonValue], setting: str, name: str, kind: type[T]) -> T:
    """Return a field whose name is an assumption, or say what came instead."""
    value = entry.get(name)
    if isinstance(value, kind) and not isinstance(value, bool):
        return value
    shown = excerpt(json.dumps(dict(entry)).encode())
    raise ProtocolError(
        f"the register reply has no usable {name!r} (signed_fields.{setting}); it said {shown}",
        hint=f"set signed_fields.{setting} to the name that the reply uses",
    )


def _headers(dictated: Mapping[str, JsonValue]) -> dict[str, str]:
    return {name: str(value) for name, value in dictated.items()}


def _expiry(upload: wire.SignedUpload, url: str) -> float | None:
    """``expiresAt`` as documented; else what the URL itself says."""
    return upload.expires if upload.expires is not None else url_expiry(url)


# ------------------------------------------------------------------------- what proves it


def vendor_ids(session: Session) -> Mapping[str, tuple[str, str | None]]:
    """Return document -> Plangrep's id, and the id of its multipart upload or None."""
    return cast("Mapping[str, tuple[str, str | None]]", session.data["documents"])


def signed_documents(session: Session, receipts: Sequence[Receipt]) -> list[Accepted]:
    """Return each document under Plangrep's id, and why the storage refused it if it did."""
    refused = {entry.document: entry.error for receipt in receipts for entry in receipt.documents}
    return [
        Accepted(document=document, vendor_id=id, error=refused.get(document))
        for document, (id, _) in vendor_ids(session).items()
    ]


def signed_body(
    session: Session, documents: Sequence[Accepted], receipts: Sequence[Receipt]
) -> dict[str, JsonValue]:
    """Return a record per document: its token, and for parts their numbers and ETags.

    Source: docs.plangrep.com/api-reference/uploads/complete-uploads. Assumption: the fields of a
    record of ``failedUploads`` are not documented; its document must be one.
    """
    known, parts = vendor_ids(session), _parts_sent(session, receipts)
    body: dict[str, list[JsonValue]] = {
        "directUploads": [], "multipartUploads": [], "failedUploads": [],
    }  # fmt: skip
    for entry in documents:
        id, upload = known[entry.document]
        if entry.error:
            body["failedUploads"].append({"documentId": id})
        elif upload is None:
            body["directUploads"].append({"documentId": id, "uploadToken": session.secrets[id]})
        else:
            body["multipartUploads"].append(
                {
                    "documentId": id,
                    "multipartUploadId": upload,
                    "uploadToken": session.secrets[id],
                    "parts": parts[entry.document],
                }
            )
    return {name: [*records] for name, records in body.items() if records}


def _parts_sent(session: Session, receipts: Sequence[Receipt]) -> Mapping[str, list[JsonValue]]:
    """Return document -> its parts, ascending."""
    owner = {transfer.id: transfer.pieces[0].document for transfer in session.transfers}
    parts: defaultdict[str, list[JsonValue]] = defaultdict(list)
    for receipt in sorted(receipts, key=lambda receipt: receipt.number):
        part: JsonValue = {"partNumber": receipt.number, "etag": receipt.token}
        parts[owner[receipt.transfer]].append(part)
    return parts
