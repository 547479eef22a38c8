"""Declarations of the steps that look at data: statistics, schema, validation."""

from typing import Any, Dict, List, Optional  # kfp reads these notations only

from kfp import dsl
from kfp.dsl import HTML, Artifact, Dataset, Input, Output

from .container import container


@dsl.container_component
def statistics_gen(
    examples: Input[Dataset],
    statistics: Output[Artifact],
    html: Output[HTML],
    schema: Optional[Input[Artifact]] = None,
    stats_options: Optional[Dict[str, Any]] = None,
    exclude_splits: Optional[List[Any]] = None,
    beam_pipeline_args: Optional[List[Any]] = None,
) -> dsl.ContainerSpec:
    """Compute statistics of every split (TFX's StatisticsGen).

    Args:
        examples: The splits to look at.
        statistics: `Split-NAME/FeatureStats.pb`, a `DatasetFeatureStatisticsList` per split.
        html: The statistics as a page.
        schema: Schema that says how to read the features.
        stats_options: The object in `tfdv.StatsOptions.to_json()`.
        exclude_splits: Names of splits to leave out.
        beam_pipeline_args: For Beam; if not given, the step works by columns, without it.
    """
    return container("statistics_gen")


@dsl.container_component
def schema_gen(
    statistics: Input[Artifact],
    schema: Output[Artifact],
    infer_feature_shape: bool = True,
    exclude_splits: Optional[List[Any]] = None,
) -> dsl.ContainerSpec:
    """Infer a schema from statistics (TFX's SchemaGen).

    Args:
        statistics: Output of `statistics_gen`.
        schema: `schema.pbtxt`.
        infer_feature_shape: Fix the shape of features that always have as many values.
        exclude_splits: Names of splits to leave out.
    """
    return container("schema_gen")


@dsl.container_component
def import_schema_gen(schema: Output[Artifact], schema_file: str) -> dsl.ContainerSpec:
    """Take a schema that people keep (TFX's ImportSchemaGen).

    Args:
        schema: `schema.pbtxt`.
        schema_file: A path relative to the project, `package:NAME/PATH`, or a URL.
    """
    return container("import_schema_gen")


@dsl.container_component
def example_validator(
    statistics: Input[Artifact],
    schema: Input[Artifact],
    anomalies: Output[Artifact],
    html: Output[HTML],
    exclude_splits: Optional[List[Any]] = None,
    custom_validation_config: Optional[Dict[str, Any]] = None,
    fail_on_anomalies: bool = True,
) -> dsl.ContainerSpec:
    """Compare statistics with a schema (TFX's ExampleValidator), and stop the run on anomalies.

    Args:
        statistics: Output of `statistics_gen`.
        schema: Output of `schema_gen` or `import_schema_gen`.
        anomalies: `Split-NAME/SchemaDiff.pb`, an `Anomalies` message per split.
        html: The anomalies as a page.
        exclude_splits: Names of splits to leave out.
        custom_validation_config: `CustomValidationConfig` as a dict.
        fail_on_anomalies: False records anomalies and goes on, as TFX does.
    """
    return container("example_validator")
