"""The client for everybody else: the same one, in a thread of its own."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator, Mapping
from functools import partial
from os import PathLike
from types import TracebackType
from typing import Any, TypeVar, Unpack

from longshore.client._async import AsyncClient
from longshore.client._portal import Portal
from longshore.client._upload import Upload
from longshore.journal import DocumentRecord, RunRecord
from longshore.lifecycle import Action
from longshore.pipeline import (
    Environment,
    Listener,
    Offer,
    OnIncompatible,
    Options,
    Paths,
    RunReport,
)
from longshore.provider import Results

__all__ = ["Arguments", "Client"]

T = TypeVar("T")


class Arguments(Options, total=False):
    """What ``AsyncClient`` takes besides its target."""

    settings: Mapping[str, str] | None
    config: str | PathLike[str] | None
    journal: str | PathLike[str] | None
    listener: Listener | None
    environment: Environment | None


class Client:
    """Uploads to one target, without an event loop of your own.

    The same as ``AsyncClient``, whose one engine it runs in a thread of its own. A Ctrl-C ends
    what runs there before ``KeyboardInterrupt`` is raised here: nothing goes on behind the
    caller's back.
    """

    def __init__(self, target: str, **arguments: Unpack[Arguments]) -> None:
        self._client = AsyncClient(target, **arguments)
        self._portal = Portal()

    def __enter__(self) -> Client:
        """Start the thread and open the journal; see ``AsyncClient.__aenter__``."""
        self._portal.open(self._client)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the thread and close the journal; see ``AsyncClient.__aexit__``."""
        self._portal.close()

    def _call(self, work: Callable[..., Coroutine[Any, Any, T]], *arguments: object) -> T:
        return self._portal.call(partial(work, *arguments))

    def upload(self, paths: Paths) -> RunReport:
        """Carry documents to the target; see ``AsyncClient.upload``.

        Raises:
            KeyboardInterrupt: Ctrl-C; requests in flight have ended, and the run can be resumed. A
                second one waits for nothing.
        """
        return self._call(self._client.upload, paths)

    def resume(self, run_id: str, *, on_incompatible: OnIncompatible = "fail") -> RunReport:
        """Go on with a run where it was interrupted; see ``AsyncClient.resume``.

        Raises:
            KeyboardInterrupt: as for ``upload``.
        """
        resume = partial(self._client.resume, on_incompatible=on_incompatible)
        return self._call(resume, run_id)

    def rerun(self, run_id: str) -> RunReport:
        """Send what failed, expired or was cancelled again; see ``AsyncClient.rerun``.

        Raises:
            KeyboardInterrupt: as for ``upload``.
        """
        return self._call(self._client.rerun, run_id)

    def cancel(self, run_id: str) -> RunReport:
        """Cancel what is not over in a run; see ``AsyncClient.cancel``."""
        return self._call(self._client.cancel, run_id)

    def actions(self, run_id: str | None = None) -> list[Offer]:
        """Return the jobs that wait for somebody, or offer something; only reads the journal."""
        return self._call(self._client.actions, run_id)

    def act(self, job_id: str, action: str | Action) -> Upload | None:
        """Do what a job of this target offers; see ``AsyncClient.act``."""
        return self._call(self._client.act, job_id, action)

    def unfinished(self) -> list[RunRecord]:
        """Return the runs of this target that are not over; see ``AsyncClient.unfinished``."""
        return self._call(self._client.unfinished)

    def documents(self, run_id: str) -> Iterator[DocumentRecord]:
        """Yield the documents of a run with what became of them."""
        records = self._client.documents(run_id)

        async def after() -> DocumentRecord | None:
            return await anext(records, None)

        while (record := self._call(after)) is not None:
            yield record

    def start(self, paths: Paths) -> Upload:
        """Open a session; see ``AsyncClient.start``."""
        return self._call(self._client.start, paths)

    def send(self, upload: Upload) -> Upload:
        """Send every part that has not arrived yet."""
        return self._call(self._client.send, upload)

    def complete(self, upload: Upload) -> Upload:
        """Say that all has been sent; the vendor goes to work."""
        return self._call(self._client.complete, upload)

    def poll(self, upload: Upload) -> Upload:
        """Ask once how the job stands."""
        return self._call(self._client.poll, upload)

    def wait(self, upload: Upload, *, at_most: float | None = None) -> Upload:
        """Poll until the job is over or needs somebody; see ``AsyncClient.wait``."""

        async def wait() -> Upload:
            return await self._client.wait(upload, at_most=at_most)

        return self._call(wait)

    def results(self, upload: Upload) -> Results:
        """Fetch what the vendor read out of the documents."""
        return self._call(self._client.results, upload)
