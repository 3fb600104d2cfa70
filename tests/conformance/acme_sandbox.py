"""The vendor of Acme, which exists nowhere but here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from longshore.sandbox import (
    Blob,
    Call,
    Refuse,
    Reply,
    StatusWalk,
    Vendor,
    document_state,
    job_state,
    route,
)

FILES = "https://files.acme.example"


class AcmeSandbox(Vendor):
    """The vendor's side."""

    name = "acme"
    home = "https://api.acme.example"

    def __init__(self, assumptions: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        self.lifetime = 600.0
        self.walk = StatusWalk.parse("queued:0.5,working:0.5,done")
        self.uploads: dict[str, dict[str, Any]] = {}
        self.jobs: dict[str, dict[str, Any]] = {}
        self.keys: dict[str, Reply] = {}

    def guard(self, call: Call, now: float) -> Reply | None:
        """Ask for a key."""
        return None if call.bearer else Reply.json(401, {"message": "who are you?"})

    def _upload(self, id: str) -> dict[str, Any]:
        if id not in self.uploads:
            raise Refuse(Reply.json(404, {"message": "no such upload"}))
        return self.uploads[id]

    def _job(self, id: str) -> dict[str, Any]:
        if id not in self.jobs:
            raise Refuse(Reply.json(404, {"message": "no such job"}))
        return self.jobs[id]

    @route("GET", "/v1/me")
    def me(self, call: Call, now: float) -> Reply:
        """Show the account."""
        return Reply.json(200, {"account": "acme-1", "plan": "free"})

    @route("POST", "/v1/uploads")
    def open(self, call: Call, now: float) -> Reply:
        """Open an upload; a repeated key gets the first answer again."""
        key = call.headers.get("idempotency-key", "")
        if key and key in self.keys:
            return self.keys[key]
        asked = call.json_object()
        id = self.new_id("up_")
        self.uploads[id] = {**asked, "state": "open", "parts": {}, "token": self.new_token("tok_")}
        urls = self._urls(id, asked["parts"], now)
        body = {"upload": {"id": id, "token": self.uploads[id]["token"], "urls": urls}}
        reply = Reply.json(201, body)
        if key:
            self.keys[key] = reply
        return reply

    def _urls(self, id: str, count: int, now: float) -> list[dict[str, Any]]:
        until = int(now + self.lifetime)
        signature = self.uploads[id]["token"][::-1]
        return [
            {"url": f"{FILES}/put/{id}/{n}?until={until}&signature={signature}", "until": until}
            for n in range(1, count + 1)
        ]

    @route("POST", "/v1/uploads/{id}/urls")
    def renew(self, call: Call, now: float, id: str) -> Reply:
        """Give fresh URLs."""
        return Reply.json(200, {"urls": self._urls(id, self._upload(id)["parts_wanted"], now)})

    @route("PUT", "/put/{id}/{number}", guarded=False)
    def put(self, call: Call, now: float, id: str, number: str) -> Reply:
        """Take a part; whoever brings the API key here has made a mistake."""
        upload = self._upload(id)
        if call.bearer or call.param("signature") != upload["token"][::-1]:
            return Reply.text(403, "wrong signature")
        if now > float(call.param("until")):
            return Reply.text(403, "expired")
        upload["parts"][int(number)] = call.body.read()
        return Reply.empty(200, {"ETag": f'"{len(call.body.read())}-{number}"'})

    @route("POST", "/v1/uploads/{id}/finish")
    def finish(self, call: Call, now: float, id: str) -> Reply:
        """Make a job of an upload."""
        upload, asked = self._upload(id), call.json_object()
        if asked["token"] != upload["token"] or len(asked["etags"]) != len(upload["parts"]):
            return Reply.json(422, {"message": "parts are missing"})
        if upload["state"] == "aborted":
            return Reply.json(409, {"message": "aborted"})
        if call.param("once") and (job := next(self._jobs_of(id), "")):
            return Reply.json(202, {"job": self._shown(job, now)})
        upload["state"] = "finished"
        job = self.new_id("job_")
        self.jobs[job] = {"upload": id, "at": now, "reference": asked["reference"], "word": ""}
        return Reply.json(202, {"job": self._shown(job, now)})

    def _jobs_of(self, upload: str) -> Iterator[str]:
        return (id for id, job in self.jobs.items() if job["upload"] == upload)

    def _shown(self, id: str, now: float) -> dict[str, Any]:
        job = self.jobs[id]
        upload = self.uploads[job["upload"]]
        word = job["word"] or self.walk.at(job["at"], now)
        if "review" in upload["name"] and word == "done" and not job.get("approved"):
            word = "review"
        files = [{"file": job["upload"], "name": upload["name"], "status": word, "note": None}]
        return {"id": id, "status": word, "reference": job["reference"], "files": files}

    @route("GET", "/v1/jobs")
    def list(self, call: Call, now: float) -> Reply:
        """List all jobs, or those of a reference."""
        wanted = call.param("reference")
        found = [
            self._shown(id, now)
            for id, job in self.jobs.items()
            if wanted in ("", job["reference"])
        ]
        return Reply.json(200, {"jobs": found})

    @route("GET", "/v1/jobs/{id}")
    def show(self, call: Call, now: float, id: str) -> Reply:
        """Show a job."""
        self._job(id)
        return Reply.json(200, {"job": self._shown(id, now)})

    @route("GET", "/v1/jobs/{id}/result")
    def result(self, call: Call, now: float, id: str) -> Reply:
        """Show what was read."""
        self._job(id)
        return Reply.json(200, {"pages": 1, "text": "hello"})

    @route("POST", "/v1/jobs/{id}/{verb}")
    def change(self, call: Call, now: float, id: str, verb: str) -> Reply:
        """Cancel or approve a job."""
        job, word = self._job(id), self._shown(id, now)["status"]
        if verb == "approve":
            job["approved"] = True
        elif word in ("queued", "working", "review"):
            job["word"] = "cancelled"
        return Reply.json(200, {"job": self._shown(id, now)})

    @route("DELETE", "/v1/uploads/{id}")
    def abort(self, call: Call, now: float, id: str) -> Reply:
        """Give an upload back."""
        upload = self._upload(id)
        upload["state"] = "aborted" if upload["state"] == "open" else upload["state"]
        return Reply.empty(204)

    def state(self, now: float) -> Any:
        """Uploads that are open count as jobs, too."""
        jobs = [job_state(id, self._shown(id, now)["status"]) for id in self.jobs]
        jobs += [
            job_state(id, upload["state"])
            for id, upload in self.uploads.items()
            if upload["state"] != "finished"
        ]
        documents = [
            document_state(upload["name"], _blob(upload), id)
            for id, job in self.jobs.items()
            for upload in [self.uploads[job["upload"]]]
        ]
        return {"documents": documents, "jobs": jobs, "parts": {}}


def _blob(upload: Mapping[str, Any]) -> Blob:
    return Blob(b"".join(data for _, data in sorted(upload["parts"].items())))
