"""Which modules are loaded when Airflow imports the provider; each test starts an interpreter of its own."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from airflow_provider_mparticle import operators

# What Airflow itself has loaded before it imports any operator: these modules cost nothing more.
AIRFLOW = "from airflow.providers.common.compat.sdk import BaseHook, BaseOperator, BaseOperatorLink, BaseSensorOperator"
PACKAGE = "airflow_provider_mparticle"
DAG_FILE = f"from {PACKAGE}.operators import *\nfrom {PACKAGE}.sensors import MParticlePipelineRunSensor"

# The only modules of ours that a DAG file may load: the declarations, the modules that they share, and what Airflow
# reads from every provider. Every module in operators/ is allowed.
DECLARATIONS = {
    PACKAGE,
    f"{PACKAGE}.connection",
    f"{PACKAGE}.connection.form",
    f"{PACKAGE}.operators",
    f"{PACKAGE}.provider_info",
    f"{PACKAGE}.sensors",
    f"{PACKAGE}.slices",
    f"{PACKAGE}.slices.arguments",
}

pytestmark = pytest.mark.interpreter


def is_declaration(module: str) -> bool:
    """Return whether a DAG file may load this module of ours."""
    return module in DECLARATIONS or module.startswith(f"{PACKAGE}.operators.")


# One task of every operator and of the sensor: a new operator needs a task here.
TASKS = """
    MParticleApplyOperator(task_id="apply", spec="workspace.yaml")
    MParticleCreateConnectionOperator(
        task_id="connection", connection_id="warehouse", name="Warehouse", service_provider="Snowflake", config={}
    )
    MParticleCreateDataModelOperator(task_id="model", data_model_id="orders", name="Orders", sql_query="SELECT 1")
    MParticleCreateFieldTransformationOperator(
        task_id="transformation", field_transformation_id="orders", name="Orders", mappings=[]
    )
    MParticleCreatePipelineOperator(
        task_id="pipeline", pipeline_id="orders", name="Orders", connection_id="warehouse", data_model_id="orders",
        sync_mode={"type": "full"}, schedule={"type": "on_demand"},
    )
    MParticleDeleteResourceOperator(task_id="delete", kind="pipeline", resource_id="orders")
    MParticlePausePipelineOperator(task_id="pause", pipeline_id="orders")
    MParticlePipelineRunSensor(task_id="wait", pipeline_id="orders", covers="{{ data_interval_end }}")
    MParticlePlanSlicesOperator(
        task_id="plan", sql_conn_id="warehouse", table="orders", time_column="at",
        start="2025-01-01", end="2026-01-01", time_zone="Europe/Berlin",
    )
    MParticlePlatformOperator(task_id="platform", path="/apps", params={"limit": 1})
    MParticleResumePipelineOperator(task_id="resume", pipeline_id="orders")
    MParticleSyncSliceOperator(
        task_id="slice", pipeline_id="orders", data_model_id="orders", sql="SELECT at FROM orders", time_column="at",
        granularity="day",
    )
    MParticleTriggerPipelineOperator(task_id="trigger", pipeline_id="orders", skip_if_covered=True, on_empty="skip")
    MParticleUpdatePipelineOperator(task_id="update", pipeline_id="orders", fields={"name": "Orders"})
"""


def loaded_by(statement: str, after: str = "") -> set[str]:
    """Return the modules that a statement loads in a fresh interpreter, on top of those that *after* has loaded."""
    script = f"import json, sys\n{after}\nbefore = set(sys.modules)\n{statement}\nnew = set(sys.modules) - before"
    return set(json.loads(run(f"{script}\nprint(json.dumps(sorted(new)))")))


def run(script: str) -> str:
    """Return the last line that a script prints in a fresh interpreter."""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1]


def packages(modules: set[str]) -> set[str]:
    """Return the top-level packages of modules."""
    return {module.partition(".")[0] for module in modules}


def test_a_dag_file_loads_declarations_only() -> None:
    """The DAG processor imports the operators for every DAG file, every 30 seconds."""
    loaded = loaded_by(DAG_FILE)

    ours = {module for module in loaded if module.partition(".")[0] == PACKAGE}
    advice = "import these inside the method that uses them, or under TYPE_CHECKING (CONTRIBUTING.md says why)"
    assert set() == {module for module in ours if not is_declaration(module)}, advice


def test_a_dag_file_loads_only_the_operators_that_it_names() -> None:
    """Importing one operator must not build the other operator classes."""
    loaded = loaded_by(f"from {PACKAGE}.operators import MParticleTriggerPipelineOperator")

    expected = {
        f"{PACKAGE}.operators.{name}" for name in ("trigger", "lazy_links", "lazy_lineage", "operator_arguments")
    }
    assert expected == {name for name in loaded if name.startswith(f"{PACKAGE}.operators.")}


def test_a_dag_file_loads_no_other_library() -> None:
    """In particular, a DAG file does not load an HTTP library."""
    new = loaded_by(DAG_FILE, after=AIRFLOW)

    assert {PACKAGE} == packages(new) - sys.stdlib_module_names


def test_every_operator_is_declared_in_this_file() -> None:
    """Without a task in ``TASKS``, the next test would not see what declaring a new operator loads."""
    missing = [name for name in (*operators.__all__, "MParticlePipelineRunSensor") if f" {name}(" not in TASKS]

    assert [] == missing, "add a task of each of these classes to TASKS in tests/test_imports.py"


def test_declaring_tasks_loads_nothing() -> None:
    """The constructors check arguments with modules that are already loaded."""
    dag = "with DAG('orders', schedule=None):"
    before = f"{AIRFLOW}, DAG\n{dag}\n    BaseOperator(task_id='any')\n{DAG_FILE}"

    assert set() == loaded_by(f"{dag}{TASKS}", after=before)


def test_an_event_loop_imports_next_to_nothing_for_a_trigger() -> None:
    """The triggerer imports a trigger's module in its event loop, and all other triggers wait until that is done."""
    new = loaded_by(f"import {PACKAGE}.triggers", after="import airflow.triggers.base")

    ours = {module for module in new if module.partition(".")[0] == PACKAGE}
    wanted = ("triggers", "client", "client.single_flight", "triggerer", "triggerer.loading")
    assert {f"{PACKAGE}.{module}" for module in wanted} == ours - DECLARATIONS
    assert {PACKAGE} == packages(new) - sys.stdlib_module_names


@pytest.mark.parametrize(
    ("module", "name", "arguments", "method"),
    [
        ("triggers", "MParticlePipelineRunTrigger", ("mparticle_default", "orders", 1, 60, 0), "run()"),
        ("event_triggers", "MParticlePipelineRunEventTrigger", ("orders",), "run()"),
        ("hooks", "MParticleHook", (), "async_client().gen"),
    ],
)
def test_the_http_library_is_imported_in_a_thread(
    module: str, name: str, arguments: tuple[object, ...], method: str
) -> None:
    """The import would block the event loop for too long, in our triggers and in a trigger that a user writes."""
    done = run(f"""
import asyncio, sys, threading
from {PACKAGE}.{module} import {name}

class Spy:
    def find_spec(self, name, path=None, target=None):
        if name == "aiohttp":
            print("in the loop's thread:", threading.current_thread() is threading.main_thread())

sys.meta_path.insert(0, Spy())

async def use():
    using = asyncio.ensure_future(anext({name}(*{arguments}).{method}))
    while not using.done() and "aiohttp" not in sys.modules:
        await asyncio.sleep(0.01)
    using.cancel()

asyncio.run(use())
""")

    assert "in the loop's thread: False" == done


@pytest.mark.parametrize("was_on", [True, False])
def test_garbage_collection_skips_what_a_triggerer_has_loaded(was_on: bool) -> None:
    """
    A full collection of everything that Airflow has loaded blocks the event loop for 0.1 s (docs/adr/0002).

    Afterwards the interpreter has its settings back, even if several event loops have loaded at the same time.
    """
    done = run(f"""
import asyncio, gc, sys, threading
from {PACKAGE}.triggerer.loading import load

if not {was_on}:
    gc.disable()
loops = [threading.Thread(target=lambda: asyncio.run(load())) for _ in range(3)]
for loop in loops:
    loop.start()
for loop in loops:
    loop.join()
print(gc.isenabled(), gc.get_freeze_count() > 50_000, sys.getswitchinterval())
""")

    assert f"{was_on} True 0.005" == done


def test_provider_info_loads_two_plain_modules() -> None:
    """Every Airflow process loads provider_info, before any other module of ours."""
    new = loaded_by(f"from {PACKAGE}.provider_info import get_provider_info; get_provider_info()")

    ours = {PACKAGE, f"{PACKAGE}.connection", f"{PACKAGE}.connection.form", f"{PACKAGE}.provider_info"}
    assert ours == {module for module in new if module.partition(".")[0] not in sys.stdlib_module_names}
