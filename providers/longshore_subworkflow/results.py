"""What the vendor made of a document: its pages, each as a link.

Source: docs.subworkflow.ai/api-reference/get-v1-jobs-id, get-v1-datasets-id-items; /glossary.
"""

from __future__ import annotations

from longshore.provider import (
    Artifact,
    DocumentResult,
    Flow,
    Job,
    ProtocolError,
    Request,
    Response,
    Results,
    quoted,
)
from longshore_subworkflow.wire import PAGE, Item, ItemList, JobReply, Share

__all__ = ["results_of"]

_MOST_ITEMS = 100_000  # of one dataset: a list that repeats itself must not fill the memory,
_MOST_BYTES = 64 << 20  # nor may its pages, which are all kept


def results_of(job: Job, told: Response) -> Flow[Results]:
    """List the items of the job's dataset; `told` is the vendor's reply about the job."""
    record = told.parse(JobReply).data
    dataset = record.dataset_id or job.data.get("dataset_id")
    if not isinstance(dataset, str):
        why = "the vendor names no dataset for this job"
        return Results(times=record.times, warnings=(why,), raw={"job": told.json()})
    url = f"/v1/datasets/{quoted(dataset)}/items"
    items: list[Item] = []
    pages, size = [], 0
    while True:
        page = yield Request.get(url, {"limit": PAGE, "offset": len(items)})
        found = page.parse(ItemList).data
        pages.append(page.json())
        items += found
        size += len(page.body)
        if len(found) < PAGE:
            break
        if len(items) >= _MOST_ITEMS or size > _MOST_BYTES:
            raise ProtocolError(f"the list of items goes on after {len(items):,} of them")
    document = DocumentResult(
        vendor_id=dataset,
        # The dataset's ``itemCount`` is the greatest ``col``: that request can be saved.
        pages=max((item.col for item in items if item.col is not None), default=None),
        artifacts=tuple(
            _artifact(item, item.share) for item in items if item.share and item.share.url
        ),
    )
    return Results(
        documents=(document,), times=record.times, raw={"job": told.json(), "items": pages}
    )


def _artifact(item: Item, share: Share) -> Artifact:
    """One page in one form, by a link that needs no key and holds for ten minutes."""
    expires = share.expires_at
    return Artifact(
        name=f"{item.col}.{item.row}",
        url=str(share.url),
        kind=item.row,
        signed=True,
        expires_at=expires / 1000 if expires else None,
    )
