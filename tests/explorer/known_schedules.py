"""
Minimal schedules that once broke an invariant, as the explorer printed them: the kinds B1 to B13, and others.

Each has the choices that are not option 0, one per line: label, how often the label came up before, option.
"""

from __future__ import annotations

from choices import SETUP, Schedule
from explorer_world import LONG_ID


def schedule(setup: dict[str, str], *events: tuple[str, int, str]) -> Schedule:
    """Return a schedule from its setup and its events; times count from 1."""
    return {
        **{(SETUP + label, 0): option for label, option in setup.items()},
        **{(label, time - 1): option for label, time, option in events},
    }


KNOWN: dict[str, Schedule] = {
    "a retry adopts the run that was in its way": schedule(
        {"version": "Airflow 2.11", "before": "manual, 15 s", "A follows another task of": "1200.0"}
    ),
    "a run is listed late, and a retry starts another": schedule(
        {"list lag": "60.0", "retry delay": "30.0"},
        ("A asks POST trigger_pipeline, its worker dies", 1, "after"),
        ("A stores its record, its worker dies", 3, "before"),
    ),
    "another slice takes the place of one whose worker died": schedule(
        {"version": "Airflow 2.11", "tasks": "two slices", "if_running": "wait"},
        ("A asks POST trigger_pipeline, its worker dies", 1, "after"),
    ),
    "a slice whose worker died is cleared three days later": schedule(
        {"tasks": "slice"},
        ("A asks POST trigger_pipeline, its worker dies", 1, "after"),
        ("A asks GET data_model, its worker dies", 3, "before"),
        ("A asks GET data_model, its worker dies", 4, "before"),
        ("A asks GET data_model, its worker dies", 5, "before"),
        ("A is failed, a user clears it", 1, str(3 * 86400.0)),
    ),
    "a stray 404 of the list makes an old run look new": schedule(
        {"before": "two old manual runs"},
        ("A asks GET pipeline_runs, fate", 1, "404"),
        ("A asks POST trigger_pipeline, fate", 1, "lost on the way"),
    ),
    "a run in progress has a logical date of last week": schedule(
        {"if_running": "wait", "before": "scheduled, 600 s"},
    ),
    "the type word is another": schedule(
        {"type word": "on_demand"},
        ("A asks POST trigger_pipeline, its worker dies", 1, "after"),
    ),
    "mParticle's clock is five minutes behind": schedule(
        {"version": "Airflow 2.11", "mParticle's clock": "-300.0"},
        ("the run of A takes", 1, "success, 900 s"),
        ("A asks GET pipeline_run, its worker dies", 1, "before"),
    ),
    "the retry's machine has another clock": schedule(
        {"clock of every second try's machine": "300.0"},
        ("A asks POST trigger_pipeline, its worker dies", 1, "after"),
    ),
    "the retry's machine is ahead, and the run is not listed yet": schedule(
        {"clock of every second try's machine": "300.0", "list lag": "60.0", "retry delay": "5.0"},
        ("A asks POST trigger_pipeline, its worker dies", 1, "after"),
    ),
    "the last look for the run in the way is lost": schedule(
        {"if_running": "wait", "list lag": "20.0", "run routes": "False"},
        ("A stores its record, its worker dies", 1, "after"),
        ("A asks GET pipeline_status, its worker dies", 3, "before"),
        ("other people before A asks GET pipeline_status", 4, "manual, 15 s"),
        ("A asks GET pipeline_status, fate", 14, "404"),
    ),
    "others start a run before the retry": schedule(
        {},
        ("A stores its record, its worker dies", 1, "after"),
        ("other people while A waits for its retry", 2, "manual, 15 s"),
    ),
    "slices, listed late, and crashes": schedule(
        {"tasks": "two slices", "list lag": "60.0", "retry delay": "5.0"},
        ("A asks POST trigger_pipeline, its worker dies", 1, "after"),
        ("A asks GET pipeline_runs, its worker dies", 2, "after"),
        ("A asks GET data_model, its worker dies", 4, "before"),
        ("B asks POST trigger_pipeline, its worker dies", 1, "after"),
    ),
    "status only, and the worker dies when all is done": schedule(
        {"run routes": "False"},
        ("A stores its record, its worker dies", 3, "after"),
        ("other people while A waits for its retry", 1, "manual, 15 s"),
    ),
    "a trigger request is answered 408": schedule(
        {},
        ("A asks POST trigger_pipeline, fate", 1, "done, 408"),
    ),
    "a failed run of others stands before ours": schedule(
        {},
        ("A asks POST trigger_pipeline, fate", 1, "lost on the way"),
        ("other people before A asks GET pipeline_runs", 2, "manual, fails after 15 s"),
        ("A asks POST trigger_pipeline, its worker dies", 2, "after"),
    ),
    "others start a run after a run without an id has failed": schedule(
        {"list lag": "20.0", "tells the id": "False"},
        ("the run of A takes", 1, "failed, 20 s"),
        ("other people before A asks GET pipeline_runs", 7, "manual, 15 s"),
    ),
    "the check before a request takes half a minute": schedule(
        {"tasks": "slice", "retry delay": "5.0", "list lag": "60.0", "tells the id": "False"},
        ("A asks GET data_model, fate", 2, "no answer"),
        ("A asks GET pipeline_runs, its worker dies", 5, "before"),
        ("A asks GET pipeline_runs, its worker dies", 10, "before"),
    ),
    "a stray 404 of the data model after the run": schedule(
        {"tasks": "slice"},
        ("A asks GET data_model, fate", 3, "404"),
    ),
    "a slice is cleared after success and its worker dies": schedule(
        {"version": "Airflow 3.1", "tasks": "slice"},
        ("A is success, a user clears it", 1, "60.0"),
        ("A asks GET data_model, its worker dies", 5, "before"),
    ),
    "others start a run in the instant in which a slice's SQL is written": schedule(
        {"version": "Airflow 3.1", "tasks": "slice"},
        ("other people before A asks PUT data_model", 1, "manual, 15 s"),
        ("A asks GET data_model, its worker dies", 2, "before"),
    ),
    "two stray 404s lead to the status route, and others start a run": schedule(
        {"before": "two old manual runs"},
        ("the run of A takes", 1, "success, 900 s"),
        ("A asks GET pipeline_run, fate", 37, "no answer"),
        ("A asks GET pipeline_run, fate", 52, "404"),
        ("A asks GET pipeline_runs, fate", 2, "404"),
        ("other people before A asks GET pipeline_status", 37, "manual, 15 s"),
    ),
    "all ids begin alike, and the answer to the request is lost": schedule(
        {"before": "two old manual runs", "ids begin with": LONG_ID},
        ("A asks POST trigger_pipeline, fate", 1, "done, answer lost"),
    ),
    "all ids begin alike, and the worker dies after the request": schedule(
        {"before": "two old manual runs", "ids begin with": LONG_ID},
        ("A asks POST trigger_pipeline, its worker dies", 1, "after"),
    ),
    "all ids begin alike, and the worker dies after its run has ended": schedule(
        {"ids begin with": LONG_ID},
        ("A stores its record, its worker dies", 3, "after"),
    ),
    "mParticle holds a request back for two minutes, then its answer is lost": schedule(
        {},
        ("A asks POST trigger_pipeline, fate", 1, "429, Retry-After: 120"),
        ("A asks POST trigger_pipeline, fate", 2, "done, answer lost"),
    ),
    "mParticle holds a request back for two minutes, then the worker dies": schedule(
        {},
        ("A asks POST trigger_pipeline, fate", 1, "429, Retry-After: 120"),
        ("A asks POST trigger_pipeline, its worker dies", 2, "after"),
    ),
    "others start a run while mParticle holds a request back, then its answer is lost": schedule(
        {},
        ("A asks POST trigger_pipeline, fate", 1, "429, Retry-After: 60"),
        ("other people while mParticle holds A back", 1, "manual, 15 s"),
        ("A asks POST trigger_pipeline, fate", 2, "done, answer lost"),
    ),
    "others start a run while mParticle holds a request back, and the worker dies": schedule(
        {},
        ("A asks POST trigger_pipeline, fate", 1, "429, Retry-After: 60"),
        ("other people while mParticle holds A back", 1, "manual, 15 s"),
        ("A asks POST trigger_pipeline, its worker dies", 2, "before"),
    ),
}
