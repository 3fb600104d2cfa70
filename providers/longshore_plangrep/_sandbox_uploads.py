"""The uploads of the sandbox: the form, the registration, and complete."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from longshore.sandbox import (
    BadCall,
    Call,
    Form,
    FormPart,
    Reply,
    StorageError,
    iso_time,
    route,
)
from longshore_plangrep._sandbox_door import API
from longshore_plangrep._sandbox_fields import CLASSIFICATION, SHA256
from longshore_plangrep._sandbox_jobs import Jobs
from longshore_plangrep._sandbox_records import HeldDocument, HeldJob

__all__ = ["Uploads"]

_OPEN = ("awaiting_uploads", "uploading")
_MOST_PARTS = 10_000

_METADATA = {"clientUploadFlowId": str, "files": list}
_FORM_FILE = {
    "partName!": (str, 1, 100),
    "fileName!": (str, 1, 1024),
    "contentType!": (str, 1, 255),
    "classification": CLASSIFICATION,
    "sha256": SHA256,
}
_REGISTERED = {
    "fileName!": (str, 1, 1024),
    "contentType!": (str, 1, 255),
    "fileSize!": int,
    "sha256!": SHA256,
    "classification": CLASSIFICATION,
}
_COMPLETE = {
    "documentIds": list,
    "directUploads": list,
    "multipartUploads": list,
    "failedUploads": list,
}
_DIRECT = {"documentId!": str, "uploadToken!": str}
_MULTIPART = {
    "documentId!": str,
    "multipartUploadId!": str,
    "uploadToken!": str,
    "parts!": (list, 1, _MOST_PARTS),
}
_PART = {"partNumber!": int, "etag!": (str, 1, 1024)}


class Uploads(Jobs):
    """The calls that bring the files of a job."""

    # ------------------------------------------------------------------ the form

    @route("POST", f"{API}/jobs/{{job_id}}/files")
    def upload_files(self, call: Call, now: float, job_id: str) -> Reply:
        """Source: api-reference/uploads/upload-files, concepts/uploads."""
        job = self._open_job(job_id, now)
        form = call.form()
        described = self._described(form)
        files = {part.name: part for part in form.files()}
        self._check_room(job, len(files), sum(part.blob.size for part in files.values()))
        added = [self._form_document(files[entry["partName"]], entry) for entry in described]
        status = self.assumptions["form_status"]
        if status != "skipped":
            job.documents.extend(added)
        uploads = [
            {"documentId": document.id, "partName": entry["partName"], "fileName": document.name}
            for document, entry in zip(added, described, strict=True)
        ]
        shown = self._shown(uploads, self.assumptions["form_uploads"])
        said = {} if status == "absent" else {"status": status}
        return Reply.json(200, {"job": self.view(job, now), **said, "uploads": shown})

    def _described(self, form: Form) -> list[dict[str, Any]]:
        """Return the metadata's files; their parts and those of the form are the same.

        Strict where it is not documented: that metadata comes first is the guide's order, and
        api-reference/uploads/upload-files requires no field of a file, as concepts/uploads does.
        """
        text = form.text("metadata")
        if text is None or form[0].name != "metadata":
            raise BadCall("the form must begin with a text part metadata")
        try:
            metadata = self.fields(json.loads(text), _METADATA, "metadata")
        except ValueError:
            raise BadCall("metadata is not JSON") from None
        entries = [self.fields(e, _FORM_FILE, "a file") for e in metadata.get("files", [])]
        names = [entry["partName"] for entry in entries]
        sent = [part.name for part in form if part.name != "metadata"]
        if any(part.filename is None for part in form if part.name != "metadata"):
            raise BadCall("only metadata may be a text part")
        if "file0" not in sent:
            raise BadCall("a part file0 is required")
        if sorted(names) != sorted(sent) or len(set(names)) != len(names):
            raise BadCall(f"metadata describes {names}, the form holds {sent}")
        return entries

    def _form_document(self, part: FormPart, entry: dict[str, Any]) -> HeldDocument:
        wanted = entry.get("sha256")
        wrong = wanted is not None and wanted != part.blob.sha256
        if wrong and self.assumptions["mismatch"] == "refuse":
            self.refuse_as("invalid", "sha256_mismatch", f"{entry['partName']}: other bytes came")
        document = self._document(entry, part.blob.size, "form")
        document.blob = part.blob
        document.error = "the bytes do not have the declared SHA-256" if wrong else None
        return document

    def _document(self, entry: dict[str, Any], size: int, mode: str) -> HeldDocument:
        return HeldDocument(
            id=self.new_id("doc_"),
            file_id=self.new_id("file_"),
            name=entry["fileName"],
            content_type=entry["contentType"],
            size=size,
            mode=mode,
            sha256=entry.get("sha256"),
            classification=entry.get("classification"),
        )

    def _open_job(self, job_id: str, now: float) -> HeldJob:
        job = self.job(job_id, now)
        status = self.status(job, now)
        if status not in _OPEN:
            self.refuse_as("conflict", "job_not_accepting_uploads", f"the job is {status}")
        return job

    def _check_room(self, job: HeldJob, files: int, size: int) -> None:
        """Source: concepts/uploads (100 files, 10 GB; refused before any byte moves)."""
        if len(job.documents) + files > self.assumptions["max_files"]:
            self.refuse_as("limit", "too_many_files", "a job takes no more files")
        declared = sum(document.size for document in job.documents) + size
        if declared > self.assumptions["max_declared_bytes"]:
            self.refuse_as("limit", "too_many_bytes", "a job takes no more bytes")

    def _shown(self, uploads: list[dict[str, Any]], choice: str) -> list[dict[str, Any]]:
        if choice == "ids":
            uploads = [
                {k: v for k, v in u.items() if k not in ("partName", "fileName")} for u in uploads
            ]
        return uploads[::-1] if self.assumptions["uploads_order"] == "reversed" else uploads

    # ------------------------------------------------------------------ the registration

    @route("POST", f"{API}/jobs/{{job_id}}/uploads")
    def register(self, call: Call, now: float, job_id: str) -> Reply:
        """Source: api-reference/uploads/register-uploads."""
        job = self._open_job(job_id, now)
        body = self.fields(call.json_object(), {"files!": (list, 1, 100)})
        entries = [self.fields(entry, _REGISTERED, "a file") for entry in body["files"]]
        if any(entry["fileSize"] < 0 for entry in entries):
            raise BadCall("fileSize must not be negative")
        self._check_room(job, len(entries), sum(entry["fileSize"] for entry in entries))
        uploads = [self._instruction(job, entry, now) for entry in entries]
        shown = self._shown(uploads, self.assumptions["register_uploads"])
        return Reply.json(200, {"job": self.view(job, now), "uploads": shown})

    def _instruction(self, job: HeldJob, entry: dict[str, Any], now: float) -> dict[str, Any]:
        large = entry["fileSize"] > self.assumptions["multipart_above"]
        mode = "multipart" if large else "direct_put"
        document = self._document(entry, entry["fileSize"], mode)
        document.token = self.new_token("tok_")
        document.key = f"{job.id}/{document.id}"
        job.documents.append(document)
        lifetime = self.assumptions["url_lifetime"]
        details = self._parts(document, now) if large else self._direct(document, now)
        return {
            "documentId": document.id,
            "fileName": document.name,
            "uploadMode": mode,
            "uploadToken": document.token,
            "expiresAt": iso_time(int(now) + lifetime),
            **details,
        }

    def _direct(self, document: HeldDocument, now: float) -> dict[str, Any]:
        digest = base64.b64encode(bytes.fromhex(document.sha256 or "")).decode()
        headers = {"Content-Type": document.content_type, "x-amz-checksum-sha256": digest}
        url = self.storage.presign(
            "PUT",
            document.key,
            now=now,
            expires=self.assumptions["url_lifetime"],
            headers=headers,
        )
        return {"uploadUrl": url, self._name("headers"): headers}

    def _parts(self, document: HeldDocument, now: float) -> dict[str, Any]:
        document.upload_id = self.storage.initiate(document.key, document.content_type)
        size = max(self.assumptions["part_bytes"], -(-document.size // _MOST_PARTS))
        after = 0 if self.assumptions["signed_fields_range_end_inclusive"] else 1
        lifetime = self.assumptions["url_lifetime"]
        headers = {"x-amz-meta-part": "yes"} if self.assumptions["part_headers"] else {}
        parts = [
            {
                self._name("part_number"): number,
                self._name("range_start"): start,
                self._name("range_end"): min(start + size, document.size) - 1 + after,
                self._name("part_url"): self.storage.presign(
                    "PUT",
                    document.key,
                    now=now,
                    expires=lifetime,
                    query={"uploadId": document.upload_id, "partNumber": str(number)},
                    headers=headers,
                ),
                **({self._name("headers"): headers} if headers else {}),
            }
            for number, start in enumerate(range(0, document.size, size), 1)
        ]
        return {self._name("multipart_id"): document.upload_id, self._name("parts"): parts}

    def _name(self, field: str) -> str:
        return str(self.assumptions[f"signed_fields_{field}"])

    # ------------------------------------------------------------------ complete

    @route("POST", f"{API}/jobs/{{job_id}}/uploads/complete")
    def complete(self, call: Call, now: float, job_id: str) -> Reply:
        """Source: api-reference/uploads/complete-uploads."""
        job = self.job(job_id, now)
        body = self.fields(call.json_object(), _COMPLETE)

        def make() -> HeldJob:
            self._open_job(job_id, now)
            self._complete(job, body, now)
            return job

        _, replayed = self.once(call, now, f"complete {job_id}", make)
        reply: dict[str, Any] = {"job": self.view(job, now)}
        if replayed:
            reply["idempotent"] = True
        return Reply.json(202, reply)

    def _complete(self, job: HeldJob, body: dict[str, Any], now: float) -> None:
        """Check everything before anything is changed, then begin the work."""
        held = {document.id: document for document in job.documents}
        forms = {id: document for id, document in held.items() if document.mode == "form"}
        named = body.get("documentIds")
        chosen = set(held if named is None else self._known(named, held))
        direct = self._records(body, "directUploads", _DIRECT, held, "direct_put")
        multipart = self._records(body, "multipartUploads", _MULTIPART, held, "multipart")
        if body.get("failedUploads") and self.assumptions["failed_record"] == "other":
            raise BadCall("failedUploads: a field is missing")
        failed = {self._record_id(record, held): record for record in body.get("failedUploads", [])}
        proved = {**direct, **multipart}
        if set(proved) & set(failed):
            raise BadCall("a document is both uploaded and failed")
        for document in (held[id] for id in direct):
            self._check_object(document)
        accounted = set(proved) | set(failed) | (set(forms) & chosen)
        left = [id for id in held if id not in accounted]
        if left and self.assumptions["left_out"] == "refuse":
            self.refuse_as(
                "conflict", "uploads_incomplete", f"not accounted for: {', '.join(left)}"
            )
        if not accounted:
            self.refuse_as("conflict", "no_uploads", "nothing was uploaded")
        for id, record in multipart.items():
            self._assemble(held[id], record)
        for id in failed:
            held[id].error = "the client could not upload it"
        job.documents = [document for id, document in held.items() if id in accounted]
        self.begin(job, now)

    def _known(self, ids: list[Any], held: dict[str, HeldDocument]) -> list[str]:
        if unknown := [id for id in ids if not isinstance(id, str) or id not in held]:
            self.refuse_as("missing", "unknown_document", f"not of this job: {unknown}")
        return ids

    def _records(
        self,
        body: dict[str, Any],
        field: str,
        spec: Mapping[str, Any],
        held: dict[str, HeldDocument],
        mode: str,
    ) -> dict[str, dict[str, Any]]:
        """Return the records of one kind by document; each proves itself by its token."""
        records: dict[str, dict[str, Any]] = {}
        for entry in body.get(field, []):
            record = self.fields(entry, spec, field)
            document = held[self._record_id(record, held)]
            if document.mode != mode or document.id in records:
                raise BadCall(f"{field}: {document.id} was registered as {document.mode}, once")
            if record["uploadToken"] != document.token:
                self.refuse_as("invalid", "invalid_upload_token", f"{document.id}: wrong token")
            if mode == "multipart" and record["multipartUploadId"] != document.upload_id:
                self.refuse_as("invalid", "invalid_multipart_upload", f"{document.id}: wrong id")
            records[document.id] = record
        return records

    def _record_id(self, record: Any, held: dict[str, HeldDocument]) -> str:
        if not isinstance(record, dict):
            raise BadCall("a record must be an object")
        (id,) = self._known([record.get("documentId")], held)
        return id

    def _check_object(self, document: HeldDocument) -> None:
        stored = self.storage.get(document.key)
        if stored is None:
            self.refuse_as("conflict", "upload_missing", f"{document.id}: nothing was put")
        self._verify(document)

    def _assemble(self, document: HeldDocument, record: dict[str, Any]) -> None:
        if self.storage.get(document.key) is None:
            parts = [self.fields(part, _PART, "a part") for part in record["parts"]]
            try:
                pairs = [(part["partNumber"], part["etag"]) for part in parts]
                self.storage.complete(document.upload_id, pairs)
            except StorageError as error:
                self.refuse_as("invalid", "invalid_parts", f"{document.id}: {error}")
        self._verify(document)

    def _verify(self, document: HeldDocument) -> None:
        """Compare with the registration: exact size and SHA-256, else the document fails."""
        stored = self.storage.get(document.key)
        assert stored is not None
        document.blob = stored.blob
        if (stored.blob.size, stored.blob.sha256) != (document.size, document.sha256):
            document.error = "the bytes do not have the declared size and SHA-256"
