"""Log URLs."""

from pathlib import Path

import pytest

from libs.common.log.kafka import KafkaLog
from libs.common.log.kafka_connection import KafkaConnection, KafkaUrlInvalidError, parse_kafka_url
from libs.common.log.memory import MemoryLog
from libs.common.log.open import LogUrlInvalidError, open_log
from libs.common.log.sqlite import SqliteLog


def test_opens_each_kind() -> None:
    assert isinstance(open_log("memory:", 2, 14), MemoryLog)
    relative, absolute = open_log("sqlite:///data/log.db", 2, 14), open_log("sqlite:////var/lib/log.db", 2, 14)
    assert isinstance(relative, SqliteLog)
    assert isinstance(absolute, SqliteLog)
    assert (relative.path, absolute.path) == (Path("data/log.db"), Path("/var/lib/log.db"))
    kafka = open_log("kafka://one:9092,two:9092", 2, 14)
    assert isinstance(kafka, KafkaLog)
    assert kafka.partitions("routing.inputs") == 2


@pytest.mark.parametrize("url", ["", "memory", "sqlite:///", "postgresql://host/log", "/var/lib/log.db"])
def test_refuses_other_urls(url: str) -> None:
    with pytest.raises(LogUrlInvalidError, match="sqlite:///path"):
        open_log(url, 4, 14)


def test_reads_everything_that_a_kafka_url_says() -> None:
    assert parse_kafka_url("kafka://a:9092,b:9093") == KafkaConnection(bootstrap="a:9092,b:9093")
    full = parse_kafka_url("kafka://shop:p%40ss@a:9093?tls=true&sasl=PLAIN&prefix=shop.")
    assert full == KafkaConnection(
        bootstrap="a:9093", tls=True, user="shop", password="p@ss", mechanism="PLAIN", prefix="shop."
    )
    assert full.topic("routing.inputs") == "shop.routing.inputs"
    assert full.arguments("router")["security_protocol"] == "SASL_SSL"
    assert "p@ss" not in repr(full)


@pytest.mark.parametrize(
    "url",
    [
        "kafka://",
        "kafka://host:9092/topic",
        "kafka://host:9092?tsl=true",
        "kafka://host:9092?tls=yes",
        "kafka://user:secret@host:9092?sasl=GSSAPI",
        "http://host:9092",
    ],
)
def test_refuses_a_malformed_kafka_url_without_telling_its_secret(url: str) -> None:
    with pytest.raises(KafkaUrlInvalidError) as refused:
        parse_kafka_url(url)
    assert "secret" not in str(refused.value)
