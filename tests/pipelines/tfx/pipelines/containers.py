"""A container component of TFX's between two importers' artifacts; settings of the platform."""

from kfp.pipeline_spec import pipeline_spec_pb2 as spec
from tfx import v1 as tfx
from tfx.dsl.component.experimental import container_component, placeholders
from tfx.dsl.experimental.node_execution_options import utils
from tfx.types.standard_artifacts import ExternalArtifact as External

grep = container_component.create_container_component(
    name="Grep",
    inputs={"text": External},
    outputs={"found": External},
    parameters={"pattern": str, "most": int},
    image="debian:12",
    command=[
        "sh", "-c", 'grep -m "$3" "$0" "$1/words.txt" > "$2"',
        placeholders.InputValuePlaceholder("pattern"),
        placeholders.InputUriPlaceholder("text"),
        placeholders.ConcatPlaceholder([placeholders.OutputUriPlaceholder("found"), "/found.txt"]),
        placeholders.InputValuePlaceholder("most"),
    ],
)  # fmt: skip

imported = tfx.dsl.Importer(
    source_uri="gs://bucket/text", artifact_type=External, custom_properties={"day": 3}
).with_id("text")
local = tfx.dsl.Importer(
    source_uri="/data/model", artifact_type=tfx.types.standard_artifacts.Model, reimport=True
).with_id("model")
node = grep(text=imported.outputs["result"], pattern="x", most=2)
node.with_platform_config(
    spec.PipelineDeploymentConfig.PipelineContainerSpec.ResourceSpec(
        cpu_limit=2.0,
        memory_limit=4.0,
        accelerator={"type": "nvidia.com/gpu", "count": 1},
    )
)
node.node_execution_options = utils.NodeExecutionOptions(
    max_execution_retries=3, execution_timeout_sec=60
)


def _create_pipeline(name: str = "containers") -> tfx.dsl.Pipeline:
    """A function without required arguments, as many of TFX's users have one."""
    return tfx.dsl.Pipeline(name, "gs://bucket/root", components=[imported, local, node])
