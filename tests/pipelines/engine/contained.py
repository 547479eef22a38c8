# pyright: basic, reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# mypy: ignore-errors
"""Pipelines whose steps are containers of other images, and of the runtime image."""

from kfp import dsl
from kfp.kubernetes import set_timeout

from lockstep.components import span_resolver


@dsl.container_component
def shout(text: str, loud: dsl.Output[dsl.Dataset]):
    """Write a text in capitals."""
    script = 'mkdir -p "$(dirname "$1")" && echo "$WORD" && printf %s "$0" | tr a-z A-Z > "$1"'
    return dsl.ContainerSpec(image="tools:1", command=["sh", "-c"], args=[script, text, loud.path])


@dsl.container_component
def shell(script: str):
    """Run a line of shell."""
    return dsl.ContainerSpec(image="tools:1", command=["sh", "-c"], args=[script])


@dsl.component(base_image="tools:1", install_kfp_package=False)
def count(text: str) -> int:
    """Count letters."""
    return len(text)


@dsl.pipeline(name="lightweight")
def lightweight(text: str = "four") -> int:
    """A Python function, which kfp turns into a container."""
    return count(text=text).output


@dsl.pipeline(name="two-images")
def two_images(data: str, text: str = "quiet"):
    """A step of lockstep's own, then one of another image."""
    found = span_resolver(input_base=data)
    loud = shout(text=text).after(found)
    loud.set_env_variable("WORD", "a b")
    loud.set_cpu_limit("500m")
    loud.set_memory_limit("1G")


@dsl.pipeline(name="one-line")
def one_line(script: str):
    """Whatever the line does."""
    task = shell(script=script)
    task.set_memory_limit("1G")
    set_timeout(task, 3)
