"""Words that an argument does not accept are import errors of the DAG file, and enumerations are rendered as values."""

from __future__ import annotations

import inspect
from datetime import datetime
from enum import Enum
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_mparticle import operators
from airflow_provider_mparticle.client.errors import ConfigError
from airflow_provider_mparticle.client.resource_kinds import KINDS
from airflow_provider_mparticle.configuration.resource_rules import IF_EXISTS
from airflow_provider_mparticle.operators.operator_arguments import WORDS
from airflow_provider_mparticle.runs.quality_gates import ON_EMPTY
from airflow_provider_mparticle.sensors import MParticlePipelineRunSensor

CLASSES = [*(getattr(operators, name) for name in operators.__all__), MParticlePipelineRunSensor]


def parameters(operator: Any) -> list[str]:
    """The names of the arguments of an operator, and of those that it passes on."""
    return [name for one in operator.__mro__ for name in inspect.signature(one.__init__).parameters]


# Each operator with the arguments that accept certain words only.
PLACES = [
    (operator, argument)
    for operator in CLASSES
    for argument in ("if_running", *WORDS)
    if argument in parameters(operator)
]


def made(operator: Any, **given: Any) -> Any:
    """A task with text for every argument that has no default."""
    needed = {
        name: "orders"
        for name, one in inspect.signature(operator.__init__).parameters.items()
        if one.default is inspect.Parameter.empty and one.kind is inspect.Parameter.KEYWORD_ONLY
    }
    needed |= {"kind": "pipeline"} if "kind" in needed else {}
    needed |= {"pipeline_id": "orders"} if issubclass(operator, operators.MParticleTriggerPipelineOperator) else {}
    return operator(**{"task_id": "t", **needed, **given})


@given(place=st.sampled_from(PLACES), word=st.text() | st.none() | st.booleans() | st.lists(st.text(), max_size=1))
def test_another_word_is_refused_while_the_dag_file_is_parsed(place: tuple[Any, str], word: Any) -> None:
    """The author of the DAG sees it at once, and not after the first run in the night."""
    operator, argument = place
    accepted = WORDS.get(argument) or operator.if_running_choices
    if word in accepted:
        return
    with pytest.raises(ConfigError, match=f"{argument} must be one of {', '.join(accepted)}, not"):
        made(operator, **{argument: word})


@pytest.mark.parametrize(("operator", "argument"), PLACES)
def test_the_words_are_accepted(operator: Any, argument: str) -> None:
    """Every one of them."""
    for word in WORDS.get(argument) or operator.if_running_choices:
        assert word == getattr(made(operator, **{argument: word}), argument)


def test_the_words_are_those_that_tasks_know() -> None:
    """A DAG file must not load the modules that know them."""
    kinds = tuple(kind.name for kind in KINDS)

    assert {"on_empty": ON_EMPTY, "if_exists": IF_EXISTS, "kind": kinds} == WORDS


def test_a_mapped_task_refuses_a_word_when_it_runs(airflow_db: None) -> None:
    """Airflow would retry an error of the constructor."""
    with DAG("mapped_words", schedule=None, start_date=datetime(2026, 1, 1)) as dag:
        operators.MParticleTriggerPipelineOperator.partial(task_id="t", if_running="never").expand(pipeline_id=["a"])

    task = dag.get_task("t").unmap({"pipeline_id": "a"})

    assert "never" == task.if_running


# Enumerations


class Name(str, Enum):  # noqa: UP042 - str() of a StrEnum is its value
    """As a DAG file may have it."""

    ORDERS = "orders"
    TODAY = "{{ ds }}"


@pytest.mark.parametrize("operator", CLASSES)
@pytest.mark.parametrize("wrapped", [lambda value: value, lambda value: [value], lambda value: {"a": {"b": (value,)}}])
def test_a_member_of_an_enumeration_is_rendered_as_its_value(operator: Any, wrapped: Any) -> None:
    """Airflow would render its name, so that a task asks for the pipeline "Name.ORDERS"."""
    task = object.__new__(operator)
    environment = operators.MParticlePausePipelineOperator(task_id="t", pipeline_id="a").get_template_env()

    rendered = operator.render_template(task, wrapped([Name.ORDERS, Name.TODAY]), {"ds": "2026-03-01"}, environment)

    assert wrapped(["orders", "2026-03-01"]) == rendered


@pytest.mark.parametrize("operator", CLASSES)
def test_a_mapped_task_has_the_defaults_of_airflow(operator: Any) -> None:
    """Airflow reads them from the constructors of all classes before BaseOperator."""
    with DAG("mapped_defaults", schedule=None, start_date=datetime(2026, 1, 1)):
        mapped = operator.partial(task_id="t").expand_kwargs([{}])

    assert ([], [], "default_pool") == (mapped.inlets, mapped.outlets, mapped.pool)
