"""What applications call a model with: JSON Schema, OpenAPI, a typed Python package."""
