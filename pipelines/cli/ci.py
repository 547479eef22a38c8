"""`lockstep ci`: what the steps of a build call, on Cloud Build and on every other CI."""

from typing import Final

import typer

from .ci_changes import changes, passed, when
from .ci_diff import diff, workflow
from .ci_image import compile_command, image
from .ci_release import candidate, promote
from .ci_rollout import deploy, rollback, smoke, target
from .ci_run import run
from .ci_validate import validate

app: Final = typer.Typer(
    help="The steps of a build, as cloudbuild.yaml calls them.", no_args_is_help=True
)
app.command("changes")(changes)
app.command("when", context_settings={"ignore_unknown_options": True})(when)
app.command("image")(image)
app.command("compile")(compile_command)
app.command("candidate")(candidate)
app.command("target")(target)
app.command("deploy")(deploy)
app.command("smoke")(smoke)
app.command("rollback")(rollback)
app.command("promote")(promote)
app.command("passed")(passed)
app.command("diff")(diff)
app.command("workflow")(workflow)
app.command("validate")(validate)
app.command("run")(run)
