"""The other side of the three example providers, just strict enough to be proved against."""

from __future__ import annotations

import re
from typing import Any

from longshore.sandbox import (
    Blob,
    Call,
    PartCounts,
    Reply,
    Vendor,
    document_state,
    job_state,
    route,
)


class TusServer(Vendor):
    """tus 1.0 with creation and termination."""

    name = "tus"
    home = "https://tus.example"

    def __init__(self) -> None:
        super().__init__()
        self.uploads: dict[str, tuple[str, int, Blob]] = {}

    def guard(self, call: Call, now: float) -> Reply | None:
        """Refuse another version, and whoever has no key."""
        if call.headers.get("tus-resumable") != "1.0.0":
            return Reply.empty(412)
        return None if call.bearer else Reply.empty(401)

    @route("POST", "/files")
    def create(self, call: Call, now: float) -> Reply:
        """Make an upload; its address is absolute."""
        id = self.new_id("u")
        metadata = call.headers["upload-metadata"]
        self.uploads[id] = (metadata, int(call.headers["upload-length"]), Blob())
        return Reply.empty(201, {"Location": f"{self.base_url}/files/{id}"})

    @route("HEAD", "/files/{id}")
    def head(self, call: Call, now: float, id: str) -> Reply:
        """Tell how far it came."""
        _, size, data = self.uploads[id]
        return Reply.empty(200, {"Upload-Offset": str(data.size), "Upload-Length": str(size)})

    @route("PATCH", "/files/{id}")
    def patch(self, call: Call, now: float, id: str) -> Reply:
        """Take bytes at the present offset only; never more than ten at once."""
        metadata, size, data = self.uploads[id]
        if call.headers["upload-offset"] != str(data.size):
            return Reply.empty(409)
        data = Blob.join([data, call.body.slice(0, min(10, call.body.size))])
        self.uploads[id] = (metadata, size, data)
        return Reply.empty(204, {"Upload-Offset": str(data.size)})

    def state(self, now: float) -> Any:
        """Every upload is its own job."""
        jobs, documents = [], []
        for id, (metadata, size, data) in self.uploads.items():
            whole = data.size == size
            jobs.append(job_state(f"/files/{id}", "stored" if whole else "open"))
            if whole:
                documents.append(document_state(metadata, data, f"/files/{id}"))
        return {"documents": documents, "jobs": jobs, "parts": {}}


class Bucket(Vendor):
    """The multipart part of S3, without signatures."""

    name = "s3"
    home = "https://bucket.example"

    def __init__(self) -> None:
        super().__init__()
        self.open: dict[str, dict[int, Blob]] = {}
        self.objects: dict[str, Blob] = {}
        self.puts = PartCounts()

    @route("POST", "/{folder}/{file}")
    def create_or_complete(self, call: Call, now: float, folder: str, file: str) -> Reply:
        """Make an upload, or put its parts together."""
        upload = call.param("uploadId")
        if not upload:
            upload = self.new_id("up")
            self.open[upload] = {}
            return Reply.text(200, f"<R><UploadId>{upload}</UploadId></R>")
        if upload not in self.open:
            return Reply.text(404, "<Error><Code>NoSuchUpload</Code></Error>")
        text = bytes(call.body).decode()
        named = re.findall(r"<PartNumber>(\d+)</PartNumber><ETag>&quot;|<ETag>([^<]+)<", text)
        parts = self.open.pop(upload)
        assert len(named) >= len(parts)
        self.objects[f"/{folder}/{file}"] = Blob.join(parts[n] for n in sorted(parts))
        return Reply.text(200, "<CompleteMultipartUploadResult/>")

    @route("PUT", "/{folder}/{file}")
    def part(self, call: Call, now: float, folder: str, file: str) -> Reply:
        """Take one part; the last one of its number counts."""
        upload, number = call.param("uploadId"), int(call.param("partNumber"))
        self.puts.add(upload, number)
        self.open[upload][number] = call.body
        return Reply.empty(200, {"ETag": f'"{call.body.md5}"'})

    @route("HEAD", "/{folder}/{file}")
    def head(self, call: Call, now: float, folder: str, file: str) -> Reply:
        """Tell whether the object is there."""
        return Reply.empty(200 if f"/{folder}/{file}" in self.objects else 404)

    @route("DELETE", "/{folder}/{file}")
    def abort(self, call: Call, now: float, folder: str, file: str) -> Reply:
        """Forget an upload."""
        return Reply.empty(204 if self.open.pop(call.param("uploadId"), None) else 404)

    def state(self, now: float) -> Any:
        """Every object is a job that is over; an open upload does nothing."""
        return {
            "documents": [document_state(key, data, key) for key, data in self.objects.items()],
            "jobs": [
                *(job_state(key, "stored") for key in self.objects),
                *(job_state(upload, "open") for upload in self.open),
            ],
            "parts": self.puts.state(),
        }


class LlamaParseServer(Vendor):
    """A form, and a job that is soon completed."""

    name = "llamaparse"
    home = "https://api.cloud.llamaindex.ai"

    def __init__(self) -> None:
        super().__init__()
        self.jobs: dict[str, tuple[float, str, Blob]] = {}

    @route("POST", "/api/v2/parse/upload")
    def upload(self, call: Call, now: float) -> Reply:
        """Take one file and its configuration."""
        form = call.form()
        (file,) = form.files("file")
        assert form.text("configuration")
        id = self.new_id("job")
        self.jobs[id] = (now, file.filename or "", file.blob)
        return Reply.json(200, {"id": id})

    @route("GET", "/api/v2/parse/{id}")
    def show(self, call: Call, now: float, id: str) -> Reply:
        """Run for a while."""
        word = "RUNNING" if now < self.jobs[id][0] + 8 else "COMPLETED"
        return Reply.json(200, {"job": {"id": id, "status": word}})

    def state(self, now: float) -> Any:
        """Every form is a job."""
        return {
            "documents": [
                document_state(name, blob, id) for id, (_, name, blob) in self.jobs.items()
            ],
            "jobs": [job_state(id, "done") for id in self.jobs],
            "parts": {},
        }
