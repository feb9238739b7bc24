"""A Kafka broker as a Java process on this machine, from the released jars.

The jars come from Maven Central once, into the user's cache folder; Java and Maven come from the system's packages where they
are missing. `kafka-pom.xml` names the versions.
"""

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.parts.choice import say
from tests.parts.errors import PartMissingError
from tests.parts.kafka import HEAP_OPTIONS, READY_TEXT, SINGLE_NODE_SETTINGS, KafkaBroker
from tests.parts.packages import install_packages
from tests.support.ports import free_port
from tests.support.processes import Child
from tests.support.waiting import wait_until

KAFKA_VERSION = "4.1.0"
_JAVA_VERSION_MIN = 17  # Kafka 4's broker runs on nothing older.
_POM = Path(__file__).with_name("kafka-pom.xml")
_DOWNLOAD_TIMEOUT_S = 600
_START_TIMEOUT_S = 120
_CLUSTER_ID = "Y2VudHJhbGluby10ZXN0cw"  # 16 bytes in base64, as Kafka wants it.
_LOGGING = """\
status = error
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{ISO8601} %p %c{1} %m%n
rootLogger.level = info
rootLogger.appenderRef.out.ref = out
"""


def install_kafka() -> Path:
    """The folder with the jars of the broker; fetches them, and installs Java and Maven, when they are missing.

    The folder appears all at once by a rename, so it is whole or not there, whoever else installs at the same time.
    """
    if _java_version() < _JAVA_VERSION_MIN:
        install_packages(f"Java {_JAVA_VERSION_MIN} or newer", "default-jre-headless")
        if _java_version() < _JAVA_VERSION_MIN:
            raise PartMissingError(
                f"the broker needs Java {_JAVA_VERSION_MIN} or newer, and this system's packages have an older one"
            )
    jars = Path.home() / ".cache" / "centralino" / f"kafka-{KAFKA_VERSION}"
    if jars.is_dir():
        return jars
    if shutil.which("mvn") is None:
        install_packages("Maven", "maven")
    say(f"fetching the jars of Kafka {KAFKA_VERSION} into {jars}")
    jars.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".kafka-", dir=jars.parent) as folder:
        _fetch_jars(Path(folder))
        try:
            (Path(folder) / "jars").rename(jars)
        except OSError:
            if not jars.is_dir():  # Otherwise another test run was quicker.
                raise
    return jars


def _fetch_jars(folder: Path) -> None:
    shutil.copy(_POM, folder / "pom.xml")
    command = ["mvn", "--batch-mode", "--quiet", "dependency:copy-dependencies", f"-DoutputDirectory={folder / 'jars'}"]
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=_DOWNLOAD_TIMEOUT_S,
        )
    except subprocess.TimeoutExpired:
        raise PartMissingError(f"fetching Kafka's jars with Maven did not end in {_DOWNLOAD_TIMEOUT_S} s") from None
    if done.returncode != 0:
        raise PartMissingError(f"Maven cannot fetch Kafka's jars:\n{(done.stdout + done.stderr)[-2000:]}")


def _java_version() -> int:
    """The major version of `java` on the path; 0 without one."""
    if shutil.which("java") is None:
        return 0
    said = subprocess.run(["java", "-version"], capture_output=True, text=True, check=False).stderr
    found = re.search(r'version "(\d+)', said)
    return int(found[1]) if found else 0


class LocalKafka(KafkaBroker):
    """See `KafkaBroker`. Settings, data and output are in a folder of its own under the system's temporary folder."""

    def __init__(self, jars: Path) -> None:
        """`jars`: what `install_kafka` gave."""
        self._jars = jars
        self._port, self._controller_port = free_port(), free_port()
        self.bootstrap = f"127.0.0.1:{self._port}"
        self._folder: Path | None = None
        self._child: Child | None = None

    def start(self) -> None:
        folder = self._folder or self._prepare()
        if self._child is not None:
            assert not self._child.running, "the broker runs already"
            self._child.close()
        output = folder / "output"
        output.unlink(missing_ok=True)
        command = self._java("kafka.Kafka", str(folder / "server.properties"))
        self._child = child = Child(command, output, working_directory=folder, scratch=folder)

        def serves() -> bool:
            child.check_running()
            return READY_TEXT in child.output()

        wait_until(serves, _START_TIMEOUT_S)

    def stop(self) -> None:
        self._started().terminate()
        self._started().wait()

    def kill(self) -> None:
        self._started().kill()

    def pause(self) -> None:
        self._started().pause()

    def resume(self) -> None:
        self._started().resume()

    def close(self) -> None:
        if self._child is not None:
            self._child.close()
            self._child = None
        if self._folder is not None:
            shutil.rmtree(self._folder)
            self._folder = None

    def _started(self) -> Child:
        assert self._child is not None, "start it first"
        return self._child

    def _java(self, *arguments: str) -> list[str]:
        assert self._folder is not None
        logging = f"-Dlog4j2.configurationFile={self._folder / 'log4j2.properties'}"
        return ["java", *HEAP_OPTIONS, logging, "-cp", f"{self._jars}/*", *arguments]

    def _prepare(self) -> Path:
        """Write the settings and format the storage, once."""
        self._folder = folder = Path(tempfile.mkdtemp(prefix="centralino-kafka-"))
        settings = {
            **SINGLE_NODE_SETTINGS,
            "listeners": f"CLIENT://127.0.0.1:{self._port},CONTROLLER://127.0.0.1:{self._controller_port}",
            "advertised.listeners": f"CLIENT://127.0.0.1:{self._port}",
            "listener.security.protocol.map": "CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "inter.broker.listener.name": "CLIENT",
            "controller.listener.names": "CONTROLLER",
            "controller.quorum.voters": f"1@127.0.0.1:{self._controller_port}",
            "log.dirs": str(folder / "data"),
        }
        (folder / "server.properties").write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
        (folder / "log4j2.properties").write_text(_LOGGING)
        command = self._java(
            "kafka.tools.StorageTool", "format", "-t", _CLUSTER_ID, "-c", str(folder / "server.properties")
        )
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, (
            f"the broker's storage cannot be formatted:\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
        )
        return folder
