"""Pipeline services far away: Kubeflow Pipelines and Vertex AI behind one set of nouns."""
