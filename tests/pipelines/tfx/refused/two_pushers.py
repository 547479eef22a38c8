"""A resolver that could mean either of two destinations."""

from tfx import v1 as tfx

Filesystem = tfx.proto.PushDestination.Filesystem
Model = tfx.types.standard_artifacts.Model
imported = tfx.dsl.Importer(source_uri="gs://bucket/model", artifact_type=Model)
latest = tfx.dsl.Resolver(
    strategy_class=tfx.dsl.experimental.LatestArtifactStrategy,
    model=tfx.dsl.Channel(type=Model),
).with_id("latest")
gen = tfx.components.CsvExampleGen(input_base="gs://bucket/data")
inferrer = tfx.components.BulkInferrer(
    examples=gen.outputs["examples"], model=latest.outputs["model"]
)
pushers = [
    tfx.components.Pusher(
        model=imported.outputs["result"],
        push_destination=tfx.proto.PushDestination(filesystem=Filesystem(base_directory=place)),
    ).with_id(f"pusher_{place[-1]}")
    for place in ("gs://bucket/models/a", "gs://bucket/models/b")
]
pipeline = tfx.dsl.Pipeline(
    "two", "gs://b/r", components=[imported, latest, gen, inferrer, *pushers]
)
