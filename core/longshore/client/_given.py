"""What a client is made with."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike

from longshore.pipeline import Environment, Listener, Options

__all__ = ["Arguments"]


class Arguments(Options, total=False):
    """What ``AsyncClient`` takes besides its target."""

    settings: Mapping[str, str] | None
    config: str | PathLike[str] | None
    journal: str | PathLike[str] | None
    listener: Listener | None
    environment: Environment | None
