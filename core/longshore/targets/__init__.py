"""Finding a target and filling its settings.

A target is a provider plus its settings under a name: a table of ``longshore.toml``, or else a
provider's name or alias. Each setting is looked for in the flags (``--set key=value``), the
environment (``LONGSHORE_<TARGET>_<FIELD>``), ``longshore.toml`` and the provider's default; the
first found wins. Secrets may be references: ``env:NAME``, ``file:PATH``, ``keyring:SERVICE/USER``.
"""

from __future__ import annotations

from longshore.targets._again import (
    CHANGEABLE,
    differing,
    kept,
    lasting,
    overrides_of,
    target_again,
    target_now,
)
from longshore.targets._layers import variable
from longshore.targets._resolve import (
    REFRESHED,
    Target,
    check_known,
    require,
    resolve_for_resume,
    resolve_target,
)
from longshore.targets._routes import ROUTE, Route, resolve_route
from longshore.targets._secrets import follow, public_settings, secret_values
from longshore.targets._toml import Config, load_config

__all__ = [
    "CHANGEABLE", "REFRESHED", "ROUTE", "Config", "Route", "Target", "check_known", "differing",
    "follow", "kept", "lasting", "load_config", "overrides_of", "public_settings", "require",
    "resolve_for_resume", "resolve_route", "resolve_target", "secret_values", "target_again",
    "target_now", "variable",
]  # fmt: skip
