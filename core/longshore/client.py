"""The Python API: clients bound to one target, for the whole pipeline or for its four steps."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from inspect import iscoroutinefunction
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import tenacity
from anyio import CancelScope

from longshore._portal import Portal
from longshore.errors import BatchError, LongshoreError, UsageError
from longshore.journal import DocumentRecord, Journal, RunRecord, documents_of, open_journal
from longshore.lifecycle import Job, Outcome, Status
from longshore.pipeline import (
    Environment,
    Listener,
    RunOptions,
    RunReport,
    Step,
    Unit,
    begin,
    execute,
    fetch_results,
    find_documents,
    open_engine,
    prepare,
    run_step,
    settle,
    stoppable,
    take,
)
from longshore.provider import Results
from longshore.targets import CHANGEABLE, Target, require, resolve_for_resume, resolve_target

__all__ = ["AsyncClient", "Client", "Upload"]

T = TypeVar("T")

Paths = Iterable[str | PathLike[str]] | str | PathLike[str]


@dataclass(frozen=True, slots=True)
class Upload:
    """One batch on its way, as the four steps hand it on.

    Attributes:
        run_id: its run in the journal; ``resume`` takes it.
        batch_id: the batch.
        outcome: what is known of it.
        documents: its documents.
        transfers: how many there are; 0 before ``start``.
        sent: how many of those have arrived.
        job: the vendor's job, after ``complete``.
        status: what the last poll said.
    """

    run_id: str
    batch_id: str
    outcome: Outcome
    documents: tuple[DocumentRecord, ...]
    transfers: int = 0
    sent: int = 0
    job: Job | None = None
    status: Status | None = None


class AsyncClient:
    """Uploads to one target, on an event loop.

    Args:
        target: a target of ``longshore.toml``, or a provider's name or alias.
        settings: overrules file and environment, as ``--set`` does.
        config: the configuration file; None: look for it.
        journal: the journal file; None: the usual place.
        listener: is told what happens.
        environment: what a test replaces.
        options: see ``RunOptions``.
    """

    def __init__(
        self,
        target: str,
        *,
        settings: Mapping[str, str] | None = None,
        config: str | PathLike[str] | None = None,
        journal: str | PathLike[str] | None = None,
        listener: Listener | None = None,
        environment: Environment | None = None,
        **options: Any,
    ) -> None:
        self._config = Path(config) if config else None
        self._overrides = dict(settings or {})
        if iscoroutinefunction(listener):
            raise UsageError("nobody awaits a listener", hint="give an ordinary function")
        self._target: Target = resolve_target(
            target, overrides=self._overrides, config_file=self._config
        )
        self._journal_path = Path(journal) if journal else None
        self._listener = listener
        self._environment = environment or Environment()
        self._options = RunOptions(**options)
        self._stack = AsyncExitStack()
        self._open: Journal | None = None
        self._working: dict[asyncio.Event, asyncio.Event] = {}  # what tells the end -> the stop

    async def __aenter__(self) -> AsyncClient:
        """Open the journal. A client is open once at a time, and may be used by many tasks."""
        if self._open is not None:
            raise UsageError("the client is open already", hint="share it in one `with` block")
        self._open = await self._stack.enter_async_context(open_journal(self._journal_path))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop in good order what still goes on, in other tasks, and close the journal."""
        self._open = None
        try:
            with CancelScope(shield=True):
                for stop in self._working.values():
                    stop.set()
                while self._working:
                    await next(iter(self._working)).wait()
        finally:
            await self._stack.aclose()

    @property
    def _journal(self) -> Journal:
        if self._open is None:
            raise UsageError("the client is not open", hint="use it in a `with` block")
        return self._open

    # ------------------------------------------------------------------ the pipeline

    async def upload(self, paths: Paths, *, stop: asyncio.Event | None = None) -> RunReport:
        """Carry documents to the target and, unless ``wait=False``, follow their jobs.

        Args:
            paths: files, directories, globs.
            stop: set it to end in good order; the run can be resumed. So does a cancellation of
                this task; a second one, or one after the stop, waits for nothing.

        Raises:
            UsageError: there is nothing to carry, or an option breaks a limit of the vendor.
            ConfigurationError: a setting is missing.
        """
        run = await self._begin(paths)
        return await self._execute(self._target, run, stop=stop)

    async def resume(self, run_id: str, *, stop: asyncio.Event | None = None) -> RunReport:
        """Go on with a run where it was interrupted; only what is missing is sent.

        Raises:
            RunNotFound: there is no such run.
            RunInUse: another process executes it.
            UsageError: it was interrupted while it was planned.
        """
        run = await self._journal.run(run_id)
        if not run.planned:
            raise UsageError(
                f"run {run.id} was interrupted before its plan was whole; nothing was sent",
                hint="upload again",
            )
        return await self._execute(self._resumed(run), run, stop=stop)

    async def documents(self, run_id: str) -> AsyncIterator[DocumentRecord]:
        """Yield the documents of a run, in their order, with what became of them.

        Raises:
            RunNotFound: the journal holds no run of this id, nor one whose id begins like it.
        """
        run = await self._journal.run(run_id)
        async for record in documents_of(self._journal, run.id):
            yield record

    # ------------------------------------------------------------------ the four steps

    async def start(self, paths: Paths) -> Upload:
        """Open a session for documents that fit one batch; nothing of them is sent yet.

        Raises:
            UsageError: they do not fit one batch; ``upload`` carries any number.
        """
        run = await self._begin(paths)
        units = await self._journal.units(run.id)
        if len(units) != 1:
            await self._journal.forget_run(run.id)
            raise UsageError(
                f"the documents make {len(units)} batches, start() takes exactly one",
                hint="give fewer documents, or use upload()",
            )
        return await self._until(run, units[0].id, lambda unit: unit.session is not None)

    async def send(self, upload: Upload) -> Upload:
        """Send every part that has not arrived yet."""
        run = await self._journal.run(upload.run_id)
        return await self._until(run, upload.batch_id, _all_sent)

    async def complete(self, upload: Upload) -> Upload:
        """Say that all has been sent; the vendor goes to work."""
        run = await self._journal.run(upload.run_id)
        return await self._until(run, upload.batch_id, lambda unit: unit.job is not None)

    async def poll(self, upload: Upload) -> Upload:
        """Ask once how the job stands, never sooner than the vendor allows."""
        return await self._step(upload, "poll")

    async def wait(self, upload: Upload, *, at_most: float | None = None) -> Upload:
        """Poll until the job is over or needs somebody.

        Args:
            upload: after ``complete``.
            at_most: seconds; None waits as long as it takes.

        Raises:
            tenacity.RetryError: the time is up; the job goes on at the vendor.
        """
        pace = self._target.provider.settings.poll_interval
        polling = tenacity.AsyncRetrying(
            sleep=self._environment.clock.sleep,
            wait=tenacity.wait_exponential(max=30.0) if pace is None else tenacity.wait_fixed(pace),
            stop=tenacity.stop_never if at_most is None else tenacity.stop_after_delay(at_most),
            retry=tenacity.retry_if_result(lambda upload: upload.outcome is Outcome.RUNNING),
        )
        return await polling(self.poll, upload)

    async def results(self, upload: Upload) -> Results:
        """Fetch what the vendor read out of the documents.

        Raises:
            UsageError: the vendor documents no way to fetch results, or there is no job yet.
        """
        provider = self._target.provider
        if upload.job is None or not provider.offers("results"):
            raise UsageError(f"{provider.name} has no results for this upload")
        run = await self._journal.run(upload.run_id)
        async with open_engine(
            self._journal, self._resumed(run), run, self._environment, self._listener
        ) as engine:
            return await fetch_results(engine, upload.job)

    # ------------------------------------------------------------------ how it is done

    async def _begin(self, paths: Paths) -> RunRecord:
        require(self._target)
        names = [paths] if isinstance(paths, str | PathLike) else list(paths)
        candidates = find_documents(str(name) for name in names)
        return await begin(
            self._journal, self._target, candidates, self._options, self._environment
        )

    def _resumed(self, run: RunRecord) -> Target:
        """Make the target of a run again; settings that are those of the run need no repeating."""
        now = self._target.settings_public

        def same(key: str) -> bool:
            name, _, entry = key.partition(".")
            value = now.get(name)
            public = name in now and (not entry or (isinstance(value, dict) and entry in value))
            return public and name not in CHANGEABLE and value == run.settings.get(name)

        return resolve_for_resume(
            run.target,
            run.settings,
            provider_name=run.provider,
            overrides={key: text for key, text in self._overrides.items() if not same(key)},
            config_file=self._config,
        )

    async def _execute(
        self,
        target: Target,
        run: RunRecord,
        *,
        stop: asyncio.Event | None = None,
        until: Callable[[Unit], bool] | None = None,
    ) -> RunReport:
        work = partial(
            execute,
            self._journal,
            target,
            run,
            self._environment,
            listener=self._listener,
            until=until,
        )
        stop, ended = stop or asyncio.Event(), asyncio.Event()
        self._working[ended] = stop
        try:
            return await stoppable(work, stop)
        finally:
            del self._working[ended]
            ended.set()

    async def _until(self, run: RunRecord, batch_id: str, until: Callable[[Unit], bool]) -> Upload:
        report = await self._execute(
            self._resumed(run), run, until=lambda unit: until(unit) or unit.job is not None
        )
        if report.trouble is not None:
            raise report.trouble
        return await self._upload(batch_id)

    async def _step(self, upload: Upload, verb: str) -> Upload:
        run = await self._journal.run(upload.run_id)
        target = self._resumed(run)
        clock = self._environment.clock
        async with (
            self._journal.lock_run(run.id),
            open_engine(self._journal, target, run, self._environment, self._listener) as engine,
        ):
            await prepare(engine)
            unit = await take(engine, upload.batch_id)
            if unit.job is None:
                raise UsageError("there is no job yet", hint="call complete() first")
            polled_at = unit.record.polled_at
            soonest = polled_at + engine.capabilities.polls.floor
            if polled_at and soonest > clock.now():
                await clock.sleep(soonest - clock.now())
            await run_step(engine, unit, Step(verb))
            await settle(self._journal, run.id, clock.now())
            _raise(unit, engine.trouble)
        return await self._upload(upload.batch_id)

    async def _upload(self, batch_id: str) -> Upload:
        taken = await self._journal.facts(batch_id)
        unit = Unit.load(taken, alive_at=0.0)
        if unit.record.outcome is Outcome.FAILED and unit.job is None and unit.record.error:
            error = unit.record.error
            raise BatchError(error.message, hint=error.hint)
        transfers = len(unit.session.transfers) if unit.session else 0
        return Upload(
            run_id=unit.record.run_id,
            batch_id=batch_id,
            outcome=unit.record.outcome,
            documents=tuple(taken.documents),
            transfers=transfers,
            sent=len(unit.receipts),
            job=unit.job,
            status=unit.status,
        )


def _all_sent(unit: Unit) -> bool:
    return unit.session is not None and not unit.missing


def _raise(unit: Unit, trouble: LongshoreError | None) -> None:
    if trouble is not None:
        raise trouble
    if unit.verdict is not None:
        raise unit.verdict.error


class Client:
    """Uploads to one target, without an event loop of your own.

    The same as ``AsyncClient``, whose one engine it runs in a thread of its own. A Ctrl-C ends
    what runs there before ``KeyboardInterrupt`` is raised here: nothing goes on behind the
    caller's back.
    """

    def __init__(self, target: str, **arguments: Any) -> None:
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

    def resume(self, run_id: str) -> RunReport:
        """Go on with a run where it was interrupted; see ``AsyncClient.resume``.

        Raises:
            KeyboardInterrupt: as for ``upload``.
        """
        return self._call(self._client.resume, run_id)

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
