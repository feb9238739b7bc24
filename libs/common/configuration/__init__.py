"""The configuration: what stands in `centralino.yaml`, checked, as frozen models."""

from libs.common.configuration.credentials import (
    SecretMissingError,
    resolve_account_sid,
    resolve_secret,
    resolve_token,
)
from libs.common.configuration.load import (
    Examination,
    examine_configuration,
    load_configuration,
    parse_configuration,
    read_text,
    sample_configuration,
)
from libs.common.configuration.models import (
    CHANNEL_TARGETS_MS,
    Account,
    Agent,
    Calendar,
    Configuration,
    Followup,
    Pool,
    Queue,
    Rule,
    When,
)
from libs.common.configuration.problems import ConfigurationInvalidError, ConfigurationProblem
from libs.common.configuration.schema import configuration_schema

__all__ = [
    "CHANNEL_TARGETS_MS",
    "Account",
    "Agent",
    "Calendar",
    "Configuration",
    "ConfigurationInvalidError",
    "ConfigurationProblem",
    "Examination",
    "Followup",
    "Pool",
    "Queue",
    "Rule",
    "SecretMissingError",
    "When",
    "configuration_schema",
    "examine_configuration",
    "load_configuration",
    "parse_configuration",
    "read_text",
    "resolve_account_sid",
    "resolve_secret",
    "resolve_token",
    "sample_configuration",
]
