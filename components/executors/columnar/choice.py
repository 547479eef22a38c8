"""The word in a step's log about who does the work."""

from ...step import Step


def is_columnar(step: Step, objection: str | None) -> bool:
    """Say in the log whether a step does without Beam: nothing objects to it."""
    how = f"TFX on Beam ({objection})" if objection else "columnar (without Beam)"
    print(f"{step.component}: {how}")  # noqa: T201  # a step's log
    return objection is None


def objection(step: Step) -> str | None:
    """Say why any step would need Beam: its arguments are given."""
    return "beam_pipeline_args are given" if step.parameters.get("beam_pipeline_args") else None
