"""The Python API: clients bound to one target, for the whole pipeline or for its four steps."""

from __future__ import annotations

from longshore.client._async import AsyncClient
from longshore.client._sync import Arguments, Client
from longshore.client._upload import Upload
from longshore.pipeline import Offer, Options

__all__ = ["Arguments", "AsyncClient", "Client", "Offer", "Options", "Upload"]
