"""A PostgreSQL server in a container of the official image."""

from tests.parts.containers import ContainerPart
from tests.parts.postgres import POSTGRES_IMAGE, QUICK_SETTINGS, PostgresServer, answers, run_coroutine
from tests.support.ports import free_port
from tests.support.waiting import wait_until

_INSIDE_PORT = 5432
_ANSWER_TIMEOUT_S = 30


class DockerPostgres(PostgresServer):
    """See `PostgresServer`."""

    def __init__(self) -> None:
        port = free_port()
        self.url = f"postgresql://centralino:centralino@127.0.0.1:{port}/centralino"
        self._part = ContainerPart(
            POSTGRES_IMAGE,
            ports=(_INSIDE_PORT, port),
            environment={"POSTGRES_USER": "centralino", "POSTGRES_PASSWORD": "centralino"},
            ready_text="database system is ready to accept connections",
            ready_count=2,  # At its very first start the image starts the server twice, the first time without network.
            command=["postgres", *(word for setting in QUICK_SETTINGS for word in ("-c", setting))],
        )

    def start(self) -> None:
        self._part.start()
        wait_until(lambda: run_coroutine(answers(self.url)), _ANSWER_TIMEOUT_S)

    def stop(self) -> None:
        self._part.stop()

    def kill(self) -> None:
        self._part.kill()

    def pause(self) -> None:
        self._part.pause()

    def resume(self) -> None:
        self._part.resume()

    def close(self) -> None:
        self._part.close()
