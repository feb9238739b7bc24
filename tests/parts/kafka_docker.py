"""A Kafka broker in a container of the official image."""

from tests.parts.containers import ContainerPart
from tests.parts.kafka import HEAP_OPTIONS, KAFKA_IMAGE, READY_TEXT, SINGLE_NODE_SETTINGS, KafkaBroker
from tests.support.ports import free_port


class DockerKafka(KafkaBroker):
    """See `KafkaBroker`. The port is the same inside and outside, so the broker reaches itself at the address it tells clients."""

    def __init__(self) -> None:
        port = free_port()
        self.bootstrap = f"127.0.0.1:{port}"
        listeners = {
            "listeners": f"CLIENT://0.0.0.0:{port},CONTROLLER://127.0.0.1:9093",
            "advertised.listeners": f"CLIENT://127.0.0.1:{port}",
            "listener.security.protocol.map": "CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "inter.broker.listener.name": "CLIENT",
            "controller.listener.names": "CONTROLLER",
            "controller.quorum.voters": "1@127.0.0.1:9093",
        }
        environment = {_variable(name): value for name, value in {**SINGLE_NODE_SETTINGS, **listeners}.items()}
        environment["KAFKA_HEAP_OPTS"] = " ".join(HEAP_OPTIONS)
        self._part = ContainerPart(KAFKA_IMAGE, ports=(port, port), environment=environment, ready_text=READY_TEXT)

    def start(self) -> None:
        self._part.start()

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


def _variable(setting: str) -> str:
    """The variable that the image turns into a setting of that name."""
    return "KAFKA_" + setting.upper().replace(".", "_")
