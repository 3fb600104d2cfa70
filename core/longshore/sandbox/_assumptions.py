"""What a vendor does not document and its sandbox had to choose: named, listed, switchable."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from longshore._closest import closest


@dataclass(frozen=True)
class Assumption:
    """One choice that the vendor's documentation leaves open.

    Attributes:
        name: snake_case; what `--assume name=value` takes.
        default: the choice made unless overridden; its type is the type of every other choice.
        description: what it decides, in one sentence.
        source: why it is an assumption, e.g. "not documented: status of a wrong token".
        choices: the allowed values; empty means any of the default's type.
    """

    name: str
    default: Any
    description: str
    source: str
    choices: tuple[Any, ...] = ()

    def checked(self, value: Any) -> Any:
        """Return `value` in the default's type; text is read as the command line gives it.

        Raises:
            ValueError: the value has another type or is no choice.
        """
        value = self._converted(value)
        if self.choices and value not in self.choices:
            listed = ", ".join(map(repr, self.choices))
            raise ValueError(f"assumption {self.name!r}: {value!r} is none of {listed}")
        return value

    def _converted(self, value: Any) -> Any:
        if isinstance(value, str) and not isinstance(self.default, str | None):
            try:
                value = json.loads(value.lower() if isinstance(self.default, bool) else value)
            except ValueError:
                raise self._wrong_type(value) from None
        if isinstance(self.default, float) and type(value) is int:
            value = float(value)
        if self.default is not None and type(value) is not type(self.default):
            raise self._wrong_type(value)
        return value

    def _wrong_type(self, value: Any) -> ValueError:
        kind = type(self.default).__name__
        return ValueError(f"assumption {self.name!r}: {value!r} is not of type {kind}")


class Assumptions(Mapping[str, Any]):
    """The assumptions of one sandbox with the values in force.

    Raises:
        ValueError: on construction: an unknown name (the message lists the names) or a value
            that `Assumption.checked` refuses.
    """

    def __init__(
        self, table: Iterable[Assumption], overrides: Mapping[str, Any] | None = None
    ) -> None:
        self.table = {assumption.name: assumption for assumption in table}
        self._values = {name: assumption.default for name, assumption in self.table.items()}
        for name, value in (overrides or {}).items():
            if name not in self.table:
                there_are = f"there are: {', '.join(self.table) or 'none'}"
                hint = closest(name, self.table) or there_are
                raise ValueError(f"unknown assumption {name!r}; {hint}")
            self._values[name] = self.table[name].checked(value)

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def allows(self, name: str, value: str) -> bool:
        """Tell whether a value is the only one that an assumption lets pass; "" lets any pass."""
        return bool(value) and self[name] in ("", value)

    def matches(self, name: str, text: str) -> bool:
        """Tell whether a text fits the pattern that an assumption is, in whatever case."""
        return fnmatchcase(text.lower(), self[name].lower())

    def words(self, name: str) -> list[str]:
        """Return the words that an assumption holds, such as scopes: `a b` or `a,b`."""
        return str(self[name]).replace(",", " ").split()

    def rows(self) -> list[dict[str, Any]]:
        """Return the table as `longshore sandbox --assumptions` shows it."""
        return [
            {
                "name": assumption.name,
                "value": self[assumption.name],
                "default": assumption.default,
                "choices": list(assumption.choices),
                "description": assumption.description,
                "source": assumption.source,
            }
            for assumption in self.table.values()
        ]
