"""Who writes what, in which order and over which account: decided by a seed, so that a demo can be seen twice.

Pure but for reading its own text file. Called by `customers` for requests and by `agents` for answers.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final

import yaml

TEXTS_PATH: Final = Path(__file__).with_name("conversations.yaml")

# How often people of each language write to each account. A mailbox or a number has the language of those who know it.
ACCOUNT_WEIGHTS: Final[Mapping[str, Mapping[str, int]]] = {
    "it": {"support-mail": 4, "whatsapp-main": 5, "telegram-bot": 3, "sms-main": 3, "contact-form": 4, "api": 2},
    "en": {"shop-mail": 5, "telegram-bot": 3, "contact-form": 4, "api": 2},
}
MORE_SHARE: Final = 0.6  # Of those who have more to say, how many say it.
VIP_SHARE: Final = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A customer with an address on every channel. `phone` is E.164, `telegram_id` a number of Telegram's."""

    name: str
    language: str
    email: str
    phone: str
    telegram_id: int
    vip: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a customer wants, in words. `more` follows a little later over the same account, where there is any."""

    person: Person
    account: str
    subject: str
    text: str
    more: str | None = None


def chance(seed: int, name: str) -> Random:
    """A source of chance for one purpose: the same for the same seed, and apart from every other purpose's."""
    return Random(f"{seed}/{name}")  # noqa: S311  # it makes stories, no secrets


class Script:
    """The requests, one after the other. Nobody writes again before everybody else had a turn."""

    def __init__(self, seed: int) -> None:
        """Reads the texts."""
        self._texts = load_texts()
        self._chance = chance(seed, "customers")
        self._people = [
            _person(name, language, number)
            for language, names in self._texts["people"].items()
            for number, name in enumerate(names)
        ]
        self._waiting: list[Person] = []
        self._requests: list[Mapping[str, str]] = []

    def next(self) -> Request:
        """The next request."""
        request = self._draw_request()
        language = request["language"]
        person = self._draw_person(language)
        words = {
            "order": str(self._chance.randint(40_000, 49_999)),
            "product": self._chance.choice(self._texts["products"][language]),
        }
        more = request.get("more") if self._chance.random() < MORE_SHARE else None
        weights = ACCOUNT_WEIGHTS[language]
        account = self._chance.choices(list(weights), list(weights.values()))[0]
        return Request(
            person=person,
            account=account,
            subject=_capital(request["subject"].format(**words)),
            text=_capital(request["text"].format(**words)),
            more=more,
        )

    def _draw_request(self) -> Mapping[str, str]:
        if not self._requests:
            self._requests = list(self._texts["requests"])
            self._chance.shuffle(self._requests)
        return self._requests.pop()

    def _draw_person(self, language: str) -> Person:
        if not any(person.language == language for person in self._waiting):
            arriving = [person for person in self._people if person.language == language]
            self._chance.shuffle(arriving)
            self._waiting.extend(arriving)
        place = next(place for place, person in enumerate(self._waiting) if person.language == language)
        return self._waiting.pop(place)


class Answers:
    """What a simulated agent says."""

    def __init__(self, source: Random) -> None:
        """Reads the texts."""
        self._answers: Mapping[str, Mapping[str, list[str]]] = load_texts()["answers"]
        self._chance = source

    def compose(self, *, language: str | None, queue: str, name: str | None) -> str:
        """An answer for a contact of this queue, in the customer's language where it is known, else in Italian."""
        by_topic = self._answers.get((language or "it")[:2], self._answers["it"])
        answer = self._chance.choice(by_topic.get(queue, by_topic["general"]))
        first_name = (name or "").split(" ")[0]
        return answer.format(name=first_name).replace(" ,", ",")


def load_texts() -> dict[str, Any]:
    """The demo's texts."""
    texts: dict[str, Any] = yaml.safe_load(TEXTS_PATH.read_text("utf-8"))
    return texts


def _person(name: str, language: str, number: int) -> Person:
    plain = unicodedata.normalize("NFKD", name.lower()).encode("ascii", "ignore").decode()
    serial = number + (500 if language == "en" else 0)
    return Person(
        name=name,
        language=language,
        email=f"{re.sub('[^a-z]+', '.', plain)}@example.com",
        phone=f"+39320555{serial:04d}" if language == "it" else f"+447700900{number:03d}",
        telegram_id=700_100_000 + serial,
        vip=number % round(1 / VIP_SHARE) == 0,
    )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
