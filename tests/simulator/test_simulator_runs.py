"""A trigger starts a run, and HTTP shows its states."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from settable_clock import Clock

from airflow_provider_mparticle.simulator import Simulator
from airflow_provider_mparticle.simulator.habits import Habits
from airflow_provider_mparticle.simulator.timestamps import iso
from airflow_provider_mparticle.simulator.workspace import Workspace


def test_a_trigger_answers_the_runs_id(simulator, caller):
    """The first id is the one of mParticle's examples."""
    answer = caller.trigger()

    assert 200 == answer.status_code
    assert {"pipeline_run_id": 13325, "status": "trigger_requested"} == answer.json()
    assert 1 == simulator.starts("orders")


def test_a_busy_pipeline_refuses_a_second_run_with_400(simulator, caller):
    """The sentence is mParticle's own, and a client recognizes a busy pipeline by it."""
    caller.trigger()

    answer = caller.trigger()

    message = "Pipeline orders is already in progress."
    assert 400 == answer.status_code
    assert {"statusCode": 400, "errors": [{"message": message}]} == answer.json()
    assert 1 == simulator.starts("orders")


def test_a_paused_pipeline_refuses_to_run(simulator, caller):
    """Assumed: a paused pipeline does not run on demand either."""
    caller.put("/inputs/data-pipelines/orders", {"state": "paused"})

    assert 422 == caller.trigger().status_code
    assert 0 == simulator.starts("orders")


@pytest.mark.parametrize("call", ["trigger", "status", "runs"])
def test_an_unknown_pipeline_answers_404(caller, call):
    """A missing pipeline is not the same as an idle one."""
    assert 404 == getattr(caller, call)("nobody").status_code


def test_a_run_moves_through_the_documented_states_by_the_clock():
    """No timer is needed: a request shows the state at its time."""
    clock = Clock()
    workspace = Workspace(1, Habits(run_s=10), clock)
    workspace.add_pipeline("orders")
    run = workspace.trigger("orders")

    seen = []
    for _ in range(12):
        seen.append(workspace.show(run)["status"])
        clock.now += 1

    assert ["triggered", "queued", *["running"] * 8, "success", "success"] == seen


def test_counters_and_end_are_unknown_until_the_run_has_ended():
    """A client must accept null while a run is in progress."""
    clock = Clock()
    workspace = Workspace(1, Habits(run_s=10), clock)
    workspace.add_pipeline("orders")
    run = workspace.trigger("orders")

    before = workspace.show(run)
    clock.now += 60
    after = workspace.show(run)

    names = ("ended_on", "successful_records", "failed_records")
    assert [None, None, None] == [before[name] for name in names]
    assert [iso(1_750_000_010.0), 1000, 0] == [after[name] for name in names]


def test_an_incremental_run_reads_from_where_the_last_success_ended():
    """The first run starts at ``from``, later ones where the last success ended; failures do not count."""
    clock = Clock()
    workspace = Workspace(1, Habits(run_s=0), clock)
    mode = {"type": "incremental", "iterator_field": "t", "iterator_data_type": "date", "from": "2025-01-01"}
    workspace.add_pipeline("orders", sync_mode=mode)
    runs = []
    for errors in ((), ("broken",), ()):
        workspace.script_next_run("orders", errors=errors)
        runs.append(workspace.show(workspace.trigger("orders")))
        clock.now += 100

    assert "2025-01-01T00:00:00" == runs[0]["range_start"]
    assert runs[0]["range_end"] == runs[1]["range_start"] == runs[2]["range_start"]


def test_a_scripted_run_goes_through_its_states_and_keeps_the_last_one(simulator, caller):
    """A test chooses odd case, unknown words, reasons and counters."""
    simulator.script_next_run(
        "orders",
        states=[("Triggered", 100), ("half-way", 100), ("FAILED", 0)],
        errors=["no such table"],
        successful_records=7,
        failed_records=2,
    )
    run_id = caller.trigger().json()["pipeline_run_id"]

    seen = []
    for _ in range(4):
        seen.append(caller.run(run_id).json()["status"])
        simulator.advance(100)

    run = caller.run(run_id).json()
    assert ["Triggered", "half-way", "FAILED", "FAILED"] == seen
    assert [{"message": "no such table"}] == run["errors"]
    assert (7, 2) == (run["successful_records"], run["failed_records"])


@pytest.mark.parametrize("state", ["success", "failed"])
def test_runs_in_progress_can_be_ended_at_once(simulator, caller, state):
    """A test keeps a run in progress as long as it needs."""
    simulator.add_pipeline("people")
    simulator.script_next_run("orders", [("running", None)])
    simulator.script_next_run("people", [("success", None)])
    caller.trigger("people")
    run_id = caller.trigger().json()["pipeline_run_id"]

    ended = simulator.end_runs(state)

    assert (1, 0) == (ended, simulator.end_runs())
    assert state == caller.run(run_id).json()["status"]
    assert 200 == caller.trigger().status_code


def test_an_ended_run_keeps_the_states_that_it_has_had():
    """It ends at the time of the call, and has read the warehouse by then."""
    clock = Clock()
    workspace = Workspace(1, Habits(run_s=1000), clock)
    workspace.add_pipeline("orders")
    run = workspace.trigger("orders")
    clock.now += 150
    before = workspace.show(run)["status"]
    workspace.end_runs("success")
    clock.now += 1000

    assert ("queued", "success") == (before, workspace.show(run)["status"])
    assert iso(1_750_000_150.0) == workspace.show(run)["ended_on"]
    assert 1_750_000_150.0 == run.reads_on


def test_scripts_are_used_one_after_the_other_and_then_the_usual_one(caller, simulator):
    """A test can define what happens to a first and to a second try."""
    simulator.script_next_run("orders", [("failed", None)])
    simulator.script_next_run("orders", [("success", None)])

    for _ in range(3):
        caller.trigger()

    assert ["failed", "success", "triggered"] == [run["status"] for run in simulator.runs("orders")]


def test_a_run_that_vanished_is_unknown_everywhere_but_counted(caller, simulator):
    """The pipeline accepts another start, and the author of the test still sees the run."""
    simulator.script_next_run("orders", vanish_after_s=0.0)
    run_id = caller.trigger().json()["pipeline_run_id"]

    assert 404 == caller.run(run_id).status_code
    assert [] == caller.runs().json()
    assert caller.status().json()["latest_pipeline_run"] is None
    assert (1, 1) == (simulator.starts("orders"), len(simulator.runs("orders")))
    assert 200 == caller.trigger().status_code


def test_a_run_that_answers_404_is_still_listed(caller, simulator):
    """The route for one run may differ from the list."""
    simulator.script_next_run("orders", answer_404=True)
    run_id = caller.trigger().json()["pipeline_run_id"]

    assert 404 == caller.run(run_id).status_code
    assert [run_id] == [run["pipeline_run_id"] for run in caller.runs().json()]


def test_the_status_shows_the_latest_run_by_logical_date(caller, simulator):
    """The latest run need not be the one that was started last."""
    caller.trigger()
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    simulator.add_run("orders", "success", "scheduled", logical_date=tomorrow)

    status = caller.status().json()

    latest = status.pop("latest_pipeline_run")
    assert "scheduled" == latest["type"]
    assert {"pipeline_id", "status", "connection_status", "data_model_status", "errors"} == status.keys()


def test_runs_come_in_pages_newest_first(caller, simulator):
    """A client that needs all runs must read until a page is not full."""
    days = [f"2025-03-0{day}T00:00:00Z" for day in range(1, 6)]
    for day in days:
        simulator.add_run("orders", logical_date=day)

    pages = [caller.runs(currentPage=page, pageSize=2).json() for page in (1, 2, 3, 4)]

    assert days[::-1] == [run["logical_date"] for page in pages for run in page]
    assert [2, 2, 1, 0] == [len(page) for page in pages]


def test_a_page_holds_100_runs_unless_the_caller_says_else(caller, simulator):
    """The default page size of the contract."""
    for _ in range(101):
        simulator.add_run("orders")

    assert 100 == len(caller.runs().json())


def test_dates_select_runs_by_logical_date_inclusively(caller, simulator):
    """A date without a time zone is UTC."""
    for day in ("2025-03-01", "2025-03-02", "2025-03-03", "2025-03-04"):
        simulator.add_run("orders", logical_date=day)

    chosen = caller.runs(startDate="2025-03-02", endDate="2025-03-03T01:00:00+01:00").json()

    assert ["2025-03-03T00:00:00Z", "2025-03-02T00:00:00Z"] == [run["logical_date"] for run in chosen]


@pytest.mark.parametrize("query", [{"currentPage": 0}, {"pageSize": "many"}, {"startDate": "yesterday"}])
def test_an_unreadable_query_is_refused(caller, query):
    """A wrong query must not look like an empty answer."""
    assert 400 == caller.runs(**query).status_code


def test_an_added_run_in_progress_prevents_a_start_until_it_ends(caller, simulator):
    """A run from elsewhere is the usual reason for a busy pipeline."""
    simulator.add_run("orders", "running", ends_in_s=100)

    busy = caller.trigger().status_code
    simulator.advance(100)
    idle = caller.trigger().status_code

    assert (400, 200) == (busy, idle)
    assert 1 == simulator.starts("orders")
    assert ["success", "triggered"] == [run["status"] for run in simulator.runs("orders")]


def test_run_ids_are_unique_in_the_workspace(caller, simulator):
    """Two pipelines never share a run id, however the run was made."""
    simulator.add_pipeline("customers")
    simulator.add_run("orders")

    ids = [caller.trigger(pipeline).json()["pipeline_run_id"] for pipeline in ("orders", "customers")]

    assert [13326, 13327] == ids


def test_a_new_pipelines_status_answers_404_for_a_while(log_in):
    """mParticle needs about a minute before it knows the status of a new pipeline."""
    with Simulator(status_404_s=60) as simulator:
        simulator.add_pipeline("orders")
        caller = log_in(simulator)
        early = (caller.status().status_code, caller.runs().status_code)
        simulator.advance(60)
        late = caller.status().status_code

    assert ((404, 200), 200) == (early, late)


def test_a_run_may_be_listed_late(log_in):
    """Whether mParticle lists a run at once is not documented; the route to one run shows it."""
    with Simulator(list_lag_s=20, run_s=60) as simulator:
        simulator.add_pipeline("orders")
        caller = log_in(simulator)
        caller.trigger()
        early = (caller.runs().json(), caller.status().json()["latest_pipeline_run"])
        simulator.advance(20)
        late = [run["pipeline_run_id"] for run in caller.runs().json()]

    assert ([], None) == early
    assert [13325] == late


@pytest.mark.parametrize(("answer", "body"), [("empty", b""), ("no_id", b'{"status": "trigger_requested"}')])
def test_a_trigger_may_not_tell_the_runs_id(log_in, answer, body):
    """The documentation does not guarantee the id, so a client must find its run without it."""
    with Simulator(trigger_answer=answer) as simulator:
        simulator.add_pipeline("orders")
        triggered = log_in(simulator).trigger()

        assert (200, body, 1) == (triggered.status_code, triggered.content, simulator.starts("orders"))


def test_the_run_routes_may_be_missing(log_in):
    """Then a client can only read the status."""
    with Simulator(run_routes=False) as simulator:
        simulator.add_pipeline("orders")
        caller = log_in(simulator)
        run_id = caller.trigger().json()["pipeline_run_id"]

        assert (404, 404) == (caller.runs().status_code, caller.run(run_id).status_code)
        assert run_id == caller.status().json()["latest_pipeline_run"]["pipeline_run_id"]


def test_the_v1_layout_has_the_v1_routes_and_names(log_in):
    """In v1 a run's ``id`` is the pipeline's, and the end is null even when the run has ended."""
    with Simulator(layout="v1", run_s=0) as simulator:
        simulator.add_pipeline("orders")
        caller = log_in(simulator)
        run_id = caller.post("/data-pipelines/orders").json()["pipeline_run_id"]
        run = caller.get(f"/data-pipelines/orders/runs/{run_id}").json()
        listed = caller.get("/data-pipelines/orders/runs").json()
        report = caller.get("/data-pipelines/orders/report").json()
        v2 = [caller.trigger().status_code, caller.status().status_code]

    assert ("orders", run_id, "manual") == (run["id"], run["pipeline_run_id"], run["pipeline_run_type"])
    assert ("success", None) == (run["pipeline_run_state"], run["end_date"])
    assert {"start_date", "data_interval_start", "data_interval_end", "records_extracted"} <= run.keys()
    assert ([run], run) == (listed, report["latest_pipeline_run"])
    assert [404, 404] == v2


def test_a_pipeline_with_a_run_in_progress_cannot_be_deleted(caller):
    """Assumed: every run has a pipeline."""
    caller.trigger()

    assert 422 == caller.delete("/inputs/data-pipelines/orders").status_code


def test_a_pipeline_made_anew_has_no_runs_but_keeps_its_starts(caller, simulator):
    """The number of starts is a fact of the simulator, and not of mParticle."""
    simulator.script_next_run("orders", [("success", None)])
    caller.trigger()
    caller.delete("/inputs/data-pipelines/orders")
    simulator.add_pipeline("orders")

    assert ([], 1) == (caller.runs().json(), simulator.starts("orders"))
