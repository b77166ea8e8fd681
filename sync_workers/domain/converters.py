"""Named conversions between a system's native values and canonical ones, both ways and pure.

Text, truth, links, value maps and countries live here; numbers and units in ``amounts``, dates and
times in ``moments``. Blank (None or an empty string) is None on the canonical side everywhere and
never reaches a converter. ``CONVERTERS`` is the registry that the sheets choose from by name.
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass
from html.parser import HTMLParser
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

import pycountry

from sync_workers.domain.records import Scalar, Value
from sync_workers.errors import Unlinked

LEDGER = "ledger"
_NOTHING: Mapping[str, Any] = MappingProxyType({})


class Links(Protocol):
    """Which records the ledger knows under which ids."""

    def record_of(self, kind: str, system: str, external_id: str) -> str | None:
        """Return the canonical record id, None when the ledger has no such ref."""
        ...

    def id_in(self, kind: str, record: str, system: str) -> str | None:
        """Return the record's id in ``system``, None when it has no counterpart there yet."""
        ...


class Spot(NamedTuple):  # a tuple: one is made for every value that is read, shown or written
    """Where a conversion happens. ``values`` are the canonical fields known so far (the record's and,
    inside a list, the item's); ``native`` is the record or item being read, empty when writing; ``number`` is
    the place of the item in its list, from 1; 0 outside of lists."""

    kind: str
    field: str
    system: str
    links: Links | None = None
    values: Mapping[str, Value] = _NOTHING
    native: Mapping[str, Any] = _NOTHING
    number: int = 0


class Unconvertible(ValueError):
    """A value that the converter cannot carry over. ``mend`` says what would help."""

    def __init__(self, message: str, mend: str = "") -> None:
        super().__init__(message)
        self.mend = mend


@dataclass(frozen=True)
class Converter:
    """Both ways of one conversion; ``read(write(x))`` is what ``x`` looks like in that system."""

    def read(self, native: Any, spot: Spot) -> Scalar:
        raise NotImplementedError

    def write(self, value: Any, spot: Spot) -> Any:
        raise NotImplementedError

    def shown(self, value: Any, spot: Spot) -> Scalar:
        """Return what ``value`` should look like once it stands in that system."""
        native = self.write(value, spot)
        return None if native is None or native == "" else self.read(native, spot)

    @property
    def needs(self) -> tuple[str, ...]:
        """The canonical fields that must be known before this one can be converted."""
        return ()


@dataclass(frozen=True)
class Exact(Converter):
    """Text untouched, for codes in which a blank means something."""

    def read(self, native: Any, spot: Spot) -> Scalar:
        return _text(native)

    def write(self, value: Any, spot: Spot) -> Any:
        return _text(value)


@dataclass(frozen=True)
class Text(Converter):
    """Text without blanks at its ends; ``case`` for systems that keep capitals or small letters only."""

    case: str = ""

    def read(self, native: Any, spot: Spot) -> Scalar:
        return self._cased(_text(native)) or None

    def write(self, value: Any, spot: Spot) -> Any:
        return self._cased(_text(value)) or None

    def _cased(self, text: str) -> str:
        text = text.strip()
        if self.case == "upper":
            return text.upper()
        return text.lower() if self.case == "lower" else text


@dataclass(frozen=True)
class HtmlText(Converter):
    """Plain text here, HTML there: tags go, line ends and paragraphs stay."""

    def read(self, native: Any, spot: Spot) -> Scalar:
        reader = _TextOfHtml()
        reader.feed(_text(native))
        reader.close()
        lines = [" ".join(line.split()) for line in "".join(reader.parts).split("\n")]
        return "\n".join(lines).strip() or None

    def write(self, value: Any, spot: Spot) -> Any:
        return html.escape(_text(value), quote=False).replace("\n", "<br>")


class _TextOfHtml(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []

    def handle_data(self, data: str) -> None:
        self.parts.append(data.replace("\n", " "))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in {"br", "p", "div", "li"}:
            self.parts.append("\n")


@dataclass(frozen=True)
class Bool(Converter):
    """Truth, also where it travels as the words ``true`` and ``false`` (HubSpot property values)."""

    def read(self, native: Any, spot: Spot) -> Scalar:
        if isinstance(native, bool):
            return native
        word = str(native).strip().lower()
        if word in {"true", "1", "yes"}:
            return True
        if word in {"false", "0", "no"}:
            return False
        raise Unconvertible("is neither true nor false")

    def write(self, value: Any, spot: Spot) -> Any:
        if not isinstance(value, bool):
            raise Unconvertible("is neither true nor false")
        return value


@dataclass(frozen=True)
class ValueMap(Converter):
    """A fixed list of native values and what they mean. Where several mean the same, the first is written."""

    entries: tuple[tuple[str, str], ...]

    def read(self, native: Any, spot: Spot) -> Scalar:
        word = _word(native)
        for ours, canonical in self.entries:
            if ours == word:
                return canonical
        raise Unconvertible("has no entry in the value map", self._mend(word, spot))

    def write(self, value: Any, spot: Spot) -> Any:
        word = _word(value)
        for ours, canonical in self.entries:
            if canonical == word:
                return ours
        raise Unconvertible("has no entry in the value map", self._mend(word, spot))

    def _mend(self, word: str, spot: Spot) -> str:
        return (
            f"add {word!r} to the map of {spot.field!r} for {spot.system} in the next version of the "
            f"{spot.kind} sheet, or change the value in the system"
        )


@dataclass(frozen=True)
class Country(Converter):
    """ISO 3166-1 alpha-2 here; there what ``form`` says. Codes and English names are read alike."""

    form: str = "alpha2"

    def read(self, native: Any, spot: Spot) -> Scalar:
        return str(self._find(_text(native)).alpha_2)

    def write(self, value: Any, spot: Spot) -> Any:
        country = self._find(_text(value))
        if self.form == "alpha2":
            return country.alpha_2
        if self.form == "alpha3":
            return country.alpha_3
        return getattr(country, "common_name", None) or country.name

    @staticmethod
    def _find(text: str) -> Any:
        text = _COUNTRY_HABITS.get(text.strip().lower(), text.strip())
        try:
            return pycountry.countries.lookup(text)
        except LookupError:
            mend = "use the ISO code or the English name"
            raise Unconvertible("is no country that ISO 3166 knows", mend) from None


# What people type although ISO 3166 does not list it.
_COUNTRY_HABITS = {
    "uk": "GB",
    "england": "GB",
    "great britain": "GB",
    "usa": "US",
    "u.s.": "US",
    "u.s.a.": "US",
}


@dataclass(frozen=True)
class Record(Converter):
    """A pointer to another record: the system's own id there, the ledger's record id here."""

    kind: str

    def read(self, native: Any, spot: Spot) -> Scalar:
        external_id = _word(native)
        record = spot.links.record_of(self.kind, spot.system, external_id) if spot.links else None
        if record is None:
            raise Unlinked(self.kind, spot.system, external_id, LEDGER)
        return record

    def write(self, value: Any, spot: Spot) -> Any:
        external_id = spot.links.id_in(self.kind, str(value), spot.system) if spot.links else None
        if external_id is None:
            raise Unlinked(self.kind, LEDGER, str(value), spot.system)
        return external_id

    def shown(self, value: Any, spot: Spot) -> Scalar:
        """The record itself: a merge may compare links before they exist."""
        return str(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        if isinstance(value, bool | Mapping | list | tuple):
            raise Unconvertible("is not text")
        return str(value)
    return value


def _word(value: Any) -> str:
    """Write a native scalar as the sheets write it: true and false in small letters."""
    return str(value).lower() if isinstance(value, bool) else str(value)
