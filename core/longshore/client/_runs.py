"""Runs: begin them, go on with them, and do what they need somebody for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial

from longshore.client._bound import Bound
from longshore.client._upload import Upload, upload_of
from longshore.errors import BatchError, UsageError
from longshore.journal import DocumentRecord, Journal, RunRecord, documents_of, units_of
from longshore.lifecycle import Action
from longshore.pipeline import (
    Offer,
    OnIncompatible,
    Paths,
    RunReport,
    act,
    cancel,
    capabilities_of,
    find_job,
    heard,
    offer_of,
    read_action,
    rerun,
    restart_incompatible,
    stoppable,
    summary,
)
from longshore.targets import Target, require

__all__ = ["Runs"]


class Runs(Bound):
    """The whole pipeline, and what is done to its runs."""

    async def upload(self, paths: Paths, *, stop: asyncio.Event | None = None) -> RunReport:
        """Carry documents to the target and, unless ``wait=False``, follow their jobs.

        Args:
            paths: files, directories, globs. A file that is named twice goes once, and the
                listener is told.
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

        The options are those of the run, but for ``wait``, which is this client's. A run of a
        migration writes no map: call ``migrate`` with ``map`` afterwards, which writes it whole.

        Args:
            run_id: the run, or how its id begins.
            stop: as for ``upload``.
            on_incompatible: where another ``state_version`` of the provider wrote the run:
                ``restart`` what is not at the vendor yet, and hold the rest as unknown.

        Raises:
            RunNotFound: there is no such run.
            RunInUse: another process executes it.
            UsageError: it was interrupted while it was planned, is of another target, or of an
                upload by a route: that goes on as a whole, by ``migrate.resume_by_route``.
            ConfigurationError: a setting is missing.
            IncompatibleState: another ``state_version`` wrote it; names the version to install.
        """
        with self._at_work() as journal:
            run = await self._planned(journal, run_id)
            target = self._ready(run)
            if on_incompatible == "restart":
                with heard(self._listener, asyncio.Event()) as listener:
                    await restart_incompatible(journal, target, run.id, self._environment, listener)
            return await self._go_on(journal, target, run.id, stop)

    async def rerun(self, run_id: str, *, stop: asyncio.Event | None = None) -> RunReport:
        """Send what failed, expired or was cancelled again, and go on with the run as ``resume``.

        The files go as they are now, in fresh batches. Where nothing can be sent again the
        listener is told, and the run goes on all the same.

        Args:
            run_id: the run, or how its id begins.
            stop: as for ``upload``.

        Raises:
            RunNotFound: there is no such run.
            RunInUse: somebody executes it.
            UsageError: it was interrupted while it was planned, is of another target, or of an
                upload by a route: that goes on as a whole, by ``migrate.resume_by_route``.
            ConfigurationError: a setting is missing.
            IncompatibleState: another ``state_version`` of the provider wrote it.
        """
        with self._at_work() as journal:
            run = await self._planned(journal, run_id)
            target = self._ready(run)
            work = partial(self._plan_again, journal, target, run)
            if not await stoppable(work, self._closing):
                self._note(f"nothing of run {run.id} can be sent again")
            return await self._go_on(journal, target, run.id, stop)

    async def cancel(self, run_id: str) -> RunReport:
        """Cancel what is not over in a run, at the vendor too where it offers that.

        Whoever executes the run, another task or process, is asked to do it, and has 15 seconds;
        if nobody does, it is done here. What is still ``open`` in the report could not be
        cancelled, or not yet; the listener is told why.

        Args:
            run_id: the run, or how its id begins.

        Returns:
            How the run stands now; ``trouble`` says why the account could not go on.

        Raises:
            RunNotFound: there is no such run.
            UsageError: it is of another target.
            ConfigurationError: a setting is missing.
            IncompatibleState: another ``state_version`` of the provider wrote it.
        """
        with self._at_work() as journal:
            run, began = await self._run(journal, run_id), self._environment.clock.now()
            target = self._ready(run)
            done = await self._let_end(partial(cancel, journal, target, run, self._environment))
            report = await summary(journal, run)
            if done.by == "nobody":
                self._note(f"whoever executes run {run.id} was asked to cancel it: not done yet")
            elif done.by == "executor" and report.open:
                self._note(f"whoever executes run {run.id} did not cancel all of it, and says why")
            report.trouble = done.trouble
            report.seconds = self._environment.clock.now() - began
            return report

    async def actions(self, run_id: str | None = None) -> list[Offer]:
        """Return the jobs that wait for somebody, or offer something to be done, as last asked.

        Only reads the journal.

        Args:
            run_id: the run, or how its id begins; None: all runs of this target, oldest first.

        Raises:
            RunNotFound: there is no such run.
            UsageError: it is of another target.
        """
        with self._at_work() as journal:
            if run_id is not None:
                runs = [await self._run(journal, run_id)]
            else:
                runs = [run for run in await journal.runs() if run.target == self._target.name]
            found: list[Offer] = []
            for run in runs:
                found += [
                    offer
                    async for unit in units_of(journal, run.id, amiss=True)
                    if (offer := offer_of(run, await journal.facts(unit.id))) is not None
                ]
            return found

    async def act(self, job_id: str, action: str | Action) -> Upload | None:
        """Do what a job of this target offers; ``cancel`` any that is not over, where it can be.

        Args:
            job_id: the vendor's id.
            action: as ``actions`` lists it, or as text: ``complete``, or ``complete:task_123``
                for one object.

        Returns:
            The batch as it stands afterwards, for ``wait`` and ``results``. None where it is left
            to somebody else who executes the run: they tell what came of it, most often before
            this returns, for it waits 15 seconds at most; should they end before it is done,
            ``resume`` does it.

        Raises:
            UsageError: the target has no such job, or the job does not offer that: nothing was
                sent, and the hint lists what it does offer.
            BatchError: it is not done: the vendor refused it, or nobody can tell.
            AccountError: the account cannot go on.
            ConfigurationError: a setting is missing.
            IncompatibleState: another ``state_version`` of the provider wrote the run.
        """
        asked = action if isinstance(action, Action) else read_action(action)
        with self._at_work() as journal:
            unit = await find_job(journal, job_id, target=self._target.name)
            target = self._ready(await journal.run(unit.run_id))
            work = partial(act, journal, target, unit, asked, environment=self._environment)
            acted = await self._let_end(work)
        if acted.asked:
            return None
        if acted.why:
            raise BatchError(acted.why)
        return upload_of(acted.taken)

    async def unfinished(self) -> list[RunRecord]:
        """Return the runs of this target that are not over, oldest first, for ``resume``.

        Also those that somebody executes now. What a comparison or a migration began is left
        out: the same call goes on with it. So is what a route began: ``resume_by_route`` does.
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

    # ------------------------------------------------------------------ how it is done

    async def _planned(self, journal: Journal, run_id: str) -> RunRecord:
        """Return a run that can go on by itself.

        What was planned in part would be a part of the documents, and all well. What a run of a
        route gave up for a fallback that is not planned yet would be forgotten.
        """
        run = await self._run(journal, run_id)
        if "passage" in run.notes:
            raise UsageError(
                f"run {run.id} is of an upload by a route, which goes on as a whole",
                hint=f"longshore.migrate.resume_by_route({run.id!r})",
            )
        if not run.planned:
            raise UsageError(
                f"run {run.id} was interrupted before its plan was whole; nothing was sent",
                hint="upload again",
            )
        return run

    def _ready(self, run: RunRecord) -> Target:
        """Make the target of a run again, with all that talking to the vendor needs."""
        target = self._resumed(run)
        require(target)
        return target

    async def _plan_again(
        self, journal: Journal, target: Target, run: RunRecord, *, stop: asyncio.Event
    ) -> int:
        """Plan failed documents again, to the end also when it is stopped: none is sent here."""
        environment = self._environment

        async def work() -> int:
            async with journal.lock_run(run.id):
                return await rerun(
                    journal,
                    run,
                    capabilities_of(target.provider),
                    new_id=environment.new_id,
                    now=environment.clock.now(),
                )

        return await self._apart(work)  # files, or a store, are asked about: not on this loop

    async def _go_on(
        self, journal: Journal, target: Target, run_id: str, stop: asyncio.Event | None
    ) -> RunReport:
        run = await journal.run(run_id)
        if "comparison" in run.notes:
            from longshore.evaluate import note_continued

            run = await note_continued(journal, run, self._environment.clock.now())
        own = {"wait": self._options.wait}  # the run may have been begun without
        run = run.model_copy(update={"options": {**run.options, **own}})
        return await self._execute(journal, target, run, stop=stop)
