"""`python -m tests.load BENCHMARK [OPTIONS]`: `centralino bench` on SQLite and on a real Kafka that lives as long as the run.

For whoever has no broker at hand. The broker runs on the same machine and takes its share of it.
"""

import sys
import tempfile

from services.cli.commands import centralino
from tests.parts.errors import PartMissingError
from tests.parts.kafka import obtain_kafka


def main(arguments: list[str]) -> int:
    """Exit code 1 when there is no way to have a broker."""
    if not arguments:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        with obtain_kafka() as broker, tempfile.TemporaryDirectory(prefix="centralino-load-") as folder:
            logs = (f"--log=sqlite:///{folder}/logs", f"--log={broker.url}")
            centralino(["bench", *arguments, *logs], prog_name="python -m tests.load", standalone_mode=False)
    except PartMissingError as error:
        print(f"tests.load: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
