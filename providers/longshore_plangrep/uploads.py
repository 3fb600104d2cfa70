"""What lies between the replies about uploads and the flows: pairs, transfers, proofs.

A registered file is one PUT or one per part; Plangrep decides from its size. Source:
docs.plangrep.com/api-reference/uploads/register-uploads. The names that the page does not show
come from ``SignedFields``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TypeVar

from pydantic import JsonValue

from longshore.provider import (
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
    "form_uploads", "in_order", "signed_body", "signed_session", "transfers_of", "vendor_ids",
]  # fmt: skip

T = TypeVar("T", str, int, dict[str, JsonValue], list[JsonValue])
E = TypeVar("E", wire.FormUpload, wire.SignedUpload)


def in_order(documents: Sequence[Document], entries: Sequence[E]) -> Sequence[E]:
    """Put a reply's entries into the order of the documents.

    Entries that name their part or file are matched by that where it is unique. Assumption:
    otherwise their order is that of the request.
    """
    if len(entries) != len(documents):
        raise ProtocolError(f"{len(documents)} files were sent, the reply lists {len(entries)}")
    by_part = {entry.part_name: entry for entry in entries}
    by_name = {entry.file_name: entry for entry in entries}
    parts = [f"file{index}" for index in range(len(documents))]
    if set(by_part) == set(parts):
        return [by_part[part] for part in parts]
    if len(by_name) == len(documents) and set(by_name) == {d.name for d in documents}:
        return [by_name[document.name] for document in documents]
    return entries


def form_uploads(
    documents: Sequence[Document], reply: wire.FilesReply
) -> Sequence[wire.FormUpload]:
    """Return the entries of a form's reply in the order of the documents, if they are stored.

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
    return in_order(documents, reply.uploads)


def signed_session(
    bare: Session,
    documents: Sequence[Document],
    uploads: Sequence[wire.SignedUpload],
    names: SignedFields,
) -> Session:
    """Return the session of a registered job; the tokens are among its secrets.

    Raises:
        ProtocolError: see ``transfers_of``.
    """
    transfers: list[Transfer] = []
    known: dict[str, JsonValue] = {}
    tokens: dict[str, str] = {}
    for document, upload in zip(documents, uploads, strict=True):
        transfers.extend(transfers_of(document, upload, names))
        known[document.id] = [upload.document_id, _multipart_id(upload, names)]
        tokens[upload.document_id] = upload.upload_token
    return Session(
        transfers=tuple(transfers),
        data={**bare.data, "mode": "signed", "documents": known},
        secrets={**bare.secrets, **tokens},
    )


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
    at = 0
    for number, part in enumerate(parts, 1):
        if part.number != number or part.pieces[0].offset != at or part.size < 0:
            break
        at = part.pieces[0].end
    else:
        if at == document.size:
            return tuple(parts)
    ranges = ", ".join(f"{p.number}: {p.pieces[0].offset}+{p.size}" for p in parts[:5])
    raise ProtocolError(
        f"{document.name}: the parts do not cover its {document.size} bytes in order: {ranges}",
        hint="set signed_fields.range_end_inclusive to false if the ends are one too large",
    )


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


# --------------------------------------------------------------------------- completion


def vendor_ids(session: Session) -> dict[str, tuple[str, str | None]]:
    """Return document -> (Plangrep's id, id of its multipart upload or None)."""
    known = session.data["documents"]
    assert isinstance(known, dict)
    return {
        document: (str(entry[0]), str(entry[1]) if entry[1] else None)
        for document, entry in known.items()
        if isinstance(entry, list)
    }


def signed_body(
    session: Session, uploads: Mapping[str, tuple[str, str | None]], receipts: Sequence[Receipt]
) -> dict[str, JsonValue]:
    """Return a record per document: its token, and for parts their numbers and ETags.

    Source: docs.plangrep.com/api-reference/uploads/complete-uploads.
    """
    owner = {transfer.id: transfer.pieces[0].document for transfer in session.transfers}
    direct: list[JsonValue] = []
    multipart: list[JsonValue] = []
    for document, (id, upload) in uploads.items():
        token = session.secrets[id]
        if upload is None:
            direct.append({"documentId": id, "uploadToken": token})
            continue
        own = sorted((r for r in receipts if owner[r.transfer] == document), key=lambda r: r.number)
        record: dict[str, JsonValue] = {"documentId": id, "multipartUploadId": upload}
        record["uploadToken"] = token
        record["parts"] = [{"partNumber": r.number, "etag": r.token} for r in own]
        multipart.append(record)
    records: dict[str, JsonValue] = {"directUploads": direct, "multipartUploads": multipart}
    return {name: listed for name, listed in records.items() if listed}
