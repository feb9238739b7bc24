"""Requests of real providers, signed as they sign them, for one customer."""

import uuid

import httpx

from libs.common.clock import SystemClock
from services.demo.posts import Post, Surroundings, make_post
from services.demo.script import Person, Request
from tests.e2e.conftest import PROVIDERS
from tests.e2e.stack import Stack

ADDRESSES = {
    "support-mail": "support@shop.example",
    "shop-mail": "orders@shop.example",
    "sms-main": "+390212345678",
    "whatsapp-main": "+390212345679",
    "telegram-bot": "",
    "contact-form": "",
}
LUCA = Person(
    name="Luca Bianchi",
    language="it",
    email="luca.bianchi@mail.example",
    phone="+393331234567",
    telegram_id=990011,
    vip=False,
)


def post_of(stack: Stack, account: str, text: str = "Dov'è il mio pacco? È in ritardo.") -> Post:
    """A real, signed request of this account's provider."""
    request = Request(account=account, person=LUCA, subject="Il mio ordine 4711", text=text, more=None)
    around = Surroundings(
        secrets=PROVIDERS,
        public_url=stack.url("ingest"),
        addresses=ADDRESSES,
        unique=uuid.uuid4().hex,
        now_ms=SystemClock().now_ms(),
    )
    return make_post(request, around)


async def deliver(stack: Stack, post: Post) -> httpx.Response:
    """Post it as the provider does."""
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.post(f"{stack.url('ingest')}{post.path}", content=post.body, headers=dict(post.headers))
