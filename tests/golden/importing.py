"""Importers: a constant address and one that is a parameter, and their use."""

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input


@dsl.component(base_image="python:3.11")
def count(data: Input[Dataset], schema: Input[Artifact]) -> int:
    """Count bytes."""
    return len(data.uri) + len(schema.uri)


@dsl.pipeline(name="importing")
def importing(data: str = "gs://bucket/data") -> None:
    """Use artifacts that are there already."""
    schema = dsl.importer(
        artifact_uri="gs://bucket/schema.pbtxt",
        artifact_class=Artifact,
        metadata={"tfx_type": "Schema", "features": 18},
    )
    dataset = dsl.importer(artifact_uri=data, artifact_class=Dataset, reimport=True)
    count(data=dataset.output, schema=schema.output)
