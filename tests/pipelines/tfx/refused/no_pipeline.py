"""A file without any pipeline."""

from tfx import v1 as tfx

NAME = tfx.__version__
