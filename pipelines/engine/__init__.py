"""The local engine: executes a compiled pipeline on this machine, as Kubeflow would."""
