"""How a node is to be run: Beam, resources, retries and timeouts."""

from typing import Any, Final

from .plan import Settings, refuse

_IN_STEP: Final = ("--direct_", "--runner=DirectRunner", "--runner=direct")
"""Beam's arguments for a runner inside the step, which needs none here."""


def beam_arguments(node: Any, component: str = "") -> list[str]:
    """Give a node's arguments for Beam, less those for a runner inside the step.

    BigQuery reads the project that pays from them, whatever the runner.
    """
    found = getattr(node.executor_spec, "beam_pipeline_args", None) or []
    for argument in found:
        if not isinstance(argument, str):
            raise refuse(
                node,
                "has a placeholder among its beam_pipeline_args",
                "strings",
                "write the value out, or read it from the environment in the component",
            )
    elsewhere = [argument for argument in found if not argument.startswith(_IN_STEP)]
    needed = any(a.startswith("--runner") for a in elsewhere)
    return elsewhere if needed or component == "big_query_example_gen" else []


def settings_of(node: Any, cached: bool) -> Settings:
    """Read resources, retries and timeouts of a node."""
    config, options = getattr(node, "platform_config", None), node.node_execution_options
    given: dict[str, Any] = {"cached": bool(cached)}
    if config is not None:
        if not hasattr(config, "cpu_limit"):
            raise refuse(
                node,
                f"has a platform_config of the kind {type(config).__name__}",
                "KFP's PipelineContainerSpec.ResourceSpec: cpu_limit, memory_limit, accelerator",
                "write the setting with kfp-kubernetes, in a kfp pipeline",
            )
        accelerator = (config.accelerator.type, int(config.accelerator.count))
        given |= {"cpu_limit": config.cpu_limit, "memory_limit": config.memory_limit}
        given["accelerator"] = accelerator if accelerator[0] else None
    if options is not None:
        strategy = int(options.trigger_strategy)  # 1: all upstream succeeded, 2: all completed
        if options.success_optional or options.lifetime_start or strategy > 2:
            raise refuse(
                node,
                f"has execution options that Kubeflow Pipelines does not know: {options}",
                "max_execution_retries, execution_timeout_sec, and the trigger strategies "
                "ALL_UPSTREAM_NODES_SUCCEEDED and ALL_UPSTREAM_NODES_COMPLETED",
                "leave the others out; for what always runs at the end, set an exit handler",
            )
        given |= {"retries": options.max_execution_retries or 0, "always": strategy == 2}
        given["timeout"] = options.execution_timeout_sec
    return Settings(**given)
