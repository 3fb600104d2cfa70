"""From documents to batches to pieces: nothing lost, nothing doubled, no limit broken."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshore.capabilities import Capabilities, Limits, PartRule
from longshore.documents import Document
from longshore.errors import UsageError
from longshore.planning import Group, Refusal, cut, group, part_size_for, reasons_against

MIB = 2**20


def document(size: int, name: str = "a.pdf", id: str = "d") -> Document:
    return Document(id=id, name=name, size=size, media_type="application/pdf")


@st.composite
def rules(draw: st.DrawFn) -> PartRule:
    """Rules with limits of any relation to each other and to a MiB."""
    minimum = draw(st.integers(1, 4 * MIB))
    maximum = draw(st.none() | st.integers(minimum, 40 * MIB))
    return PartRule(
        above=draw(st.integers(0, 20 * MIB)),
        default=draw(st.integers(1, 40 * MIB)),
        minimum=minimum,
        maximum=maximum,
        count=draw(st.none() | st.integers(1, 50)),
        aim=draw(st.none() | st.integers(1, 20)),
    )


SMALL = st.none() | st.integers(1, 12)
LIMITS = st.builds(
    Limits,
    documents_per_batch=st.none() | st.integers(1, 4),
    bytes_per_batch=SMALL,
    bytes_per_document=SMALL,
    min_bytes_per_document=st.integers(0, 2),
    extensions=st.none() | st.just(frozenset({".pdf", ".tif"})),
    media_types=st.none() | st.just(frozenset({"application/pdf"})),
    name_characters=st.none() | st.integers(4, 8),
)
SMALL_RULES = st.none() | st.builds(
    lambda above, default, minimum, more, count: PartRule(
        above=above, default=default, minimum=minimum, maximum=more and minimum + more, count=count
    ),
    st.integers(0, 6),
    st.integers(1, 12),
    st.integers(1, 3),
    st.none() | st.integers(1, 4),
    st.none() | st.integers(1, 3),
)
CAPABILITIES = st.builds(Capabilities, limits=LIMITS, parts=SMALL_RULES)
DOCUMENTS = st.lists(
    st.builds(
        Document,
        id=st.uuids().map(str),
        name=st.sampled_from(["a.pdf", "plan.PDF", "long-name.pdf", "b.tif", "noending"]),
        size=st.integers(0, 14),
        media_type=st.sampled_from(["application/pdf", "image/tiff"]),
    ),
    max_size=12,
    unique_by=lambda made: made.id,
)


def takes(capabilities: Capabilities, made: Document) -> bool:
    """Say in other words whether the vendor takes a document; try every part size there is."""
    limits, rule = capabilities.limits, capabilities.parts
    fits = [
        limits.bytes_per_document is None or made.size <= limits.bytes_per_document,
        limits.bytes_per_batch is None or made.size <= limits.bytes_per_batch,
        made.size >= limits.min_bytes_per_document,
        limits.extensions is None or any(made.name.lower().endswith(e) for e in limits.extensions),
        limits.media_types is None or made.media_type in limits.media_types,
        limits.name_characters is None or len(made.name) <= limits.name_characters,
    ]
    if rule is not None and made.size > rule.above and rule.count is not None:
        sizes = range(rule.minimum, (rule.maximum or rule.minimum + made.size) + 1)
        fits.append(any(size * rule.count >= made.size for size in sizes))
    return all(fits)


def groups(plan: list[Group | Refusal]) -> Iterator[Group]:
    return (planned for planned in plan if isinstance(planned, Group))


# ----------------------------------------------------------------------------------- batches


@given(DOCUMENTS, CAPABILITIES, st.none() | st.integers(1, 5))
def test_every_document_is_planned_or_refused_once_in_order(
    documents: list[Document], capabilities: Capabilities, batch_size: int | None
) -> None:
    """And refused exactly when the limits, said in other words, do not allow it."""
    plan = list(group(documents, capabilities, batch_size=batch_size))
    going = [made for planned in groups(plan) for made in planned.documents]
    refused = [planned.document for planned in plan if isinstance(planned, Refusal)]
    assert going == [made for made in documents if takes(capabilities, made)]
    assert refused == [made for made in documents if not takes(capabilities, made)]


@given(DOCUMENTS, CAPABILITIES, st.none() | st.integers(1, 5))
def test_no_batch_breaks_a_limit_and_none_is_closed_early(
    documents: list[Document], capabilities: Capabilities, batch_size: int | None
) -> None:
    """Each holds what is allowed, and the next document would have been too much."""
    limits = capabilities.limits
    most = min(limits.documents_per_batch or 99, batch_size or 99)
    heaviest = 10**9 if limits.bytes_per_batch is None else limits.bytes_per_batch
    made = [
        g.documents for g in groups(list(group(documents, capabilities, batch_size=batch_size)))
    ]
    assert all(1 <= len(batch) <= most for batch in made)
    assert all(sum(document.size for document in batch) <= heaviest for batch in made)
    for batch, following in pairwise(made):
        weight = sum(document.size for document in batch) + following[0].size
        assert len(batch) == most or weight > heaviest


@given(DOCUMENTS, CAPABILITIES.filter(lambda made: made.parts is not None))
def test_the_part_size_of_a_batch_suits_each_of_its_documents(
    documents: list[Document], capabilities: Capabilities
) -> None:
    """One size is kept with the batch; every document above the threshold is cut by it."""
    rule = capabilities.parts
    assert rule is not None
    for planned in groups(list(group(documents, capabilities))):
        for made in planned.documents:
            if made.size > rule.above:
                assert len(cut(made, planned.part_size)) <= (rule.count or 99)
                assert rule.minimum <= planned.part_size <= (rule.maximum or 10**9)


def test_a_batch_is_yielded_as_soon_as_it_is_full() -> None:
    """A million files are never held at once."""

    def endless() -> Iterator[Document]:
        number = 0
        while True:
            number += 1
            yield document(1, id=str(number))

    plan = group(endless(), Capabilities(limits=Limits(documents_per_batch=2)))
    first, second = next(plan), next(plan)
    assert isinstance(first, Group)
    assert isinstance(second, Group)
    assert [made.id for made in first.documents + second.documents] == ["1", "2", "3", "4"]


def test_a_refused_document_tells_every_reason_at_once() -> None:
    """Nobody wants to learn them one run at a time."""
    limits = Limits(
        bytes_per_document=10,
        extensions=frozenset({".tif"}),
        media_types=frozenset({"image/tiff"}),
        name_characters=3,
    )
    capabilities = Capabilities(limits=limits, parts=PartRule(maximum=1, count=2, default=1))
    (refusal,) = group([document(11)], capabilities)
    assert isinstance(refusal, Refusal)
    assert refusal.reasons == (
        "too large: 11 bytes, the vendor takes 10 (10 B)",
        "wrong type: .pdf, the vendor takes .tif",
        "wrong type: application/pdf, the vendor takes image/tiff",
        "the name has 5 characters, the vendor takes 3",
        "too large: more parts than the vendor takes",
    )


def test_a_byte_too_many_can_be_seen_in_the_reason() -> None:
    """40.0 MB against 40.0 MB would tell nobody anything."""
    capabilities = Capabilities(limits=Limits(bytes_per_document=40_000_000))
    assert reasons_against(document(40_000_000), capabilities) == ()
    assert reasons_against(document(40_000_001), capabilities) == (
        "too large: 40,000,001 bytes, the vendor takes 40,000,000 (40.0 MB)",
    )


@pytest.mark.parametrize(
    ("size", "least", "reasons"),
    [(0, 0, ()), (0, 1, ("the file is empty",)), (4, 5, ("too small: 4 bytes, at least 5",))],
)
def test_empty_and_tiny_files(size: int, least: int, reasons: tuple[str, ...]) -> None:
    """An empty file goes unless the vendor refuses it."""
    capabilities = Capabilities(limits=Limits(min_bytes_per_document=least))
    assert reasons == reasons_against(document(size), capabilities)


@pytest.mark.parametrize("asked", [0, -1, 1, 5 * MIB - 1, 9 * MIB + 1])
def test_a_part_size_outside_the_limits_is_a_usage_error(asked: int) -> None:
    """Before the first document; the hint names sizes that are really allowed."""
    rule = PartRule(minimum=5 * MIB, maximum=9 * MIB)
    with pytest.raises(UsageError) as error:
        list(group([document(1)], Capabilities(parts=rule), part_size=asked))
    if asked > 0:
        assert error.value.hint == "choose 5,242,880 to 9,437,184 bytes with --part-size"


@pytest.mark.parametrize("asked", [5 * MIB, 6_000_000, 9 * MIB])
def test_a_part_size_inside_the_limits_is_taken(asked: int) -> None:
    """As it is, not rounded."""
    rule = PartRule(minimum=5 * MIB, maximum=9 * MIB, count=100)
    (planned,) = group([document(50 * MIB)], Capabilities(parts=rule), part_size=asked)
    assert isinstance(planned, Group)
    assert planned.part_size == asked


def test_sizes_below_one_are_usage_errors_everywhere() -> None:
    """Also where nothing is cut, or the vendor chooses."""
    for parts in (None, PartRule(chosen_by="vendor")):
        with pytest.raises(UsageError):
            list(group([], Capabilities(parts=parts), part_size=0))
    with pytest.raises(UsageError):
        list(group([], Capabilities(), batch_size=0))


# ------------------------------------------------------------------------------------- parts


@given(st.integers(0, 10_000), st.integers(1, 3000))
def test_pieces_cover_the_document_exactly(size: int, part_size: int) -> None:
    """In order, disjoint, equal, the last one shorter; an empty document is one empty piece."""
    pieces = cut(document(size), part_size)
    assert [piece.offset for piece in pieces] == [n * part_size for n in range(len(pieces))]
    assert [piece.end for piece in pieces[:-1]] == [piece.offset for piece in pieces[1:]]
    assert {piece.size for piece in pieces[:-1]} <= {part_size}
    assert pieces[-1].end == size
    assert 0 < pieces[-1].size <= part_size or (size == 0 and len(pieces) == 1)
    assert {piece.document for piece in pieces} == {"d"}


def test_a_part_holds_at_least_one_byte() -> None:
    """A part size of nothing would never end."""
    with pytest.raises(ValueError, match="at least one byte"):
        cut(document(5), 0)


@given(rules(), st.integers(1, 3000 * MIB), st.data())
def test_a_part_size_keeps_minimum_maximum_and_count(
    rule: PartRule, size: int, data: st.DataObject
) -> None:
    """Whenever any size does, whatever was asked for within the limits."""
    asked = data.draw(st.none() | st.integers(rule.minimum, rule.maximum or 40 * MIB))
    chosen = part_size_for(size, rule, asked)
    largest = rule.maximum or 10**12
    possible = rule.count is None or largest * rule.count >= size
    assert chosen >= rule.minimum
    if possible:
        assert chosen <= max(largest, rule.minimum)
        assert rule.count is None or -(-size // chosen) <= rule.count
    refused = reasons_against(document(size), Capabilities(parts=rule), part_size=asked)
    assert bool(refused) == (not possible and size > rule.above)


@given(rules(), st.integers(1, 3000 * MIB))
def test_a_part_size_grows_no_more_than_it_must(rule: PartRule, size: int) -> None:
    """What was asked for stays if it fits; else the next whole MiB, or less at the maximum."""
    asked = max(rule.minimum, min(MIB, rule.maximum or MIB))
    chosen = part_size_for(size, rule, asked)
    if rule.count is None or asked * rule.count >= size:
        assert chosen == asked
    elif chosen != rule.maximum:
        smaller = chosen - MIB
        assert smaller * rule.count < size
        assert chosen % MIB == 0 or chosen * rule.count - size < rule.count


@pytest.mark.parametrize(
    ("size", "rule", "asked", "chosen"),
    [
        (10**12, PartRule(count=10_000, maximum=5 * 10**9), None, 96 * MIB),
        (1000, PartRule(default=8 * MIB, maximum=5 * MIB), None, 5 * MIB),
        (1000, PartRule(default=MIB, minimum=5 * MIB), None, 5 * MIB),
        (25_000_000, PartRule(count=10, maximum=2_600_000, default=MIB), None, 2_600_000),
        (26_000_000, PartRule(count=10, maximum=2_600_000, default=MIB), None, 2_600_000),
        (100 * MIB, PartRule(count=10), MIB, 10 * MIB),
        (10 * MIB, PartRule(count=10), MIB, MIB),
        (10 * MIB + 1, PartRule(count=10), MIB, 2 * MIB),
        (100 * MIB, None, None, 8 * MIB),
        (80 * MIB, PartRule(aim=10), None, 8 * MIB),
        (80 * MIB + 1, PartRule(aim=10), None, 9 * MIB),
        (800 * MIB, PartRule(aim=10), 8 * MIB, 8 * MIB),
        (800 * MIB, PartRule(aim=10, maximum=20_000_000), None, 20_000_000),
        (800 * MIB, PartRule(aim=10, maximum=20_000_000, count=50), None, 20_000_000),
    ],
)
def test_part_sizes_by_example(
    size: int, rule: PartRule | None, asked: int | None, chosen: int
) -> None:
    """A default is brought inside the limits and grows to the aim; a size asked for does not."""
    assert chosen == part_size_for(size, rule, asked)


def test_a_vendor_that_cuts_by_itself_is_not_judged_by_our_part_size() -> None:
    """Neither refused for its count nor for what was asked for."""
    rule = PartRule(chosen_by="vendor", maximum=10, count=2, default=5)
    assert isinstance(next(group([document(10**9)], Capabilities(parts=rule), part_size=99)), Group)


def test_no_list_of_parts_is_made_to_count_them() -> None:
    """Nor is a byte touched: of ten thousand million parts each, a list would never be whole."""
    capabilities = Capabilities(parts=PartRule(count=10**10, maximum=5 * 2**30))
    plan = list(group([document(10**18, id=str(n)) for n in range(1000)], capabilities))
    assert all(isinstance(planned, Group) for planned in plan)
    assert len(plan) == 1000


def test_five_terabytes_are_ten_thousand_parts_at_most() -> None:
    """S3 takes no more of them."""
    assert len(cut(document(5 * 10**12), 477 * MIB)) == 9997
