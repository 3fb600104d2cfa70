"""The provider's limits at their edges, with documents that have a size and no bytes."""

from __future__ import annotations

import re
from typing import ClassVar

from longshore.capabilities import Capabilities, Limits, PartRule
from longshore.documents import Document, media_type_of
from longshore.errors import UsageError
from longshore.planning import Group, Refusal, group, part_size_for
from longshore.testing.conformance._kit import Kit
from longshore.testing.conformance._say import expect, in_tree, skip, told
from longshore.testing.conformance._story import calm, tell
from longshore.testing.conformance._uploads import good

__all__ = ["NAMES", "LimitChecks"]

_URL = re.compile(r"[A-Za-z0-9\-._~:/?\[\]@!$&'()*+,;=%]*")

NAMES = {
    "quotes": 'a "quoted" name{}',
    "line breaks": "a\r\nX-Injected: 1{}",
    "umlauts": "Grundriß Küche{}",
    "other scripts": "図面 план{}",
    "slashes": "../../etc/a{}",
    "percent": "100%25 & more; a=b{}",
    "long": "n" * 200 + "{}",
}
"""Names that a file may have; the ending comes into the braces."""


class LimitChecks:
    """What the planner takes and refuses for this provider."""

    kit: ClassVar[Kit]

    def _capabilities(self) -> Capabilities:
        return self.kit.adapter().capabilities()

    def _document(self, size: int | None = None, **more: object) -> Document:
        """A document that is fit in all that is not said."""
        name, content = self.kit.modes[0].documents[0]
        least = max(len(content), self._capabilities().limits.min_bytes_per_document)
        known = {"id": "d0", "name": name, "size": least if size is None else size, **more}
        known.setdefault("media_type", media_type_of(str(known["name"])))
        return Document.model_validate(known)

    def _plan(self, *documents: Document) -> list[Group | Refusal]:
        return list(group(documents, self._capabilities()))

    def _taken(self, document: Document, edge: str) -> None:
        planned = self._plan(document)
        reasons = [r for p in planned if isinstance(p, Refusal) for r in p.reasons]
        expect(
            not reasons,
            f"{edge} is refused: {reasons}",
            "what the limits allow goes, to the last byte",
        )

    def _refused(self, document: Document, edge: str) -> None:
        planned = self._plan(document)
        expect(
            len(planned) == 1 and isinstance(planned[0], Refusal) and planned[0].reasons,
            f"{edge} is planned",
            "what the limits forbid is refused before the first byte, with a reason",
        )

    # ------------------------------------------------------------------ as they are told

    def test_the_limits_make_sense(self) -> None:
        """No limit contradicts another one."""
        own = self._capabilities()
        expect(not (wrong := _absurd(own)), "; ".join(wrong), "the planner believes the limits")

    def test_the_polls_make_sense(self) -> None:
        """The floor is not above the pause, nor the pause above the longest one."""
        polls = self._capabilities().polls
        expect(
            0 <= polls.floor <= polls.longest and 0 < polls.interval <= polls.longest,
            f"{polls}",
            "floor <= longest and interval <= longest, in seconds",
        )

    # ------------------------------------------------------------------ sizes

    def _largest(self) -> int:
        limits = self._capabilities().limits
        sizes = [size for size in (limits.bytes_per_document, limits.bytes_per_batch) if size]
        if not sizes:
            skip("no largest document is documented")
        return min(sizes)

    def test_the_largest_document_goes(self) -> None:
        """A document of exactly the largest size is planned."""
        most = self._largest()
        self._taken(self._document(most), f"a document of {most} bytes")

    def test_one_byte_more_is_refused(self) -> None:
        """A document of one byte more is refused."""
        most = self._largest()
        self._refused(self._document(most + 1), f"a document of {most + 1} bytes")

    def test_the_smallest_document_goes(self) -> None:
        """A document of exactly the smallest size is planned."""
        least = self._capabilities().limits.min_bytes_per_document
        self._taken(self._document(least), f"a document of {least} bytes")

    def test_one_byte_less_is_refused(self) -> None:
        """A document of one byte less is refused."""
        least = self._capabilities().limits.min_bytes_per_document
        if least == 0:
            skip("an empty document is not refused by the limits")
        self._refused(self._document(least - 1), f"a document of {least - 1} bytes")

    # ------------------------------------------------------------------ batches

    def test_a_full_batch_is_one_batch(self) -> None:
        """As many documents as a batch holds travel as one."""
        most = self._capabilities().limits.documents_per_batch
        if most is None:
            skip("a batch holds any number of documents")
        planned = self._plan(*(self._document(id=f"d{n}") for n in range(most)))
        expect(len(planned) == 1, f"{most} documents make {len(planned)} batches", "they fit")

    def test_one_document_more_is_another_batch(self) -> None:
        """One document more than a batch holds begins another one."""
        most = self._capabilities().limits.documents_per_batch
        if most is None:
            skip("a batch holds any number of documents")
        planned = self._plan(*(self._document(id=f"d{n}") for n in range(most + 1)))
        sizes = [len(p.documents) for p in planned if isinstance(p, Group)]
        expect(sizes == [most, 1], f"the batches have {sizes} documents", f"at most {most}")

    def test_a_batch_holds_its_bytes(self) -> None:
        """Two documents that fill a batch to its last byte share it; one byte more, and not."""
        limits = self._capabilities().limits
        most, alone = limits.bytes_per_batch, limits.documents_per_batch == 1
        if most is None or alone:
            skip("no largest batch is documented, or it holds one document only")
        half = most // 2
        pairs = [(half, most - half), (half, most - half + 1)]
        counts = [
            len(self._plan(*(self._document(s, id=f"d{n}") for n, s in enumerate(pair))))
            for pair in pairs
        ]
        expect(counts == [1, 2], f"{pairs} make {counts} batches", f"at most {most} bytes")

    # ------------------------------------------------------------------ kinds and names

    def test_every_listed_ending_goes(self) -> None:
        """Each ending that is listed is planned, in upper case too."""
        endings = self._capabilities().limits.extensions
        if endings is None:
            skip("no endings are listed")
        for ending in sorted(endings):
            for name in (f"a{ending}", f"A{ending.upper()}"):
                self._taken(self._document(name=name), name)

    def test_another_ending_is_refused(self) -> None:
        """An ending that is not listed, or none, is refused."""
        if self._capabilities().limits.extensions is None:
            skip("no endings are listed")
        for name in ("a.longshore", "a"):
            self._refused(self._document(name=name), name)

    def test_another_media_type_is_refused(self) -> None:
        """Each media type that is listed is planned, another one refused."""
        kinds = self._capabilities().limits.media_types
        if kinds is None:
            skip("no media types are listed")
        for kind in sorted(kinds):
            self._taken(self._document(media_type=kind), kind)
        self._refused(self._document(media_type="application/x-longshore"), "x-longshore")

    def test_the_longest_name_goes(self) -> None:
        """A name of exactly the longest length is planned, one letter more refused."""
        most = self._capabilities().limits.name_characters
        if most is None:
            skip("no longest name is documented")
        ending = self._document().extension
        stem = "n" * (most - len(ending))
        self._taken(self._document(name=stem + ending), f"a name of {most} characters")
        self._refused(self._document(name=f"n{stem}{ending}"), f"a name of {most + 1} characters")

    # ------------------------------------------------------------------ parts

    def _rule(self) -> PartRule:
        rule = self._capabilities().parts
        if rule is None:
            skip("documents always travel whole")
        if rule.chosen_by == "vendor":
            skip("the vendor says how long a part is")
        return rule

    def test_parts_keep_their_limits(self) -> None:
        """Whatever a user asks for, the part size that is used is one that the vendor takes."""
        rule = self._rule()
        for asked in (None, 1, rule.default, (rule.maximum or rule.default) + 1):
            size = part_size_for(rule.above + 1, rule, asked)
            expect(
                rule.minimum <= size <= (rule.maximum or size),
                f"asked for {asked}, parts of {size}",
                f"from {rule.minimum} to {rule.maximum}",
            )

    def test_a_part_size_outside_the_limits_is_an_error(self) -> None:
        """A part size that the vendor would refuse is refused to the user."""
        rule = self._rule()
        for asked in (rule.minimum - 1, (rule.maximum or 0) + 1):
            if asked == 1 and rule.maximum is None:
                continue
            try:
                list(group([self._document()], self._capabilities(), part_size=asked))
            except UsageError:
                continue
            expect(False, f"a part size of {asked} is taken", "the error names the limits")

    def test_a_part_size_that_prepare_tells_is_the_vendors(self) -> None:
        """Documents are planned before ``prepare``: what it tells is not in ``batch.part_size``."""
        setup = calm(self.kit, self.kit.modes[0]).setup
        rule = setup.capabilities.parts if setup and setup.capabilities else None
        if rule is None:
            skip("prepare tells no part size")
        expect(
            rule.chosen_by == "vendor" or rule == self._capabilities().parts,
            f"prepare says {rule}, and batch.part_size was planned by another rule",
            'such a rule is PartRule(chosen_by="vendor"), and start cuts by batch.setup',
        )

    def test_the_most_parts_go(self) -> None:
        """A document of as many largest parts as the vendor takes is planned; one byte more not."""
        rule = self._rule()
        limit = self._capabilities().limits.bytes_per_document
        if rule.count is None or rule.maximum is None:
            skip("no number of parts, or no largest part, is documented")
        most = rule.count * rule.maximum
        if limit is not None and limit < most:
            skip("the largest document has fewer parts than that")
        self._taken(self._document(most), f"a document of {rule.count} parts")
        self._refused(self._document(most + 1), "a document of one part more")

    # ------------------------------------------------------------------ carried for real

    def test_a_full_batch_is_carried(self) -> None:
        """The sandbox takes as many documents as the limits allow (100 are tried at most)."""
        most = self._capabilities().limits.documents_per_batch
        if most == 1:
            skip("a batch holds one document")
        mode = self.kit.modes[0]
        ending = self._document().extension
        count = min(most or 100, 100)
        documents = tuple((f"n{n}{ending}", f"content {n}".encode()) for n in range(count))
        story = tell(self.kit, mode.carrying(*documents))
        expect(
            story.error is None and story.statuses[-1].state is self.kit.ends_as,
            f"{count} documents in one batch end with {told(story.error)}",
            "the limits are what the vendor really takes",
        )

    def test_an_empty_document_comes_to_an_end(self) -> None:
        """A document without bytes is refused by the plan or by the vendor, or it is carried."""
        mode = good(self.kit, self.kit.modes[0]).mode
        name = mode.documents[0][0]
        story = tell(self.kit, mode.carrying((name, b"")))
        expect(in_tree(story.error), told(story.error), "no document makes the provider fall over")

    def test_strange_names_are_carried(self, odd_name: str) -> None:
        """A name with quotes, line breaks, slashes or any script harms nothing."""
        mode = good(self.kit, self.kit.modes[0]).mode
        name = odd_name.format(self._document().extension)
        story = tell(self.kit, mode.carrying((name, b"12345678")))
        expect(in_tree(story.error), told(story.error), "a name is text; the core encodes it")
        headers = [
            h for sent in story.pier.sent for pair in sent.call.headers.items() for h in pair
        ]
        expect(
            all(h.isascii() and h.isprintable() for h in headers),
            "a header holds what no header may hold",
            "names go into bodies, where they are encoded; in a header they need encoding",
        )
        urls = [s.call.url for s in story.pier.sent if not s.request.absolute]
        expect(
            all(_URL.fullmatch(url) and "/../" not in url for url in urls),
            f"a URL holds the raw name: {urls}",
            "what goes into a path or a query is percent-encoded",
        )

    def test_the_sandbox_sees_the_name(self) -> None:
        """What the vendor calls the document is the name that it was given."""
        story = good(self.kit, self.kit.modes[0])
        held = {document["name"] for document in story.state()["documents"]}
        names = {name for name, _ in self.kit.modes[0].documents}
        if held == {""}:
            skip("the sandbox says that the vendor is told no names")
        expect(
            names <= held or {n.rpartition(".")[0] for n in names} <= held,
            f"sent {sorted(names)}, held {sorted(held)}",
            "documents keep their names",
        )


def _absurd(own: Capabilities) -> list[str]:
    limits, parts = own.limits, own.parts
    numbers = (
        limits.documents_per_batch,
        limits.bytes_per_batch,
        limits.bytes_per_document,
        limits.name_characters,
    )
    wrong = [f"a limit of {number}" for number in numbers if number is not None and number < 1]
    wrong += [
        f"{ending!r} is no ending in lower case with its dot"
        for ending in limits.extensions or ()
        if ending != ending.lower() or not ending.startswith(".")
    ]
    wrong += [f"{kind!r} is no media type" for kind in limits.media_types or () if "/" not in kind]
    wrong += _contradictions(limits)
    if parts is not None:
        most = parts.maximum or max(parts.default, parts.minimum)
        fits = 1 <= parts.minimum <= parts.default <= most
        if parts.chosen_by == "client" and not fits:
            wrong.append(f"parts of {parts.minimum} to {parts.maximum}, usually {parts.default}")
    if own.concurrency < 1 or own.idempotency_window < 0:
        wrong.append("concurrency is at least 1, the idempotency window at least 0")
    return wrong


def _contradictions(limits: Limits) -> list[str]:
    wrong = []
    most = limits.bytes_per_document
    if most is not None and limits.min_bytes_per_document > most:
        wrong.append("the least size of a document is above the most")
    if most is not None and limits.bytes_per_batch is not None and most > limits.bytes_per_batch:
        wrong.append("a document may be larger than its batch")
    return wrong
