"""TFX components on Kubeflow Pipelines and TF Serving, in step with the applications on top."""
