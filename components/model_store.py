"""Declarations of the steps that talk to the model store: champion and pusher."""

from typing import Any, Dict, Optional  # kfp reads these notations only

from kfp import dsl
from kfp.dsl import Artifact, Input, Model, Output, OutputPath

from .container import container


@dsl.container_component
def champion(
    model: Output[Model],
    found: OutputPath(bool),  # type: ignore[valid-type]  # kfp's own notation
    digest: OutputPath(str),  # type: ignore[valid-type]  # kfp's own notation
    base_directory: str,
    alias: str = "champion",
) -> dsl.ContainerSpec:
    """Fetch the model to beat from the model store (TFX's latest-blessed-model resolver).

    Open-source Kubeflow Pipelines refuses TFX's resolver nodes; this is an ordinary step, and never
    cached. The first run finds nothing: `model` is then empty, and `evaluator` has no baseline.

    Args:
        model: The SavedModel, in `Format-Serving`; empty if there is none.
        found: Whether there is one.
        digest: Its digest in the store; empty if there is none.
        base_directory: `BASE/MODEL` of the store, the directory that `pusher` pushes to.
        alias: The alias to follow; if the store has no such alias, the newest version is taken.
    """
    return container("champion")


@dsl.container_component
def pusher(
    pushed_model: Output[Model],
    push_destination: Dict[str, Any],
    model: Optional[Input[Model]] = None,
    model_blessing: Optional[Input[Artifact]] = None,
    infra_blessing: Optional[Input[Artifact]] = None,
    custom_config: Optional[Dict[str, Any]] = None,
    contract_blessing: Optional[Input[Artifact]] = None,
) -> dsl.ContainerSpec:
    """Push a blessed model into the model store (TFX's Pusher).

    Not blessed: the step succeeds, nothing is pushed, and `pushed` is 0 in the metadata.

    Args:
        pushed_model: The SavedModel that was pushed; metadata `pushed`, `pushed_destination`,
            `pushed_version`, `digest`; empty if nothing was pushed.
        push_destination: `pusher_pb2.PushDestination` as a dict:
            `{"filesystem": {"base_directory": "BASE/MODEL"}}`.
        model: The candidate. One of this and `infra_blessing` is needed.
        model_blessing: Output of `evaluator`.
        infra_blessing: Output of `infra_validator`.
        custom_config: Recorded among the version's papers.
        contract_blessing: Output of the contract check.
    """
    return container("pusher")
