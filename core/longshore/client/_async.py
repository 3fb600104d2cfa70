"""The client for an event loop: the pipeline, and its four steps."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from functools import partial
from inspect import iscoroutinefunction
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar, Unpack

import tenacity
from anyio import CancelScope

from longshore.client._observed import observed
from longshore.client._upload import Upload, upload_of
from longshore.errors import LongshoreError, UsageError
from longshore.journal import DocumentRecord, Journal, RunRecord, documents_of, open_journal
from longshore.lifecycle import Job, Outcome
from longshore.pipeline import (
    Candidate,
    Environment,
    Listener,
    OnIncompatible,
    Options,
    Paths,
    RunReport,
    Step,
    Unit,
    begin,
    execute,
    fetch_results,
    find_documents,
    heard,
    names_of,
    open_engine,
    options_from,
    prepare,
    restart_incompatible,
    run_step,
    settle,
    stoppable,
    take,
)
from longshore.pipeline._stopping import end_soon
from longshore.provider import Results
from longshore.sources import is_remote
from longshore.targets import Target, differing, require, resolve_for_resume, resolve_target

__all__ = ["AsyncClient"]

T = TypeVar("T")


class AsyncClient:
    """Uploads to one target, on an event loop.

    Args:
        target: a target of ``longshore.toml``, or a provider's name or alias.
        settings: overrules file and environment, as ``--set`` does.
        config: the configuration file; None: look for it.
        journal: the journal file; None: the usual place.
        listener: is told what happens; what it raises is logged.
        environment: what a test replaces.
        options: see ``RunOptions``.

    Raises:
        UnknownTarget: no target and no provider has this name.
        ConfigurationError: a setting, or the file, is wrong.
        UsageError: an option is, or the listener is async.
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
        **options: Unpack[Options],
    ) -> None:
        self._config = Path(config) if config else None
        self._overrides = dict(settings or {})
        if iscoroutinefunction(listener) or iscoroutinefunction(type(listener).__call__):
            raise UsageError("nobody awaits a listener", hint="give an ordinary function")
        self._target: Target = resolve_target(
            target, overrides=self._overrides, config_file=self._config
        )
        self._journal_path = Path(journal) if journal else None
        self._listener = listener
        self._environment = environment or Environment()
        self._options = options_from(options)
        self._stack = AsyncExitStack()
        self._open: Journal | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closing = asyncio.Event()
        self._working: set[asyncio.Event] = set()  # each is set when that work has ended

    async def __aenter__(self) -> AsyncClient:
        """Open the journal. A client is open once at a time, and may be used by many tasks."""
        if self._open is not None:
            raise UsageError("the client is open already", hint="share it in one `with` block")
        self._open = await self._stack.enter_async_context(open_journal(self._journal_path))
        self._loop, self._closing = asyncio.get_running_loop(), asyncio.Event()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop in good order what still goes on, in other tasks, and close the journal."""
        self._open = None
        self._closing.set()
        try:
            with CancelScope(shield=True):
                while self._working:
                    await next(iter(self._working)).wait()
        finally:
            await self._stack.aclose()

    @property
    def _journal(self) -> Journal:
        if self._open is None:
            raise UsageError("the client is not open", hint="use it in a `with` block")
        if asyncio.get_running_loop() is not self._loop:
            raise UsageError(
                "the client was opened on another event loop",
                hint="open one where you use it; threads may share a Client",
            )
        return self._open

    @contextmanager
    def _at_work(self) -> Iterator[Journal]:
        """Give the journal, which is not closed before this ends."""
        journal, ended = self._journal, asyncio.Event()
        self._working.add(ended)
        try:
            yield journal
        finally:
            self._working.remove(ended)
            ended.set()

    # ------------------------------------------------------------------ the pipeline

    async def upload(self, paths: Paths, *, stop: asyncio.Event | None = None) -> RunReport:
        """Carry documents to the target and, unless ``wait=False``, follow their jobs.

        Args:
            paths: files, directories, globs.
            stop: set it to end in good order; the run can be resumed. So does a cancellation of
                this task; a second one, or one after the stop, waits for nothing. If it is set
                while the run is planned, or was before, nothing is sent.

        Raises:
            UsageError: there is nothing to carry, an option breaks a limit of the vendor, or the
                client was closed before the plan was whole.
            ConfigurationError: a setting is missing.
        """
        with self._at_work() as journal:
            run = await self._begin(journal, paths)
            return await self._execute(journal, self._target, run, stop=stop)

    async def resume(
        self,
        run_id: str,
        *,
        stop: asyncio.Event | None = None,
        on_incompatible: OnIncompatible = "fail",
    ) -> RunReport:
        """Go on with a run where it was interrupted; only what is missing is sent.

        The options are those of the run, but for ``wait``, which is this client's.

        Args:
            run_id: the run, or how its id begins.
            stop: as for ``upload``.
            on_incompatible: where another ``state_version`` of the provider wrote the run:
                ``restart`` what is not at the vendor yet, and hold the rest as unknown.

        Raises:
            RunNotFound: there is no such run.
            RunInUse: another process executes it.
            UsageError: it was interrupted while it was planned.
            IncompatibleState: another ``state_version`` wrote it; names the version to install.
        """
        with self._at_work() as journal:
            run = await journal.run(run_id)
            if not run.planned:
                raise UsageError(
                    f"run {run.id} was interrupted before its plan was whole; nothing was sent",
                    hint="upload again",
                )
            target = self._resumed(run)
            if on_incompatible == "restart":
                with heard(self._listener, asyncio.Event()) as listener:
                    await restart_incompatible(journal, target, run.id, self._environment, listener)
                run = await journal.run(run.id)
            own = {"wait": self._options.wait}  # the run may have been begun without
            run = run.model_copy(update={"options": {**run.options, **own}})
            return await self._execute(journal, target, run, stop=stop)

    async def unfinished(self) -> list[RunRecord]:
        """Return the runs of this target that are not over, oldest first, for ``resume``.

        Also those that somebody executes now. What a comparison, a migration or a route began is
        left out: the same call goes on with it.
        """
        return [
            run
            for run in await self._journal.runs()
            if run.target == self._target.name
            and run.planned
            and run.finished_at is None
            and not run.notes
        ]

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
        with self._at_work() as journal:
            run = await self._begin(journal, paths)
            units = await journal.units(run.id)
            if len(units) != 1:
                await journal.forget_run(run.id)
                raise UsageError(
                    f"the documents make {len(units)} batches, start() takes exactly one",
                    hint="give fewer documents, or use upload()",
                )
            return await self._until(run.id, units[0].id, lambda unit: unit.session is not None)

    async def send(self, upload: Upload) -> Upload:
        """Send every part that has not arrived yet."""
        return await self._until(upload.run_id, upload.batch_id, _all_sent)

    async def complete(self, upload: Upload) -> Upload:
        """Say that all has been sent; the vendor goes to work."""
        return await self._until(upload.run_id, upload.batch_id, lambda unit: unit.job is not None)

    async def poll(self, upload: Upload) -> Upload:
        """Ask once how the job stands, never sooner than the vendor allows."""
        with self._at_work() as journal:
            return await self._unless_closed(partial(self._poll, journal, upload))

    async def wait(self, upload: Upload, *, at_most: float | None = None) -> Upload:
        """Poll until the job is over or needs somebody.

        Args:
            upload: after ``complete``.
            at_most: seconds; None waits as long as it takes.

        Raises:
            TimeoutError: the time is up; the job goes on at the vendor. It is a
                ``tenacity.RetryError``, too.
        """
        pace = self._target.provider.settings.poll_interval
        polling = tenacity.AsyncRetrying(
            sleep=self._environment.clock.sleep,
            wait=tenacity.wait_exponential(max=30.0) if pace is None else tenacity.wait_fixed(pace),
            stop=tenacity.stop_never if at_most is None else tenacity.stop_after_delay(at_most),
            retry=tenacity.retry_if_result(lambda upload: upload.outcome is Outcome.RUNNING),
            retry_error_cls=_StillRunning,
        )
        return await polling(self.poll, upload)

    async def results(self, upload: Upload) -> Results:
        """Fetch what the vendor read out of the documents.

        Raises:
            UsageError: the vendor documents no way to fetch results, or there is no job yet.
        """
        provider = self._target.provider
        if not provider.offers("results"):
            raise UsageError(f"{provider.name} documents no way to fetch results")
        if upload.job is None:
            raise UsageError("there is no job yet", hint="call complete() first")
        with self._at_work() as journal:
            run = await journal.run(upload.run_id)
            return await self._unless_closed(partial(self._fetch, journal, run, upload.job))

    # ------------------------------------------------------------------ how it is done

    async def _begin(self, journal: Journal, paths: Paths) -> RunRecord:
        require(self._target)
        names = names_of(paths)
        return await stoppable(partial(self._plan, journal, names), self._closing)

    async def _plan(self, journal: Journal, names: list[str], *, stop: asyncio.Event) -> RunRecord:
        """Plan a run; when it is stopped, nothing of it is left."""

        async def work() -> RunRecord:
            candidates = _until_stopped(find_documents(names), stop)
            run = await begin(journal, self._target, candidates, self._options, self._environment)
            if stop.is_set():
                await journal.forget_run(run.id)
                raise _closed()
            return run

        if any(map(is_remote, names)):  # each document is asked about: not on this loop
            apart = asyncio.create_task(self._apart(work))
            apart.add_done_callback(_see)
            return await asyncio.shield(apart)
        return await work()

    async def _apart(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Do a work in a thread; the journal stays open also when nobody waits for it any more."""
        with self._at_work():
            return await asyncio.to_thread(lambda: asyncio.run(work()))

    def _resumed(self, run: RunRecord) -> Target:
        """Make the target of a run again; settings that are those of the run need no repeating."""
        return resolve_for_resume(
            run.target,
            run.settings,
            provider_name=run.provider,
            overrides=differing(self._target, run.settings, self._overrides),
            config_file=self._config,
        )

    async def _execute(
        self,
        journal: Journal,
        target: Target,
        run: RunRecord,
        *,
        stop: asyncio.Event | None = None,
        until: Callable[[Unit], bool] | None = None,
    ) -> RunReport:
        leave = asyncio.Event()
        with heard(self._listener, leave) as listener:
            work = partial(
                execute, journal, target, run, self._environment, listener=listener, until=until
            )
            return await stoppable(work, self._closing, stop, leave)

    async def _until(self, run_id: str, batch_id: str, until: Callable[[Unit], bool]) -> Upload:
        with self._at_work() as journal:
            run = await journal.run(run_id)
            report = await self._execute(
                journal,
                self._resumed(run),
                run,
                until=lambda unit: until(unit) or unit.job is not None,
            )
        if report.trouble is not None:
            raise report.trouble
        return await self._upload(batch_id)

    async def _unless_closed(self, work: Callable[[Listener | None], Coroutine[Any, Any, T]]) -> T:
        """Do a work that may end at any moment, and loses nothing by that."""
        with heard(self._listener, asyncio.Event()) as listener:
            result = await end_soon(work(listener), self._closing, lambda: 0.0)
        if result is None:
            raise _closed()
        return result

    async def _fetch(
        self, journal: Journal, run: RunRecord, job: Job, listener: Listener | None
    ) -> Results:
        target = self._resumed(run)
        async with open_engine(journal, target, run, self._environment, listener) as engine:
            return await fetch_results(engine, job)

    async def _poll(self, journal: Journal, upload: Upload, listener: Listener | None) -> Upload:
        run = await journal.run(upload.run_id)
        target, clock = self._resumed(run), self._environment.clock
        async with (
            journal.lock_run(run.id),
            open_engine(journal, target, run, self._environment, listener) as engine,
            observed(engine, journal, upload.batch_id),
        ):
            await prepare(engine)
            unit = await take(engine, upload.batch_id)
            if unit.job is None:
                raise UsageError("there is no job yet", hint="call complete() first")
            polled_at = unit.record.polled_at
            soonest = polled_at + engine.capabilities.polls.floor
            if polled_at and soonest > clock.now():
                await clock.sleep(soonest - clock.now())
            await run_step(engine, unit, Step("poll"))
            await settle(journal, run.id, clock.now())
            _raise(unit, engine.trouble)
        return await self._upload(upload.batch_id)

    async def _upload(self, batch_id: str) -> Upload:
        return upload_of(await self._journal.facts(batch_id))


class _StillRunning(tenacity.RetryError, TimeoutError):
    def __str__(self) -> str:
        job = self.last_attempt.result().job
        return f"job {job.id} is still running at the vendor: wait() again, or resume() its run"


def _closed() -> UsageError:
    return UsageError("the client is not open any more", hint="close it after its work")


def _until_stopped(found: Iterable[Candidate], stop: asyncio.Event) -> Iterator[Candidate]:
    for candidate in found:
        if stop.is_set():
            raise _closed()
        yield candidate


def _see(task: asyncio.Task[Any]) -> None:
    """See how a task ended: nobody may wait for it any more, and asyncio would complain."""
    if not task.cancelled():
        task.exception()


def _all_sent(unit: Unit) -> bool:
    return unit.session is not None and not unit.missing


def _raise(unit: Unit, trouble: LongshoreError | None) -> None:
    if trouble is not None:
        raise trouble
    if unit.verdict is not None:
        raise unit.verdict.error
