"""The server kit for vendors' contracts: what a provider's sandbox is built from.

A vendor is a pure core, `handle(call, now) -> Reply`, written as routes. It enforces what the
vendor documents and names everything else as an `Assumption`. Simulators call it directly;
`serve` puts the same core on a port. A whole vendor that takes one form and works for a while:

    class Acme(Vendor):
        name = "acme"
        home = "https://api.acme.example"           # the documented base URL
        table = (
            Assumption("walk", "queued:0.03,working:0.03,done", "how a job goes on by itself",
                       "not documented: times"),
            Assumption("missing_key", 401, "status of a missing key", "not documented: status",
                       choices=(401, 403)),
        )

        def set_up(self):                            # the assumptions are known by now
            self.walk = StatusWalk.parse(self.assumptions["walk"])
            self.limit = RateLimit(60, per=1.0)
            self.bucket = Storage("https://files.acme.example", "ingest")   # signed URLs
            self.storages.append(self.bucket)        # its calls are answered before any route
            self.jobs = {}

        def guard(self, call, now):                  # asked before every route
            if call.bearer != "test-key":
                return self.error(self.assumptions["missing_key"], "no")
            if wait := self.limit.take(call.bearer, now):
                return self.error(429, "slow down").retry_after(wait)
            return None

        @route("POST", "/v1/jobs")
        def create(self, call, now):
            files = call.form().files("file")        # strict; BadCall becomes bad_call(error)
            if not files:
                self.refuse(422, "file is missing")      # in its error form: override `error`
            job = self.new_id("job_")                # counted, never random
            self.jobs[job] = (now, files)
            return Reply.json(202, {"id": job, "createdAt": iso_time(now)})

        @route("POST", "/v1/tickets")                # a signed PUT, good for 10 minutes
        def ticket(self, call, now):
            key = call.json_object()["key"]
            return Reply.json(201, {"url": self.bucket.presign("PUT", key, now=now, expires=600)})

        @route("GET", "/v1/jobs/{job}")
        def show(self, call, now, job):
            created, _ = self.jobs[job]
            return Reply.json(200, {"id": job, "status": self.walk.at(created, now)})

        def state(self, now):                        # GET {base_url}/_sandbox/state
            return {
                "documents": [document_state(file.filename, file.blob, job)
                              for job, (_, files) in self.jobs.items() for file in files],
                "jobs": [job_state(job, self.walk.at(created, now), [f.filename for f in files])
                         for job, (created, files) in self.jobs.items()],
                "parts": self.storage_parts(),
            }

    Acme().handle(Call.of("GET", "https://api.acme.example/v1/jobs/job_000001"), now=0.0)
    with serve([Acme()]) as running:
        running.urls["acme"]                         # "http://127.0.0.1:43127/acme"

In a shell the base URL is not `home`: build absolute URLs from `self.base_url` and `Storage` only.
`Recorder(vendor, faults)` is what a simulator drives: it counts calls and raises `Dropped`.
`serve`, `run_forever` and `asgi_app` need the extra `longshore[sandbox]`; nothing else does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from longshore.sandbox._assumptions import Assumption
from longshore.sandbox._blob import Blob, Spool
from longshore.sandbox._blocks import PartCounts, RateLimit, StatusWalk, iso_time
from longshore.sandbox._calls import BadCall, Call, Refuse, Reply
from longshore.sandbox._faults import Dropped, Fault, Faults
from longshore.sandbox._forms import Form, FormPart
from longshore.sandbox._recorder import Recorder
from longshore.sandbox._signing import Credentials, SignatureRefused, presign_v2, presign_v4, verify
from longshore.sandbox._storage import Storage, StorageError, StoredObject
from longshore.sandbox._vendor import Vendor, VendorState, document_state, job_state, route

if TYPE_CHECKING:
    from longshore.sandbox._app import asgi_app
    from longshore.sandbox._shell import RunningSandbox, run_forever, serve

_SHELL = ("RunningSandbox", "asgi_app", "run_forever", "serve")

__all__ = [
    "Assumption",
    "BadCall",
    "Blob",
    "Call",
    "Credentials",
    "Dropped",
    "Fault",
    "Faults",
    "Form",
    "FormPart",
    "PartCounts",
    "RateLimit",
    "Recorder",
    "Refuse",
    "Reply",
    "RunningSandbox",
    "SignatureRefused",
    "Spool",
    "StatusWalk",
    "Storage",
    "StorageError",
    "StoredObject",
    "Vendor",
    "VendorState",
    "asgi_app",
    "document_state",
    "iso_time",
    "job_state",
    "presign_v2",
    "presign_v4",
    "route",
    "run_forever",
    "serve",
    "verify",
]


def __getattr__(name: str) -> Any:
    """Load the shell when it is first asked for: only it needs the extra."""
    if name not in _SHELL:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from longshore.sandbox import _app, _shell
    except ModuleNotFoundError as error:
        raise ImportError(
            f"a sandbox on a port needs the extra: pip install 'longshore[sandbox]' ({error})"
        ) from error
    return getattr(_app if name == "asgi_app" else _shell, name)
