"""What a plan refuses before anything is sent."""

from __future__ import annotations

import pytest

from airflow_provider_mparticle.client.resource_kinds import DATA_MODEL, FIELD_TRANSFORMATION
from airflow_provider_mparticle.configuration.plan_refusals import plan_refusals
from airflow_provider_mparticle.configuration.plan_step import Action, PlanStep
from airflow_provider_mparticle.configuration.workspace import Workspace


@pytest.mark.parametrize("template", ["{{ params.name }}", "{% if params.x %}a{% endif %}", "{# later #}name"])
@pytest.mark.parametrize("action", list(Action))
def test_a_template_that_was_not_rendered_is_refused_where_it_would_be_written(template: str, action: Action) -> None:
    """Each of its three forms would become a name in mParticle."""
    step = PlanStep(action, DATA_MODEL, "orders", {"id": "orders", "name": template})
    is_written = action in (Action.CREATE, Action.UPDATE)

    assert is_written is any("name is a template" in said for said in plan_refusals([step], Workspace()))


def test_a_template_in_a_list_is_found_and_one_in_a_query_is_not_refused() -> None:
    """A query may have braces of its own, so it is only a warning."""
    mapping = PlanStep(Action.CREATE, FIELD_TRANSFORMATION, "f", {"mappings": [{"value": "{{ x }}"}]})
    query = PlanStep(Action.CREATE, DATA_MODEL, "m", {"config": {"sql_query": "SELECT '{{' FROM b.c"}})

    said = [*plan_refusals([mapping, query], Workspace())]

    assert 1 == len(said)
    assert "mappings[0].value" in said[0]
