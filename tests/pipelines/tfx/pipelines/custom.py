"""Nodes of the user's own: functions, values handed on, conditions, an exit handler."""

from tfx import types, v1 as tfx
from tfx.dsl.components.base import base_component, base_executor, executor_spec
from tfx.orchestration.kubeflow.v2 import kubeflow_v2_dag_runner
from tfx.types import component_spec, standard_artifacts

InputArtifact, OutputArtifact = tfx.dsl.components.InputArtifact, tfx.dsl.components.OutputArtifact
Parameter, OutputDict = tfx.dsl.components.Parameter, tfx.dsl.components.OutputDict


class Notes(tfx.dsl.Artifact):
    """An artifact type of the user's own."""

    TYPE_NAME = "Notes"


@tfx.dsl.components.component
def Count(
    notes: OutputArtifact[Notes], words: Parameter[str], share: Parameter[float] = 0.5
) -> OutputDict(count=int, label=str):
    """Write the words down, and count them."""
    with open(notes.uri + "/words.txt", "w") as file:
        file.write(words)
    notes.set_int_custom_property("count", len(words.split()))
    return {"count": len(words.split()), "label": f"{type(share).__name__} {share}"}


@tfx.dsl.components.component
def Report(notes: InputArtifact[Notes], count: int, label: Parameter[str]) -> None:
    """Say what was counted."""
    print("REPORT", open(notes.uri + "/words.txt").read(), count, label)


class StampExecutor(base_executor.BaseExecutor):
    """Put a stamp on the notes."""

    def Do(self, input_dict, output_dict, exec_properties):
        """Write the stamp."""
        with open(output_dict["stamped"][0].uri + "/stamp.txt", "w") as file:
            file.write(f"{exec_properties['times']} {exec_properties.get('ink')}")


class StampSpec(types.ComponentSpec):
    """What the stamp takes."""

    PARAMETERS = {
        "times": component_spec.ExecutionParameter(type=int),
        "ink": component_spec.ExecutionParameter(type=str, optional=True),
    }
    INPUTS = {"notes": component_spec.ChannelParameter(type=Notes)}
    OUTPUTS = {"stamped": component_spec.ChannelParameter(type=standard_artifacts.Examples)}


class Stamp(base_component.BaseComponent):
    """A component class of the user's own."""

    SPEC_CLASS = StampSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(StampExecutor)

    def __init__(self, notes, times):
        """Make the spec."""
        stamped = types.Channel(type=standard_artifacts.Examples)
        super().__init__(StampSpec(notes=notes, times=times, ink=None, stamped=stamped))


@tfx.orchestration.experimental.exit_handler
def Goodbye(status: Parameter[str], word: Parameter[str]) -> None:
    """Say how it ended."""
    print("GOODBYE", word, status)


def create_pipeline() -> tfx.dsl.Pipeline:
    """Connect them."""
    words = tfx.dsl.experimental.RuntimeParameter("words-to-count", ptype=str, default="a b c")
    count = Count(words=words).with_id("Count.words")
    notes = count.outputs["notes"]
    report = Report(
        notes=notes,
        count=count.outputs["count"],
        label=count.outputs["label"].future()[0].value + "!",
    )
    stamp = Stamp(notes, 3)
    stamp.add_upstream_node(report)
    with tfx.dsl.Cond(count.outputs["count"].future()[0].value > 2):
        many = Count(words="some more").with_id("Many")
        with tfx.dsl.Cond(notes.future()[0].custom_property("count") == 3):
            inner = Report(notes=many.outputs["notes"], count=count.outputs["count"], label="in")
            inner.with_id("Inner")
    return tfx.dsl.Pipeline(
        "custom", "/tmp/nowhere", components=[count, report, stamp, many, inner], enable_cache=False
    )


def run() -> None:
    """Give it to TFX's own runner."""
    runner = kubeflow_v2_dag_runner.KubeflowV2DagRunner(
        config=kubeflow_v2_dag_runner.KubeflowV2DagRunnerConfig()
    )
    runner.set_exit_handler(
        Goodbye(status=tfx.orchestration.experimental.FinalStatusStr(), word="bye").with_id(
            "goodbye"
        )
    )
    runner.run(create_pipeline())


if __name__ == "__main__":
    run()
