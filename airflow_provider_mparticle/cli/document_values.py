"""
Renders the templates of a document with the values of the command line: ``--set feed=12`` for ``{{ params.feed }}``.

The operator renders with Airflow's own context instead; a document serves both, and several workspaces.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from airflow_provider_mparticle.client.errors import ConfigError
from airflow_provider_mparticle.configuration.plan_refusals import TEMPLATES

# What a name without a dot belongs to, as in a DAG.
PARAMS = "params"


def rendered(content: Any, given: Iterable[str]) -> Any:
    """
    Return a document's content with its templates rendered.

    Text whose template needs a value that is not given stays as it is; a secret is then refused by the plan, and any
    other field by the schema, or it is warned of.

    :param content: The content of the document.
    :param given: ``NAME=VALUE`` each. A name without a dot is that of ``{{ params.NAME }}``; another one is the whole
        path, for example ``var.value.feed=12`` for ``{{ var.value.feed }}``.
    :raises ConfigError: One of *given* is not of that form, or a template's syntax is wrong.
    """
    values = _values(given)
    if not values:
        return content
    return _rendered(content, _environment(), values)


def _environment() -> Any:
    """Return where templates are rendered: values are text, not HTML, and ``params.items`` is a value, not a method."""
    from jinja2 import StrictUndefined
    from jinja2.sandbox import SandboxedEnvironment

    class Values(SandboxedEnvironment):
        def getattr(self, obj: Any, attribute: str) -> Any:
            return self.getitem(obj, attribute) if isinstance(obj, Mapping) else super().getattr(obj, attribute)

        def getitem(self, obj: Any, argument: Any) -> Any:
            if isinstance(obj, Mapping):
                return obj[argument] if argument in obj else self.undefined(obj=obj, name=argument)
            return super().getitem(obj, argument)

    return Values(undefined=StrictUndefined, keep_trailing_newline=True)


def _rendered(value: Any, environment: Any, values: Mapping[str, Any]) -> Any:
    from jinja2 import TemplateError, UndefinedError

    if isinstance(value, Mapping):
        return {name: _rendered(part, environment, values) for name, part in value.items()}
    if isinstance(value, list):
        return [_rendered(part, environment, values) for part in value]
    if not isinstance(value, str) or not any(mark in value for mark in TEMPLATES):
        return value
    try:
        return environment.from_string(value).render(values)
    except UndefinedError:
        return value
    except TemplateError as error:
        raise ConfigError(f"A template of the document is wrong: {error.message}. Nothing was sent.") from None
    except Exception as error:  # noqa: BLE001, RUF100 - an expression may raise anything
        said = f"{type(error).__name__}: {error}"
        raise ConfigError(f"A template of the document cannot be rendered: {said}. Nothing was sent.") from None


def _values(given: Iterable[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for one in given:
        name, sign, value = one.partition("=")
        path = name.strip().split(".") if "." in name else [PARAMS, name.strip()]
        if not sign or not all(part.isidentifier() for part in path):
            raise ConfigError(f"--set takes NAME=VALUE, for example --set feed=12, not {name!r}. Nothing was sent.")
        inside = found
        for part in path[:-1]:
            inside = inside.setdefault(part, {})
            if not isinstance(inside, dict):
                raise ConfigError(f"--set gives {name!r} a value twice. Nothing was sent.")
        if path[-1] in inside:
            raise ConfigError(f"--set gives {name!r} a value twice. Nothing was sent.")
        inside[path[-1]] = value
    return found
