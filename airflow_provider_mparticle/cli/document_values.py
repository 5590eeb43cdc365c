"""
Renders the templates of a document with values from the command line: ``--set feed=12`` for ``{{ params.feed }}``.

The operator renders the same document with Airflow's context. So one document works for both, and for several
workspaces.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from airflow_provider_mparticle.client.errors import ConfigError
from airflow_provider_mparticle.configuration.plan_refusals import TEMPLATES

# A name without a dot is a name in params, as in a DAG.
PARAMS = "params"


def rendered(content: Any, given: Iterable[str]) -> tuple[Any, list[str]]:
    """
    Return the content of a document with its templates rendered, and the given names that no template uses.

    A text stays unchanged if its template needs a value that is not given. The plan then refuses a secret, and the
    schema refuses other fields or warns of them.

    :param content: The content of the document.
    :param given: Texts of the form ``NAME=VALUE``. A name without a dot is used as ``{{ params.NAME }}``. Every other
        name is the whole path, for example ``var.value.feed=12`` for ``{{ var.value.feed }}``.
    :raises ConfigError: A text does not have this form, gives a name twice, or a template cannot be rendered.
    """
    values = _values(given)
    if not values:
        return content, []
    used: set[tuple[int, Any]] = set()
    text = _rendered(content, _environment(used), values)
    return text, [name for name, place in _places(values) if place not in used]


def _places(values: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, tuple[int, str]]]:
    """Yield the name of every value, with the mapping that holds it and the key there."""
    for key, value in values.items():
        name = f"{path}.{key}" if path else key
        if isinstance(value, Mapping):
            yield from _places(value, name)
        else:
            yield name.removeprefix(f"{PARAMS}."), (id(values), key)


def _environment(used: set[tuple[int, Any]]) -> Any:
    """
    Return the environment that renders templates.

    Values are text and not HTML, and ``params.items`` is a value and not a method. Every access to a mapping is added
    to *used*.
    """
    from jinja2 import StrictUndefined
    from jinja2.sandbox import SandboxedEnvironment

    class Values(SandboxedEnvironment):
        def getattr(self, obj: Any, attribute: str) -> Any:
            return self.getitem(obj, attribute) if isinstance(obj, Mapping) else super().getattr(obj, attribute)

        def getitem(self, obj: Any, argument: Any) -> Any:
            if isinstance(obj, Mapping):
                used.add((id(obj), argument))
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
        raise _not_rendered(error.message or type(error).__name__) from None
    except Exception as error:  # noqa: BLE001, RUF100 - broad: an expression in a template may raise anything
        raise _not_rendered(f"{type(error).__name__}: {error}") from None


def _not_rendered(reason: str) -> ConfigError:
    return ConfigError(
        f"A template of the document cannot be rendered: {reason.rstrip('.')}. Nothing was sent to mParticle."
    )


def _values(given: Iterable[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for one in given:
        name, sign, value = one.partition("=")
        path = name.strip().split(".") if "." in name else [PARAMS, name.strip()]
        if not sign or not all(part.isidentifier() for part in path):
            raise ConfigError(
                f"--set needs NAME=VALUE, for example --set feed=12, not {name!r}. Nothing was sent to mParticle."
            )
        inside = found
        for part in path[:-1]:
            inside = inside.setdefault(part, {})
            if not isinstance(inside, dict):
                raise ConfigError(f"--set gives a value for {name!r} twice. Nothing was sent to mParticle.")
        if path[-1] in inside:
            raise ConfigError(f"--set gives a value for {name!r} twice. Nothing was sent to mParticle.")
        inside[path[-1]] = value
    return found
