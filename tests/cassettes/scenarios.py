"""What the cassettes of the built-in providers hold: one table per provider.

Each has the happy path of every upload mode, an error of every kind that the vendor documents, a
retry (429, then success), a poll that walks the states, and what can be done about a job. Where a
vendor's sandbox has to be told something, it is an assumption of its table.
"""

from __future__ import annotations

from tests.cassettes.geolens import GEOLENS
from tests.cassettes.plangrep import PLANGREP
from tests.cassettes.sendai import SENDAI
from tests.cassettes.subworkflow import SUBWORKFLOW

__all__ = ["HOSTS", "SCENARIOS"]

SCENARIOS = (*PLANGREP, *GEOLENS, *SUBWORKFLOW, *SENDAI)

# The vendors' documented hosts, the storage that their replies point to included. GeoLens is
# self-hosted; its documentation and the storage's address are examples by necessity, and so is
# the address of Plangrep's storage, which no page shows.
HOSTS = {
    "plangrep": ("plangrep.com", "storage.plangrep.com"),
    "geolens": ("geolens.example.com", "s3.storage.example"),
    "subworkflow": ("api.subworkflow.ai",),
    "sendai": ("api.send.ai",),
}
