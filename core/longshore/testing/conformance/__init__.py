"""The conformance kit: a few lines prove a provider by some hundred checks.

    from longshore.testing.conformance import Kit, Mode, ProviderConformance

    class TestAcme(ProviderConformance):
        kit = Kit(
            provider=Acme,
            sandbox=AcmeSandbox,
            settings={"api_key": "key-123456"},
            modes=[Mode("form", [("a.pdf", b"first"), ("b.pdf", b"second")])],
            words={"queued": State.RUNNING, "done": State.SUCCEEDED, "failed": State.FAILED},
        )

Each inherited method is a check, asked about every mode, every request of the upload and every
status. What a provider does not offer is skipped, with the reason. A failure says what is wrong
and what the contract says about it. pytest is all that is needed: the extra ``longshore[testing]``.
"""

from __future__ import annotations

try:
    import pytest  # noqa: F401 - is it there?
except ImportError as error:
    message = "the conformance kit needs pytest: pip install 'longshore[testing]'"
    raise ImportError(message) from error

from longshore.testing.conformance._kit import Kit, KnownRefusal, Mode
from longshore.testing.conformance._suite import Checked, ProviderConformance, run_checks

__all__ = ["Checked", "Kit", "KnownRefusal", "Mode", "ProviderConformance", "run_checks"]
