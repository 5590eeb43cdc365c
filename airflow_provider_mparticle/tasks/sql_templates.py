"""Renders SQL templates with the bounds of a slice in addition to Airflow's context."""

from __future__ import annotations

from copy import copy
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from airflow_provider_mparticle.client.errors import ConfigError
from airflow_provider_mparticle.client.shown import shown
from airflow_provider_mparticle.tasks.arguments import check_query

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import BaseOperator, Context

# Errors of mistakes in a template, for example {{ window_start + 1 }}, {{ 1 / 0 }} or {{ {}["a"] }}.
_MISTAKES = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


def rendered(
    operator: BaseOperator, argument: str, context: Context, window_start: datetime, window_end: datetime
) -> str:
    """
    Render a template of an operator, or the ``.sql`` file that it names, with ``window_start`` and ``window_end``.

    :param argument: Name of the operator's argument with the template.
    :raises ConfigError: The template is not text, uses an unknown variable, has a mistake, or renders to nothing.
    """
    from jinja2 import StrictUndefined, TemplateError

    variables = cast("dict[str, Any]", copy(context))
    variables["window_start"], variables["window_end"] = window_start, window_end
    environment = operator.get_template_env().overlay(undefined=StrictUndefined)
    template = getattr(operator, argument)
    if not isinstance(template, str):
        raise ConfigError(
            f"{argument} must be one query as text, not {shown(template)}. Nothing was sent to mParticle."
        )
    try:
        text = str(operator.render_template(template, cast("Context", variables), environment)).strip()
    except (TemplateError, *_MISTAKES) as error:
        raise ConfigError(f"{argument} cannot be rendered: {error}. Nothing was sent to mParticle.") from error
    check_query(argument, text)
    return text
