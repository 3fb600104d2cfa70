"""One batch, step by step: start, send, complete, poll."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import tenacity

from longshore.capabilities import Capabilities
from longshore.client._bound import Bound
from longshore.client._upload import Upload, upload_of
from longshore.errors import RunInUse, UsageError
from longshore.journal import Journal, RunRecord
from longshore.lifecycle import Job, Outcome
from longshore.pipeline import (
    DocumentFinished,
    Engine,
    Listener,
    Paths,
    Step,
    Unit,
    capabilities_of,
    fetch_results,
    hold_run,
    open_engine,
    prepare,
    run_step,
    settle,
    take,
)
from longshore.provider import Results
from longshore.transfer import Clock

__all__ = ["Steps"]


class Steps(Bound):
    """The four steps, each of which takes and returns a batch on its way."""

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

        While somebody else has the run, to cancel it for example, the journal is believed.

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
        return await polling(self._look, upload)

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
            run = await self._run(journal, upload.run_id)
            return await self._unless_closed(partial(self._fetch, journal, run, upload.job))

    # ------------------------------------------------------------------ how it is done

    async def _until(self, run_id: str, batch_id: str, until: Callable[[Unit], bool]) -> Upload:
        with self._at_work() as journal:
            run = await self._run(journal, run_id)
            report = await self._execute(
                journal,
                self._resumed(run),
                run,
                until=lambda unit: until(unit) or unit.job is not None,
            )
        if report.trouble is not None:
            raise report.trouble
        return await self._upload(batch_id)

    async def _look(self, upload: Upload) -> Upload:
        try:
            return await self.poll(upload)
        except RunInUse:
            return await self._upload(upload.batch_id)

    async def _fetch(
        self, journal: Journal, run: RunRecord, job: Job, listener: Listener | None
    ) -> Results:
        target = self._resumed(run)
        async with open_engine(journal, target, run, self._environment, listener) as engine:
            return await fetch_results(engine, job)

    async def _poll(self, journal: Journal, upload: Upload, listener: Listener | None) -> Upload:
        run = await self._run(journal, upload.run_id)
        target, clock = self._resumed(run), self._environment.clock
        # Whoever wants to cancel the job is not to wait for us as long as we wait for the vendor.
        before = await journal.unit(upload.batch_id)
        await _may_ask(before.polled_at, capabilities_of(target.provider), clock)
        async with hold_run(journal, target, run, self._environment, listener) as engine:
            try:
                await _ask(engine, upload.batch_id)
            finally:
                await _tell_ended(engine, upload.batch_id)
        return await self._upload(upload.batch_id)

    async def _upload(self, batch_id: str) -> Upload:
        return upload_of(await self._journal.facts(batch_id))


class _StillRunning(tenacity.RetryError, TimeoutError):
    def __str__(self) -> str:
        job = self.last_attempt.result().job
        return f"job {job.id} is still running at the vendor: wait() again, or resume() its run"


async def _ask(engine: Engine, batch_id: str) -> None:
    """Ask about the job of a batch, when that is allowed."""
    await prepare(engine)
    unit = await take(engine, batch_id)
    if unit.job is None:
        raise UsageError("there is no job yet", hint="call complete() first")
    await _may_ask(unit.record.polled_at, engine.capabilities, engine.clock)
    await run_step(engine, unit, Step("poll"))
    await settle(engine.journal, engine.run.id, engine.clock.now())
    if engine.trouble is not None:
        raise engine.trouble
    if unit.verdict is not None:
        raise unit.verdict.error


async def _may_ask(polled_at: float, capabilities: Capabilities, clock: Clock) -> None:
    """Wait until a job that was asked about then may be asked about again."""
    soonest = polled_at + capabilities.polls.floor
    if polled_at and soonest > clock.now():
        await clock.sleep(soonest - clock.now())


async def _tell_ended(engine: Engine, batch_id: str) -> None:
    """Tell what became of a batch that does not go on by itself."""
    taken = await engine.journal.facts(batch_id)
    for record in taken.documents:
        if record.outcome is not Outcome.RUNNING:
            engine.emit(DocumentFinished(engine.run, record, taken.unit))


def _all_sent(unit: Unit) -> bool:
    return unit.session is not None and not unit.missing
