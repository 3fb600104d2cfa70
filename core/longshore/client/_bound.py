"""What every method of the async client stands on: its target, its journal, how its work ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from functools import partial
from inspect import iscoroutinefunction
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

from anyio import CancelScope

from longshore.errors import UsageError
from longshore.journal import Journal, RunRecord, open_journal
from longshore.pipeline import (
    GRACE,
    Candidate,
    Environment,
    Listener,
    Notice,
    Options,
    Paths,
    RunReport,
    Unit,
    begin,
    end_soon,
    execute,
    find_once,
    heard,
    names_of,
    options_from,
    stoppable,
)
from longshore.sources import is_remote
from longshore.targets import Target, differing, require, resolve_for_resume, resolve_target

__all__ = ["Bound", "closed"]

T = TypeVar("T")


class Bound:
    """A target and a journal, which is open in a ``with`` block.

    Args: see ``AsyncClient``.
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
        self._target = resolve_target(target, overrides=self._overrides, config_file=self._config)
        self._journal_path = Path(journal) if journal else None
        self._listener = listener
        self._environment = environment or Environment()
        self._options = options_from(options)
        self._stack = AsyncExitStack()
        self._open: Journal | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closing = asyncio.Event()
        self._working: set[asyncio.Event] = set()  # each is set when that work has ended

    async def __aenter__(self) -> Self:
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

    def _note(self, text: str) -> None:
        """Tell the listener what a person should know, besides what a run tells."""
        with heard(self._listener, asyncio.Event()) as listener:
            if listener is not None:
                listener(Notice(text))

    # ------------------------------------------------------------------ planning

    async def _begin(self, journal: Journal, paths: Paths) -> RunRecord:
        require(self._target)
        names = names_of(paths)
        return await stoppable(partial(self._plan, journal, names), self._closing)

    async def _plan(self, journal: Journal, names: list[str], *, stop: asyncio.Event) -> RunRecord:
        """Plan a run; when it is stopped, nothing of it is left."""
        said: list[str] = []

        async def work() -> RunRecord:
            candidates = _until_stopped(find_once(names, said.append), stop)
            run = await begin(journal, self._target, candidates, self._options, self._environment)
            if stop.is_set():
                await journal.forget_run(run.id)
                raise closed()
            return run

        # To ask a store, or to hash what may be there already, takes its time: not on this loop.
        long = self._options.skip_existing or any(map(is_remote, names))
        run = await (self._apart(work) if long else work())
        for text in said:
            self._note(text)
        return run

    async def _apart(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Do a work in a thread; the journal stays open also when nobody waits for it any more."""

        async def apart() -> T:
            with self._at_work():
                return await asyncio.to_thread(lambda: asyncio.run(work()))

        task = asyncio.create_task(apart())
        task.add_done_callback(_see)
        return await asyncio.shield(task)

    # ------------------------------------------------------------------ executing

    async def _run(self, journal: Journal, run_id: str) -> RunRecord:
        """Return a run of this target: what this client was given is not for another vendor.

        Raises:
            RunNotFound: there is no such run.
            UsageError: it is of another target.
        """
        run = await journal.run(run_id)
        if run.target != self._target.name:
            raise UsageError(
                f"run {run.id} is of target {run.target!r}, not of {self._target.name!r}",
                hint=f"use a client of {run.target!r}",
            )
        return run

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

    async def _let_end(self, work: Callable[..., Coroutine[Any, Any, T]]) -> T:
        """Do a work whose request in flight may end when this task is cancelled, or we close.

        Args:
            work: takes ``listener``, and ``stop``: once set nothing more is sent.
        """
        leave = asyncio.Event()
        with heard(self._listener, leave) as listener:

            async def bounded(*, stop: asyncio.Event) -> T | None:
                return await end_soon(work(listener=listener, stop=stop), stop, lambda: GRACE)

            result = await stoppable(bounded, self._closing, leave)
        if result is None:
            raise closed()
        return result

    async def _unless_closed(self, work: Callable[[Listener | None], Coroutine[Any, Any, T]]) -> T:
        """Do a work that may end at any moment, and loses nothing by that."""
        with heard(self._listener, asyncio.Event()) as listener:
            result = await end_soon(work(listener), self._closing, lambda: 0.0)
        if result is None:
            raise closed()
        return result


def closed() -> UsageError:
    """Return what is raised where a client was closed under its work."""
    return UsageError("the client is not open any more", hint="close it after its work")


def _until_stopped(found: Iterable[Candidate], stop: asyncio.Event) -> Iterator[Candidate]:
    for candidate in found:
        if stop.is_set():
            raise closed()
        yield candidate


def _see(task: asyncio.Task[Any]) -> None:
    """See how a task ended: nobody may wait for it any more, and asyncio would complain."""
    if not task.cancelled():
        task.exception()
