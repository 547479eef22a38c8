"""The taxi data and module through TFX's own local runner: `tfx_local.py MODULE DIRECTORY`.

Prints a line of JSON: output -> where TFX has put it.
"""

import json
import os
import sys
from importlib.util import find_spec
from pathlib import Path

os.environ["UNSUPPORTED_DO_NOT_PACKAGE_USER_MODULES"] = "1"  # TFX's own switch: no pip

from tfx import v1 as tfx


def pipeline(module: str, root: Path) -> tfx.dsl.Pipeline:
    """From the CSV file to transformed examples, with the taxi pipeline's arguments."""
    spec = find_spec("tfx")
    assert spec is not None
    assert spec.submodule_search_locations
    c, proto = tfx.components, tfx.proto
    ingest = c.CsvExampleGen(
        input_base=f"{spec.submodule_search_locations[0]}/components/testdata/external/csv",
        input_config=proto.Input(splits=[proto.Input.Split(name="trips", pattern="data.csv")]),
        output_config=proto.Output(
            split_config=proto.SplitConfig(
                splits=[
                    proto.SplitConfig.Split(name="train", hash_buckets=2),
                    proto.SplitConfig.Split(name="eval", hash_buckets=1),
                ]
            )
        ),
    )
    statistics = c.StatisticsGen(examples=ingest.outputs["examples"])
    schema = c.SchemaGen(statistics=statistics.outputs["statistics"])
    transform = c.Transform(
        examples=ingest.outputs["examples"], schema=schema.outputs["schema"], module_file=module
    )
    return tfx.dsl.Pipeline(
        "taxi",
        pipeline_root=str(root),
        components=[ingest, statistics, schema, transform],
        metadata_connection_config=tfx.orchestration.metadata.sqlite_metadata_connection_config(
            str(root / "metadata.sqlite")
        ),
        beam_pipeline_args=["--direct_running_mode=in_memory"],
    )


def main(module: str, directory: str) -> None:
    """Run, and say where everything is."""
    root = Path(directory)
    tfx.orchestration.LocalDagRunner().run(pipeline(module, root))
    outputs = {
        "examples": "CsvExampleGen",
        "statistics": "StatisticsGen",
        "schema": "SchemaGen",
        "transformed_examples": "Transform",
    }
    found = {key: [*(root / node / key).glob("*")] for key, node in outputs.items()}
    print(json.dumps({key: str(path) for key, (path,) in found.items()}))  # noqa: T201  # the answer


if __name__ == "__main__":
    main(*sys.argv[1:])
