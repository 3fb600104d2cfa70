"""A run from the outside: begin it, go on with it, tell how it stands."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress

from pydantic import JsonValue

from longshore.errors import (
    IncompatibleState,
    JournalError,
    LongshoreError,
    RunNotFound,
    UsageError,
)
from longshore.journal import Journal, RunRecord, with_units
from longshore.lifecycle import Outcome
from longshore.pipeline._engine import Engine, capabilities_of
from longshore.pipeline._enqueue import enqueue, plan
from longshore.pipeline._environment import Environment
from longshore.pipeline._events import Event, Listener, RunFinished, RunStarted
from longshore.pipeline._executor import Executor
from longshore.pipeline._existing import Existing
from longshore.pipeline._hooks import hooks_of
from longshore.pipeline._intake import Candidate
from longshore.pipeline._options import RunOptions
from longshore.pipeline._report import RunReport, count_open
from longshore.pipeline._targets import run_to
from longshore.pipeline._telling import Teller
from longshore.pipeline._unit import Unit
from longshore.plugins import load_plugins
from longshore.provider import Provider, ProviderSettings
from longshore.redaction import Redactor
from longshore.targets import Target, secret_values
from longshore.transfer import Bandwidth, Concurrency, Driver, Pace, quiet_http_logs

__all__ = ["begin", "execute", "hold_engine", "open_engine", "settle", "summary"]


async def begin(
    journal: Journal,
    target: Target,
    candidates: Iterable[Candidate],
    options: RunOptions,
    environment: Environment,
    *,
    notes: Mapping[str, JsonValue] | None = None,
) -> RunRecord:
    """Plan documents for a target and make the plan durable; nothing is sent yet.

    Args:
        journal: the durable record.
        target: where the documents go.
        candidates: what the user named.
        options: what the user asked for.
        environment: of the machine.
        notes: kept with the run, for the use that begins it.

    Raises:
        UsageError: an option breaks a limit of the vendor, or there is no document at all.
    """
    provider, now = target.provider, environment.clock.now()
    run = run_to(target, await _free_id(journal, environment)).changed(
        {
            "provider_version": load_plugins().version_of(provider),
            "options": options.model_dump(mode="json"),
            "created_at": now,
            "alive_at": now,
            "notes": dict(notes or {}),
        }
    )
    planned = plan(
        candidates,
        capabilities_of(provider).for_upload(),
        run_id=run.id,
        target=run.target,
        new_id=environment.new_id,
        part_size=options.part_size,
        batch_size=options.batch_size,
        existing=await Existing.of(journal, run) if options.skip_existing else None,
    )
    try:
        await journal.create_run(run)
        await enqueue(
            journal, run, planned, new_id=environment.new_id, now=now, strict=options.strict
        )
        empty = not await journal.outcomes(run.id)
    except BaseException:  # also Ctrl-C: nothing was sent, so leave nothing behind
        from anyio import CancelScope  # rarely needed; it would make every start slower

        with CancelScope(shield=True), suppress(JournalError):
            await journal.forget_run(run.id)
        raise
    if empty:
        await journal.forget_run(run.id)
        raise UsageError("there is nothing to carry", hint="name files or directories")
    return await journal.run(run.id)


async def _free_id(journal: Journal, environment: Environment) -> str:
    """Draw an id that no run has: among 100,000, two of those that are easily typed do meet."""
    while True:
        id = environment.new_run_id()
        try:
            await journal.run(id)
        except RunNotFound:
            return id


def accepted(unit: Unit) -> bool:
    """Tell whether the vendor has a job for a batch."""
    return unit.job is not None


def check_state_version(run: RunRecord, provider: Provider[ProviderSettings]) -> None:
    """Refuse to go on with what another version of a provider wrote.

    Raises:
        IncompatibleState: names the version to install.
    """
    if run.state_version != provider.state_version:
        raise IncompatibleState(
            f"run {run.id} was begun with {run.provider} {run.provider_version} "
            f"(state version {run.state_version}, now {provider.state_version})",
            hint=f"install version {run.provider_version} to go on with it, or: "
            f"longshore resume {run.id} --on-incompatible restart",
        )


@asynccontextmanager
async def open_engine(
    journal: Journal,
    target: Target,
    run: RunRecord,
    environment: Environment,
    listener: Listener | None = None,
) -> AsyncIterator[Engine]:
    """Build the engine of a run, and close its connections at the end.

    Plugins that observe are told what happens, besides the listener.

    Raises:
        IncompatibleState: the run was written by another ``state_version`` of the provider.
    """
    provider = target.provider
    check_state_version(run, provider)
    options = RunOptions.model_validate(run.options)
    capabilities = capabilities_of(provider)
    redactor = Redactor(secret_values(provider.settings))
    quiet_http_logs(redactor)
    most = options.concurrency or capabilities.concurrency
    transport = environment.transport(provider.settings, most)
    driver = Driver(
        provider,
        transport=transport,
        clock=environment.clock,
        sources=environment.sources,
        pace=Pace(environment.clock, capabilities.rate, capabilities.read_rate),
        retries=environment.retries,
        rng=environment.rng,
        bandwidth=Bandwidth(environment.clock, options.bwlimit) if options.bwlimit else None,
        concurrency=Concurrency(environment.clock, most),
        learn=redactor.learn,
    )
    try:
        yield Engine(
            run=run,
            provider=provider,
            capabilities=capabilities,
            journal=journal,
            driver=driver,
            clock=environment.clock,
            digest=environment.digest,
            redactor=redactor,
            checksum=options.checksum,
            resend=options.on_unknown == "resend",
            until=None if options.wait else accepted,
            listener=_observed(listener),
            hooks=hooks_of(journal, provider),
        )
    finally:
        close = getattr(transport, "aclose", None)
        if close is not None:
            await close()


@asynccontextmanager
async def hold_engine(
    journal: Journal,
    target: Target,
    run: RunRecord,
    environment: Environment,
    listener: Listener | None = None,
) -> AsyncIterator[Engine]:
    """Hold a run and build its engine; see ``open_engine``.

    Another process may have had the run until now, so it is read again under the lock; its options
    are those of whoever holds it.

    Raises:
        RunInUse: another process executes it.
        RunNotFound: it was forgotten since.
    """
    async with journal.lock_run(run.id):
        now = (await journal.run(run.id)).changed({"options": run.options})
        async with open_engine(journal, target, now, environment, listener) as engine:
            yield engine


async def execute(
    journal: Journal,
    target: Target,
    run: RunRecord,
    environment: Environment,
    *,
    listener: Listener | None = None,
    stop: asyncio.Event | None = None,
    until: Callable[[Unit], bool] | None = None,
) -> RunReport:
    """Execute a run as far as it can go, alone: no other process may execute it meanwhile.

    Every document of the run is told to the listener once, also those finished earlier.

    Args:
        journal: the durable record.
        target: where the documents go.
        run: as ``begin`` made it.
        environment: of the machine.
        listener: is told what happens.
        stop: set it to end in good order.
        until: true for a batch that has come as far as wanted; overrules the run's ``wait``.

    Raises:
        RunInUse: another process executes it.
        IncompatibleState: another ``state_version`` of the provider wrote it, or has by now.
        LongshoreError: nothing could be done at all.
    """
    began = environment.clock.now()
    stop = stop or asyncio.Event()
    options = RunOptions.model_validate(run.options)
    async with hold_engine(journal, target, run, environment, listener) as engine:
        engine.until = until or engine.until
        alive_at = engine.run.alive_at
        outcomes = await journal.outcomes(run.id)
        documents, left = sum(outcomes.values()), count_open(outcomes)
        size = await journal.size(run.id)
        engine.emit(RunStarted(run, documents, size, finished=documents - left))
        executor = Executor(engine, options, stop)
        trouble: LongshoreError | None = None
        if left:
            await engine.note_open()
        if left or await journal.mail(run.id):
            await journal.reopen(run.id, sooner=alive_at - began)  # the clock may be set back
            try:
                await executor.run()
            except LongshoreError as error:
                trouble = error
        await _tell_the_rest(journal, run, executor.teller, documents)
        outcomes, ended = await journal.outcomes(run.id), environment.clock.now()
        try:
            await settle(journal, run.id, engine.over_since or ended, outcomes)
        except JournalError as error:  # the disk is full, still or since: a resume notes it
            trouble = trouble or error
        run, cost = await journal.run(run.id), await journal.cost(run.id)
        engine.emit(RunFinished(run, dict(outcomes)))
        return RunReport(run, outcomes, cost, ended - began, trouble, stop.is_set())


async def settle(
    journal: Journal, run_id: str, now: float, outcomes: Mapping[Outcome, int] | None = None
) -> bool:
    """Note whether a run is over, after something was done to it.

    Args:
        journal: the durable record.
        run_id: the run.
        now: seconds since the epoch.
        outcomes: of its documents, where they were counted already.

    Returns:
        True when nothing of it is open any more.
    """
    over = not count_open(outcomes or await journal.outcomes(run_id))
    was_over = (await journal.run(run_id)).finished_at is not None
    if over != was_over:  # whoever looks at it again does not make it last longer
        await journal.change_run(run_id, finished_at=now if over else None)
    return over


def _observed(listener: Listener | None) -> Listener | None:
    """Tell the plugins that observe, besides the listener; None where nobody listens at all."""
    plugins = load_plugins()
    if not plugins.observed:
        return listener
    notify = plugins.notify

    def tell(event: Event) -> None:
        notify(event)
        if listener is not None:
            listener(event)

    return tell


async def _tell_the_rest(journal: Journal, run: RunRecord, teller: Teller, count: int) -> None:
    """Tell of documents that this command did not see end: refused, finished earlier, open."""
    told = teller.told
    if told.count == count:
        return
    async for record, unit in with_units(journal, run.id, lambda record: record not in told):
        teller.tell(record, unit)


async def summary(journal: Journal, run: RunRecord) -> RunReport:
    """Sum up how a run stands now."""
    outcomes, cost = await journal.outcomes(run.id), await journal.cost(run.id)
    return RunReport(await journal.run(run.id), outcomes, cost)
