"""Declaration of the step that looks at input files before they are ingested."""

from typing import Any, Dict, Optional  # kfp reads these notations only

from kfp import dsl
from kfp.dsl import OutputPath

from .container import container


@dsl.container_component
def span_resolver(
    input_base: str,
    span: OutputPath(int),  # type: ignore[valid-type]  # kfp's own notation
    version: OutputPath(int),  # type: ignore[valid-type]  # kfp's own notation
    fingerprint: OutputPath(str),  # type: ignore[valid-type]  # kfp's own notation
    input_config: Optional[Dict[str, Any]] = None,
    range_config: Optional[Dict[str, Any]] = None,
) -> dsl.ContainerSpec:
    """Look at the input files and say which span and version is the newest, and what is in it.

    This is what the driver of a TFX ExampleGen does. As a step of its own, never cached, it lets
    the ingest behind it be cached: hand `span`, `version` and `fingerprint` on to it.

    Args:
        input_base: Directory of the files: a path relative to the project, `package:NAME/PATH`
            inside an installed package, or a URL.
        input_config: `example_gen_pb2.Input` as a dict; without it every file is one split.
        range_config: `range_config_pb2.RangeConfig` as a dict.
        span: The span that matched; 0 if no pattern says `{SPAN}` or a date.
        version: The version that matched; -1 if no pattern says `{VERSION}`.
        fingerprint: Names, sizes and times of the files that matched.
    """
    return container("span_resolver")
