"""What tests of the executor share."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from longshore.pipeline import Executor, _active, _executor, _incompatible


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at the mailbox and the journal every few milliseconds."""
    monkeypatch.setattr(_executor, "_TICK", 0.01)
    monkeypatch.setattr(_active, "_SELDOM", 0.01)
    monkeypatch.setattr(_executor, "GRACE", 0.05)


@pytest.fixture
def turns(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count the turns of the scheduler."""
    count = [0]
    launch = Executor._launch

    def counted(self: Executor) -> None:
        count[0] += 1
        launch(self)

    monkeypatch.setattr(Executor, "_launch", counted)
    return count


@pytest.fixture
def versions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tell versions of a distribution apart."""
    plugins = SimpleNamespace(version_of=lambda provider: f"{provider.state_version}.0")
    monkeypatch.setattr(_incompatible, "load_plugins", lambda: plugins)
