"""What the tests of one exchange share."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from longshore.transfer._http import HttpTransport


@pytest.fixture
async def transport() -> AsyncIterator[HttpTransport]:
    made = HttpTransport(connections=4)
    yield made
    await made.aclose()
