"""Configurations as tests write them, and what is said of them."""

import textwrap

from libs.common.configuration import examine_configuration


def errors_of(text: str) -> list[str]:
    """Every error of a text, as it is shown."""
    return [str(problem) for problem in examine_configuration(textwrap.dedent(text), "c.yaml").errors]


def warnings_of(text: str, environ: dict[str, str] | None = None) -> list[str]:
    """Every warning of a text without errors, as it is shown."""
    examination = examine_configuration(textwrap.dedent(text), "c.yaml", environ)
    assert examination.errors == ()
    return [str(problem) for problem in examination.warnings]


def a_configuration(*, agents: str = "{}", rules: str = "[{queue: q}]", accounts: str = "{}", queue: str = "") -> str:
    """A text with one pool and one queue; what is given takes the place of what is there."""
    return textwrap.dedent(f"""\
        pools: {{p: {{}}, other: {{}}}}
        queues: {{q: {{pool: p{queue}}}, elsewhere: {{pool: other}}}}
        accounts: {accounts}
        rules: {rules}
        agents: {agents}
        """)
