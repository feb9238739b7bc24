"""The story is the same for the same seed, and everything in it fits together."""

import itertools
from collections import Counter

import pytest

from libs.common.configuration import load_configuration
from services.demo.compose import CONFIGURATION_PATH
from services.demo.script import Answers, Request, Script, chance, load_texts


def story(seed: int, length: int) -> list[Request]:
    script = Script(seed)
    return [script.next() for _ in range(length)]


def test_the_same_seed_tells_the_same_story() -> None:
    assert story(7, 60) == story(7, 60)
    assert story(7, 60) != story(8, 60)


def test_every_account_of_the_configuration_is_written_to() -> None:
    accounts = Counter(request.account for request in story(1, 300))

    assert set(accounts) == set(load_configuration(CONFIGURATION_PATH).accounts)


def test_who_writes_to_an_account_with_a_language_speaks_it() -> None:
    accounts = load_configuration(CONFIGURATION_PATH).accounts

    for request in story(9, 200):
        if request.account != "contact-form":  # Forms say which language they are filled in.
            assert accounts[request.account].language in (None, request.person.language)


def test_nothing_in_the_texts_is_left_to_fill_in() -> None:
    for request in story(3, 200):
        assert "{" not in f"{request.subject}{request.text}{request.more}"
        assert request.text[0].isupper()


def test_there_are_a_few_dozen_requests_in_both_languages() -> None:
    languages = Counter(request["language"] for request in load_texts()["requests"])

    assert languages["it"] >= 20
    assert languages["en"] >= 10


def test_people_have_addresses_of_their_own() -> None:
    people = {request.person for request in story(2, 200)}

    for first, second in itertools.combinations(people, 2):
        assert {first.email, first.phone, first.telegram_id}.isdisjoint(
            {second.email, second.phone, second.telegram_id}
        )


def test_people_write_in_their_own_language() -> None:
    texts = {request["text"]: request["language"] for request in load_texts()["requests"] if "{" not in request["text"]}

    for request in story(5, 100):
        assert texts.get(request.text, request.person.language) == request.person.language


@pytest.mark.parametrize(
    ("language", "begins"), [("it", "Buongiorno Chiara,"), ("en-GB", "Hello Chiara,"), (None, "Buongiorno")]
)
def test_answers_are_in_the_customers_language(language: str | None, begins: str) -> None:
    answer = Answers(chance(1, "test")).compose(language=language, queue="orders", name="Chiara Gallo")

    assert answer.startswith(begins)


def test_a_customer_without_a_name_is_answered_too() -> None:
    assert Answers(chance(1, "test")).compose(language="en", queue="nowhere", name=None).startswith("Hello,")
