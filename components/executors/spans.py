"""Executors of the steps that look at input data."""

from ..step import Results, Step
from . import input_files, queries


def span_resolver(step: Step) -> Results:
    """Find the newest span and version, and fingerprint its files."""
    base = input_files.local_directory(step)
    if base is None:
        from . import ingestion  # only a URL is worth TFX's imports

        found = ingestion.look(step)
    else:
        ranges = step.parameters.get("range_config") or {}
        found = input_files.look(base, input_files.splits_of(step), ranges)
    version = input_files.NO_VERSION if found.version is None else found.version
    return Results(
        parameters={"span": found.span, "version": version, "fingerprint": found.fingerprint}
    )


def big_query_resolver(step: Step) -> Results:
    """Say what the results of the queries depend on."""
    return Results(parameters={"fingerprint": queries.fingerprint(step)})
