"""Render SQL templates with the bounds of a slice in addition to Airflow's own context."""

from __future__ import annotations

from copy import copy
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from airflow_provider_mparticle.client.errors import ConfigError

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import BaseOperator, Context


def rendered(
    operator: BaseOperator, argument: str, context: Context, window_start: datetime, window_end: datetime
) -> str:
    """
    Render an operator's template, or the ``.sql`` file that it names, with ``window_start`` and ``window_end``.

    :param argument: Name of the operator's argument that holds the template.
    :raises ConfigError: The template uses an unknown variable, or has a syntax error.
    """
    from jinja2 import StrictUndefined, TemplateError

    variables = cast("dict[str, Any]", copy(context))
    variables["window_start"], variables["window_end"] = window_start, window_end
    environment = operator.get_template_env().overlay(undefined=StrictUndefined)
    try:
        return str(operator.render_template(getattr(operator, argument), cast("Context", variables), environment))
    except TemplateError as error:
        raise ConfigError(f"{argument} cannot be rendered: {error}. Nothing was sent to mParticle.") from error
