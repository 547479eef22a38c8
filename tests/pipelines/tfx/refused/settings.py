"""Execution options that Kubeflow does not know."""

from tfx import v1 as tfx
from tfx.dsl.experimental.node_execution_options import utils

gen = tfx.components.CsvExampleGen(input_base="gs://bucket/data")
gen.node_execution_options = utils.NodeExecutionOptions(success_optional=True)
pipeline = tfx.dsl.Pipeline("options", "gs://b/r", components=[gen])
