"""The `lockstep` command: one file per group of sub-commands, each light until it is called."""

import errno
import sys
from typing import Final

import typer

from ...serving.errors import Exit, LockstepError
from . import (
    can_i_deploy as _can_i_deploy,
    ci as _ci,
    compile as _compile,
    contract as _contract,
    deploy as _deploy,
    explain_cache as _explain_cache,
    gc as _gc,
    lineage as _lineage,
    loadtest as _loadtest,
    models as _models,
    predict as _predict,
    rollout as _rollout,
    run as _run,
    runs as _runs,
    schedule as _schedule,
    serve as _serve,
    submit as _submit,
)

app: Final = typer.Typer(
    name="lockstep",
    help="TFX components on Kubeflow Pipelines and TF Serving.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.add_typer(_compile.app)
app.add_typer(_run.app)
app.add_typer(_submit.app)
app.add_typer(_runs.app, name="runs")
app.add_typer(_schedule.app, name="schedule")
app.add_typer(_explain_cache.app)
app.add_typer(_gc.app)
app.add_typer(_lineage.app)
app.add_typer(_models.app, name="models")
app.add_typer(_predict.app)
app.add_typer(_loadtest.app)
app.add_typer(_serve.app)
app.add_typer(_deploy.app)
app.add_typer(_rollout.app, name="rollout")
app.add_typer(_contract.app, name="contract")
app.add_typer(_can_i_deploy.app)
app.add_typer(_ci.app, name="ci")


def main() -> None:
    """Run the command line; a `LockstepError` is three lines on stderr and its own exit code."""
    try:
        app()
    except LockstepError as error:
        sys.exit(_fail(str(error), error.exit_code))
    except KeyboardInterrupt:
        sys.exit(_fail("interrupted", Exit.INTERRUPTED))
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        sys.exit(_fail(f"{error}\n  to do:   free some space and try again", Exit.ENVIRONMENT))


def _fail(message: str, code: Exit) -> int:
    print(f"error: {message}", file=sys.stderr)  # noqa: T201 - a terminal is where it belongs
    return int(code)
