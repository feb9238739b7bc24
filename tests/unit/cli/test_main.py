"""`python -m services` is the `centralino` command."""

import subprocess

from libs.common.configuration.load import SAMPLE_PATH
from tests.support.processes import centralino_command


def test_the_module_is_the_command() -> None:
    done = subprocess.run(centralino_command("check", SAMPLE_PATH), capture_output=True, text=True, timeout=60)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "ok: 1 pool, 2 queues, 2 accounts, 2 rules, 3 agents\n"


def test_checking_does_not_wait_for_the_web_framework() -> None:
    program = (
        "import sys; from services.cli.commands import centralino;"
        "centralino(['schema'], standalone_mode=False);"
        "print([name for name in ('fastapi', 'sqlalchemy', 'aiokafka', 'httpx') if name in sys.modules], file=sys.stderr)"
    )

    done = subprocess.run((centralino_command()[0], "-c", program), capture_output=True, text=True, timeout=60)

    assert (done.returncode, done.stderr) == (0, "[]\n")
