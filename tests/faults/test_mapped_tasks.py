"""Workers of a mapped task die: each of its instances finds its own run, and no other."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from task_run import Instant

# Not before a run's id is recorded: a run of another instance that began in the same seconds may then be taken for it.
DEATHS = st.sampled_from([None, Instant.KNOWN, Instant.WAITING])


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(deaths=st.lists(DEATHS, min_size=2, max_size=4), state_store=st.booleans(), data=st.data())
def test_each_instance_of_a_mapped_task_keeps_its_own_record(simulator, new_task, deaths, state_store, data):
    """All have the same ids but for the map index, and sync the same pipeline, one after another."""
    before, variables = simulator.starts("orders"), {}
    tasks = [
        new_task(map_index=index, state_store=state_store, variables=variables, if_running="wait")
        for index in range(len(deaths))
    ]
    for index in data.draw(st.permutations(range(len(deaths)))):
        if deaths[index]:
            tasks[index].dies_at(deaths[index]).run_and_die()

    order = data.draw(st.permutations(range(len(deaths))))
    results = {index: tasks[index].run()["pipeline_run_id"] for index in order}

    assert len(deaths) == len({*results.values()}), "two instances took one run for their own"
    assert len(deaths) == simulator.starts("orders") - before
    assert results == {index: tasks[index].xcoms["pipeline_run_id"] for index in order}
