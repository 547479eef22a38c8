"""ParallelFor over constants, dicts and a task's output, and Collected."""

from typing import List

from kfp import dsl


@dsl.component(base_image="python:3.11")
def numbers(count: int) -> List[int]:
    """List the first numbers."""
    return list(range(count))


@dsl.component(base_image="python:3.11")
def double(number: int) -> int:
    """Double a number."""
    return 2 * number


@dsl.component(base_image="python:3.11")
def total(numbers: List[int]) -> int:
    """Add numbers up."""
    return sum(numbers)


@dsl.pipeline(name="loops")
def loops(count: int = 3) -> int:
    """Double each number, then add them up."""
    with dsl.ParallelFor([1, 2, 3]) as constant:
        double(number=constant)
    with dsl.ParallelFor([{"a": 1, "b": {"c": 2}}, {"a": 3, "b": {"c": 4}}]) as item:
        double(number=item.a)
    with dsl.ParallelFor(numbers(count=count).output, parallelism=2) as number:
        outer = double(number=number)
        with dsl.ParallelFor([10, 20]) as _:
            double(number=outer.output)
    return total(numbers=dsl.Collected(outer.output)).output
