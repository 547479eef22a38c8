"""Every component by name: where its declaration and its executor are, and what it looks at."""

from dataclasses import dataclass
from typing import Final

DEFAULT_IMAGE: Final = "lockstep/runtime:0.1.0"
"""The runtime image that declarations name; `lockstep compile --image` puts another in its place."""

ENTRYPOINT: Final = ("python", "-m", "lockstep.components")
"""The command of every component, followed by the component's name."""


@dataclass(frozen=True)
class Component:
    """One component: the modules of its declaration and executor, relative to this package."""

    declaration: str
    executor: str
    looks_outside: bool = False
    """It reads or changes what its inputs do not show (a bucket, the model store): never cached."""
    cached_with: str | None = None
    """It may be cached only if this parameter comes from a task that has looked outside for it."""


COMPONENTS: Final = {
    "span_resolver": Component("example_gen", "example_gen", looks_outside=True),
    "csv_example_gen": Component("example_gen", "example_gen", cached_with="fingerprint"),
    "import_example_gen": Component("example_gen", "example_gen", cached_with="fingerprint"),
    "parquet_example_gen": Component("example_gen", "example_gen", cached_with="fingerprint"),
    "statistics_gen": Component("data_validation", "data_validation"),
    "schema_gen": Component("data_validation", "data_validation"),
    "import_schema_gen": Component("data_validation", "data_validation", looks_outside=True),
    "example_validator": Component("data_validation", "data_validation"),
    "transform": Component("transform", "transform"),
    "tuner": Component("training", "training"),
    "trainer": Component("training", "training"),
    "champion": Component("champion", "champion", looks_outside=True),
    "evaluator": Component("evaluator", "evaluator"),
    "bulk_inferrer": Component("bulk_inferrer", "bulk_inferrer"),
    "pusher": Component("pusher", "pusher", looks_outside=True),
}
