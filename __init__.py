"""lockstep: TFX components on Kubeflow Pipelines and TF Serving, in step with the applications that call them."""
