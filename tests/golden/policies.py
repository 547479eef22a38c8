"""Retries, caching, resources, environment, order and display names."""

from kfp import dsl


@dsl.component(base_image="python:3.11")
def step(number: int = 1) -> int:
    """Count on."""
    return number + 1


@dsl.container_component
def shell(text: str, result: dsl.OutputPath(str)):
    """Write a text in a shell."""
    return dsl.ContainerSpec(
        image="busybox:1.36",
        command=["sh", "-c", 'mkdir -p "$(dirname "$1")" && printf %s "$0" > "$1"'],
        args=[text, result],
    )


@dsl.pipeline(name="policies")
def policies(text: str = "x") -> None:
    """Say how each task is to be run."""
    first = step().set_display_name("first of all")
    first.set_retry(3, backoff_duration="10s", backoff_factor=2, backoff_max_duration="60s")
    first.set_cpu_limit("500m").set_memory_limit("1G").set_env_variable("MODE", "quick")
    second = step(number=10).set_caching_options(False).after(first)
    shell(text=f"{text} {second.output}").set_caching_options(True)
