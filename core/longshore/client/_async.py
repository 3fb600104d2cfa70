"""The client for an event loop: the pipeline with its runs, and its four steps."""

from __future__ import annotations

from longshore.client._runs import Runs
from longshore.client._steps import Steps

__all__ = ["AsyncClient"]


class AsyncClient(Runs, Steps):
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
