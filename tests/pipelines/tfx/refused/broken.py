"""A mistake of the user's, in a line of the file."""

from tfx import v1 as tfx

gen = tfx.components.CsvExampleGen(input_bass="gs://bucket/data")
