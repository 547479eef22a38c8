"""A file for a runner that TFX has no more: its call has the pipeline."""

from tfx import v1 as tfx
from tfx.orchestration.kubeflow import kubeflow_dag_runner

gen = tfx.components.CsvExampleGen(input_base="gs://bucket/data")
metadata = kubeflow_dag_runner.get_default_kubeflow_metadata_config()
metadata.mysql_db_service_host.value = "mysql"
config = kubeflow_dag_runner.KubeflowDagRunnerConfig(kubeflow_metadata_config=metadata)

if __name__ == "__main__":
    kubeflow_dag_runner.KubeflowDagRunner(config=config).run(
        tfx.dsl.Pipeline("kubeflow_v1", "gs://bucket/root", components=[gen])
    )
