"""Facts as rows: a fact is one, and so is a session, unless its transfers are many.

All functions work within a transaction of their caller.
"""

from __future__ import annotations

import sqlite3
from functools import cache
from typing import Any

from longshore.journal._json import dump, load
from longshore.journal._records import DropFacts, Fact, FactKind
from longshore.lifecycle import Session

__all__ = ["drop_facts", "facts_of", "put_fact"]

_KINDS = {str(kind): kind for kind in FactKind}  # FactKind(...) is slow

# SQLite holds a text three times while it is written, and the session of 20 GiB has up to 2 MB.
# A row that is not full is the last one, whatever a longer session had written behind it.
_IN_ONE_ROW = 64  # transfers
_MORE = "?transfers"  # the flow of a session's further rows, as if it asked: dropped with its own


def facts_of(connection: sqlite3.Connection, unit_id: str) -> tuple[Fact, ...]:
    """Return all facts of a unit."""
    facts: list[Fact] = []
    rows = connection.execute(
        "SELECT kind, attempt, flow, name, value FROM facts WHERE unit_id = ?"
        " ORDER BY kind, attempt, flow, name",  # a session's further rows follow its own
        (unit_id,),
    )
    for kind, attempt, flow, name, value in rows:
        if flow == _MORE:
            session: Any = facts[-1].value
            if int(name) == len(session["transfers"]):
                session["transfers"] += load(value)["transfers"]
        else:
            facts.append(Fact(_KINDS[kind], attempt, flow, name, load(value)))
    return tuple(facts)


def put_fact(connection: sqlite3.Connection, unit_id: str, fact: Fact) -> None:
    """Write a fact, or replace its like."""
    session = fact.value
    if not isinstance(session, Session) or len(session.transfers) < _IN_ONE_ROW:
        _put_row(connection, unit_id, fact)
        return
    first = session.transfers[:_IN_ONE_ROW]
    _put_row(connection, unit_id, fact._replace(value=session.changed({"transfers": first})))
    for at in range(_IN_ONE_ROW, len(session.transfers) + 1, _IN_ONE_ROW):
        more = Session(transfers=session.transfers[at : at + _IN_ONE_ROW])
        _put_row(connection, unit_id, fact._replace(flow=_MORE, name=f"{at:09}", value=more))


def _put_row(connection: sqlite3.Connection, unit_id: str, fact: Fact) -> None:
    connection.execute(
        "INSERT INTO facts (unit_id, kind, attempt, flow, name, value) VALUES (?, ?, ?, ?, ?, ?)"
        # the key is named: before SQLite 3.35, as Linux of 2022 has it, it has to be
        " ON CONFLICT (unit_id, kind, attempt, flow, name) DO UPDATE SET value = excluded.value",
        (unit_id, str(fact.kind), fact.attempt, fact.flow, fact.name, dump(fact.value)),
    )


def drop_facts(connection: sqlite3.Connection, unit_id: str, drop: DropFacts) -> None:
    """Forget facts of a unit."""
    kinds, flow, name = drop
    statement = _drop_statement(kinds, flow=flow is not None, name=name is not None)
    connection.execute(statement, {"unit": unit_id, "flow": flow, "name": name})


@cache
def _drop_statement(kinds: tuple[FactKind, ...], *, flow: bool, name: bool) -> str:
    listed = ", ".join([f"'{kind}'" for kind in kinds])
    conditions = [f"kind IN ({listed})"]
    if flow:
        conditions.append("(flow = :flow OR substr(flow, 1, length(:flow) + 1) = :flow || '?')")
    if name:
        conditions.append("name = :name")
    # what is put in are our own words
    return f"DELETE FROM facts WHERE unit_id = :unit AND {' AND '.join(conditions)}"  # noqa: S608
