"""The simulator's documents and pages, from the templates beside this module. Values that stand in HTML are escaped."""

from __future__ import annotations

from functools import cache
from typing import Any

import jinja2


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader(__package__ or "", "templates"),
        autoescape=jinja2.select_autoescape(["html"]),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )


def render_template(name: str, **values: Any) -> str:
    """A template with its values. Raises jinja2's errors only for a bug in the template."""
    return _environment().get_template(name).render(**values)
