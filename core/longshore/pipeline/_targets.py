"""A run of a target, and the target of a run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from longshore.journal import RunRecord
from longshore.targets import (
    Target,
    overrides_of,
    require,
    resolve_for_resume,
    target_again,
)

__all__ = ["run_to", "target_of", "target_to_resume"]


def run_to(target: Target, id: str = "") -> RunRecord:
    """Describe a run to a target of which nothing is durable yet.

    Args:
        target: where its documents go.
        id: of the run; "" for one that others are only compared with.
    """
    provider = target.provider
    return RunRecord(
        id=id,
        target=target.name,
        provider=target.provider_name,
        state_version=provider.state_version,
        account=provider.account(),
        settings=target.settings_public,
    )


def target_of(run: RunRecord, given: Mapping[str, str], config_file: Path | None) -> Target:
    """Make the target of an earlier run for a call that repeats what began it.

    The run's settings hold; secrets, and how to talk to the vendor, come freshly.

    Args:
        run: as the journal has it.
        given: what is overruled for all targets (``key``) or for one (``target:key``).
        config_file: the file to use instead of looking for one.

    Raises:
        ConfigurationError: a setting is wrong or missing.
    """
    return target_again(
        run.target,
        run.settings,
        provider_name=run.provider,
        given=overrides_of(run.target, given),
        config_file=config_file,
    )


def target_to_resume(run: RunRecord, given: Mapping[str, str], config_file: Path | None) -> Target:
    """Make the target of an earlier run again; what may not change now is an error.

    Args:
        run: as the journal has it.
        given: what is overruled for all targets (``key``) or for one (``target:key``).
        config_file: the file to use instead of looking for one.

    Raises:
        LongshoreError: its plugin or a setting is missing, or may not change now.
    """
    target = resolve_for_resume(
        run.target,
        run.settings,
        provider_name=run.provider,
        overrides=overrides_of(run.target, given),
        config_file=config_file,
    )
    require(target)
    return target
