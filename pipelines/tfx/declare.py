"""kfp components made for one node: what is known only when the TFX pipeline is."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Final, Optional

from kfp import dsl

from .plan import refuse

_KIND: Final = inspect.Parameter.POSITIONAL_OR_KEYWORD


def artifact_class(tfx_type: Any) -> Any:
    """Give kfp's class for a TFX artifact type."""
    from tfx.types import standard_artifacts

    if issubclass(tfx_type, standard_artifacts.Examples):
        return dsl.Dataset
    models = (standard_artifacts.Model, standard_artifacts.PushedModel)
    return dsl.Model if issubclass(tfx_type, models) else dsl.Artifact


def extended(
    node: Any,
    base: Any,
    name: str,
    inputs: Mapping[str, tuple[Any, bool]],
    outputs: Mapping[str, Any],
    extra: Mapping[str, Any] | None = None,
) -> Any:
    """Add artifacts to a declaration: input -> its TFX type and whether it may be missing.

    `extra` are annotations of further parameters, or others for those that `base` has.
    """
    own = dict(inspect.signature(base.pipeline_func).parameters)
    for key in (*inputs, *outputs):
        if key in own:
            raise refuse(
                node,
                f"has an artifact called {key!r}",
                "any other name: this one is a parameter of the step that runs it",
                f"rename {key!r} in the component",
            )
    for key, annotation in (extra or {}).items():
        own[key] = inspect.Parameter(key, _KIND, annotation=annotation)
    spec = base.pipeline_func(**dict.fromkeys(inspect.signature(base.pipeline_func).parameters))
    spec.args += ["--node", name]  # KFP takes steps with the same container for one and the same
    return made(name, [*own.values(), *artifacts(inputs, outputs)], lambda **_: spec)


def artifacts(
    inputs: Mapping[str, tuple[Any, bool]], outputs: Mapping[str, Any]
) -> list[inspect.Parameter]:
    """Declare artifacts as kfp does."""
    found: list[inspect.Parameter] = []
    for key, (tfx_type, optional) in inputs.items():
        annotation: Any = dsl.Input[artifact_class(tfx_type)]
        default = None if optional else inspect.Parameter.empty
        annotation = Optional[annotation] if optional else annotation  # noqa: UP045 - kfp's notation
        found.append(inspect.Parameter(key, _KIND, annotation=annotation, default=default))
    for key, tfx_type in outputs.items():
        found.append(inspect.Parameter(key, _KIND, annotation=dsl.Output[artifact_class(tfx_type)]))
    return found


def made(
    name: str, parameters: list[inspect.Parameter], spec: Callable[..., dsl.ContainerSpec]
) -> Any:
    """Make a container component from a signature; `spec` is called with kfp's placeholders."""
    ordered = sorted(parameters, key=lambda p: p.default is not inspect.Parameter.empty)
    names = [parameter.name for parameter in ordered]

    def declared(*values: Any) -> dsl.ContainerSpec:
        return spec(**dict(zip(names, values, strict=True)))

    declared.__name__ = declared.__qualname__ = name
    declared.__dict__["__signature__"] = inspect.Signature(
        ordered, return_annotation=dsl.ContainerSpec
    )
    return dsl.container_component(declared)
