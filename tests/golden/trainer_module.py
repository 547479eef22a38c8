"""What `ingest_and_push` names as its module file."""


def run_fn(fn_args: object) -> None:
    """Train nothing."""
