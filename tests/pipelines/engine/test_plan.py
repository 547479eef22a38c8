"""From a compiled file to tasks: what is understood, and what is refused."""

import copy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from lockstep.pipelines import ir
from lockstep.pipelines.engine.admit import admit
from lockstep.pipelines.engine.plan import Plan, Retry, plan
from lockstep.pipelines.errors import CannotRunHere, DefinitionError
from lockstep.serving.errors import Exit

GOLDEN = Path(__file__).parents[2] / "golden"


def pipeline(tasks: dict[str, Any], **executor: Any) -> ir.CompiledPipeline:
    """Build a pipeline whose tasks all run one and the same executor."""
    executor = executor or {
        "container": {"image": "i", "command": ["python", "-m", "lockstep.components", "pusher"]}
    }
    for task in tasks.values():
        task.setdefault("componentRef", {"name": "c"})
    return ir.CompiledPipeline(
        {
            "pipelineInfo": {"name": "p"},
            "components": {"c": {"executorLabel": "e"}},
            "deploymentSpec": {"executors": {"e": executor}},
            "root": {"dag": {"tasks": tasks}},
        }
    )


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_construct_that_kfp_compiles_is_understood(path: Path) -> None:
    """No golden file has a key that the engine would have to ignore."""
    assert plan(ir.load(path)).walk()


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=20))
def test_a_task_stands_after_those_it_depends_on(edges: list[tuple[int, int]]) -> None:
    """Whatever order the file has them in."""
    tasks: dict[str, Any] = {f"t{9 - n}": {"dependentTasks": []} for n in range(10)}
    for one, other in edges:
        if one != other:
            tasks[f"t{max(one, other)}"]["dependentTasks"].append(f"t{min(one, other)}")
    order = [task.name for task in plan(pipeline(tasks)).root.tasks]
    assert sorted(order) == sorted(tasks)
    for name, task in tasks.items():
        assert all(order.index(before) < order.index(name) for before in task["dependentTasks"])


TASK = ("root", "dag", "tasks", "train")
EXECUTOR = ("deploymentSpec", "executors", "e")


@pytest.mark.parametrize(
    ("place", "addition", "key"),
    [
        (TASK, {"priority": 1}, "priority"),
        (TASK, {"retryPolicy": {"maxRetryCount": 1, "jitter": 1}}, "retryPolicy.jitter"),
        (TASK, {"inputs": {"parameters": {"a": {"magic": 1}}}}, "inputs.parameters.a.magic"),
        (("components", "c"), {"singlePlatformSpecs": []}, "singlePlatformSpecs"),
        ((*EXECUTOR, "container"), {"lifecycle": {}}, "container.lifecycle"),
        ((*EXECUTOR, "container"), {"env": [{"valueFrom": 1}]}, "container.env.valueFrom"),
        (EXECUTOR, {"resolver": {}}, "resolver"),
    ],
)
def test_what_is_not_understood_is_refused_by_name(
    place: tuple[str, ...], addition: ir.Json, key: str
) -> None:
    """An unknown key in a task, a component or an executor names the task and the key."""
    spec = copy.deepcopy(pipeline({"train": {}}).spec)
    part: Any = spec
    for name in place:
        part = part[name]
    part.update(addition)
    with pytest.raises(CannotRunHere) as error:
        plan(ir.CompiledPipeline(spec))
    assert str(error.value).startswith(f"task train asks for {key}\n")


@pytest.mark.parametrize(
    ("tasks", "words"),
    [
        ({"a": {"dependentTasks": ["b"]}, "b": {"dependentTasks": ["a"]}}, "depends on itself"),
        ({"a": {"dependentTasks": ["z"]}}, "'z'"),
        ({"a": {"componentRef": {"name": "none"}}}, "'none'"),
        ({"../a": {}}, "../a"),
        ({"a": {"componentRef": {"name": "sub"}}}, "a/none is to give an output"),
        ({"a": {"triggerPolicy": {"condition": "it's"}}}, "makes no sense"),
    ],
)
def test_a_spec_that_contradicts_itself_is_refused(tasks: dict[str, Any], words: str) -> None:
    """Cycles, loose ends, names that lead out of the run directory, broken conditions."""
    compiled = pipeline(tasks)
    place = {"producerSubtask": "none", "outputParameterKey": "x"}
    compiled.spec["components"]["sub"] = {
        "dag": {"tasks": {}, "outputs": {"parameters": {"x": {"valueFromParameter": place}}}}
    }
    with pytest.raises(DefinitionError) as error:
        plan(compiled)
    assert words in str(error.value)
    assert error.value.exit_code is Exit.DEFINITION


def test_a_component_that_contains_itself_is_refused() -> None:
    """A plan is finite."""
    compiled = pipeline({"a": {}})
    compiled.spec["components"]["c"] = {"dag": {"tasks": {"a": {"componentRef": {"name": "c"}}}}}
    with pytest.raises(DefinitionError, match="contains itself"):
        plan(compiled)


def test_pauses_between_tries_grow() -> None:
    """Kubeflow's backoff: a duration, and a factor for each further try."""
    retry = Retry(count=4, delay=5, factor=2)
    assert [retry.pause(number) for number in (2, 3, 4, 5)] == [5, 10, 20, 40]


def test_a_nested_pipeline_hands_its_retries_down() -> None:
    """As on Kubeflow: a task that says nothing itself is retried like the DAG around it."""
    compiled = pipeline({"own": {"retryPolicy": {"maxRetryCount": 1}}, "silent": {}})
    inner = {"dag": compiled.spec["root"]["dag"]}
    task = {"componentRef": {"name": "inner"}, "retryPolicy": {"maxRetryCount": 3}}
    compiled.spec["components"]["inner"] = inner
    compiled.spec["root"] = {"dag": {"tasks": {"outer": task}}}
    assert {task.path: task.retry.count for task in plan(compiled).walk()} == {
        "outer": 0,
        "outer/own": 1,
        "outer/silent": 3,
    }


def admitted(container: ir.Json, settings: ir.Json | None = None) -> Any:
    """Give the program of a task with this container."""
    compiled = pipeline({"train": {}}, container=container)
    if settings:
        kubernetes = {"deploymentSpec": {"executors": {"e": settings}}}
        compiled = ir.CompiledPipeline(compiled.spec, {"platforms": {"kubernetes": kubernetes}})
    (program,) = admit(plan(compiled)).values()
    return program


COMPONENT = {"image": "any", "command": ["python", "-m", "lockstep.components", "pusher"]}


@pytest.mark.parametrize(
    "container",
    [
        {"image": "busybox", "command": ["sh", "-c", "rm -rf /"]},
        {"image": "busybox"},
        {"image": "x", "command": ["python", "-m", "lockstep.components"]},
        {"image": "x", "command": ["python", "-m", "lockstep.components", "nobody"]},
        {
            "image": "x",
            "command": ["sh", "-ec", "python3 -m kfp.dsl.executor_main; rm x", "import kfp"],
        },
        {"image": "x", "command": ["python3", "-m", "kfp.dsl.executor_main"]},
    ],
)
def test_another_images_command_is_never_run_here(container: ir.Json) -> None:
    """The refusal names the task and the image, and comes before anything starts."""
    with pytest.raises(CannotRunHere) as error:
        admitted(container)
    assert "train" in str(error.value)
    assert repr(container["image"]) in str(error.value)
    assert error.value.exit_code is Exit.ENVIRONMENT


def test_a_lockstep_component_runs_as_the_same_module() -> None:
    """The arguments stay as they are, whatever the image is called."""
    program = admitted(
        {**COMPONENT, "args": ["--executor_input", "{{$}}"], "env": [{"name": "A", "value": "b"}]}
    )
    assert program.module == "lockstep.components"
    assert program.arguments == ("pusher", "--executor_input", "{{$}}")
    assert program.environment == (("A", "b"),)


def test_what_means_nothing_here_is_said() -> None:
    """Limits and scheduling hints are noted, a timeout is kept."""
    container = {**COMPONENT, "resources": {"resourceCpuLimit": "2"}}
    program = admitted(container, {"activeDeadlineSeconds": "30", "tolerations": []})
    assert program.timeout == 30
    assert program.notes == (
        "tolerations means nothing on this machine",
        "resourceCpuLimit 2 is not enforced on this machine",
    )


def test_what_nobody_knows_is_refused() -> None:
    """A setting that is not known cannot be honoured, and is not passed over."""
    with pytest.raises(CannotRunHere, match="task train asks Kubernetes for somethingNew"):
        admitted(COMPONENT, {"somethingNew": []})


def test_an_accelerator_is_not_arranged_for() -> None:
    """It is said once, by its name; the same limit in its old and its new form, too."""
    gpu = {"type": "nvidia.com/gpu", "count": "1", "resourceType": "nvidia.com/gpu"}
    resources = {"cpuLimit": 2, "resourceCpuLimit": "2", "memoryLimit": 1, "accelerator": gpu}
    assert admitted({**COMPONENT, "resources": resources}).notes == (
        "resourceCpuLimit 2 is not enforced on this machine",
        "accelerator nvidia.com/gpu is not arranged for: the step finds what this machine has",
    )


@pytest.fixture(scope="module")
def lightweight() -> Plan:
    """A pipeline of kfp's lightweight Python components."""
    return plan(ir.load(GOLDEN / "loops.yaml"))


def test_a_lightweight_component_runs_without_a_shell(lightweight: Plan) -> None:
    """Its source is taken from the command; the shell script around it is never run."""
    program = admit(lightweight)["total"]
    assert program.module == "kfp.dsl.executor_main"
    assert program.source is not None
    assert "def total(" in program.source
    assert program.arguments == ("--executor_input", "{{$}}", "--function_to_execute", "total")


@pytest.mark.parametrize(
    ("wanted", "problem"),
    [
        ("no-such-package-anywhere", "not installed"),
        ("pyyaml>=999", "is installed"),
        ("pyyaml @ git+https://example.org/x", "URL"),
        ("./here", "no plain requirement"),
    ],
)
def test_missing_packages_are_named(wanted: str, problem: str) -> None:
    """What a component would install must already be there; nothing is installed."""
    loops = copy.deepcopy(ir.load(GOLDEN / "loops.yaml").spec)
    container = loops["deploymentSpec"]["executors"]["exec-total"]["container"]
    container["command"][2] = container["command"][2].replace(
        '&& "$0"',
        f"&& python3 -m pip install --quiet --index-url http://x '{wanted}' 'pyyaml>=5' && \"$0\"",
    )
    with pytest.raises(CannotRunHere) as error:
        admit(plan(ir.CompiledPipeline(loops)))
    assert f"task total wants the package {wanted!r}" in str(error.value)
    assert problem in str(error.value)
