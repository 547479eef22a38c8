"""Draw the builds into docs/ci.md: pictures and tables, from the Cloud Build files themselves."""

from pathlib import Path

from lockstep.pipelines.ci.build import Build, Step, load, waits

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/ci.md"
BUILDS = {"main": "cloudbuild.yaml", "pull-request": "cloudbuild-pull-request.yaml"}
WHEN = ("ci", "when")
"""How the arguments of a step begin that only some changes ask for."""


def asked_by(step: Step) -> str:
    """The decision that a step needs; empty: it always runs."""
    return step.args[2] if step.args[:2] == WHEN else ""


def command(step: Step) -> str:
    """What a step runs, less the question whether it has to."""
    words = step.args[4:] if asked_by(step) else (step.entrypoint, *step.args)
    return " ".join(f'"{word}"' if " " in word else word for word in words)


def picture(build: Build) -> str:
    """What waits for what, as a Mermaid flowchart: an arrow per wait, a shape per decision."""
    shapes = {"": "([{}])", "retrain": "[{}]", "redeploy": "{{{{{}}}}}"}
    lines = ["```mermaid", "flowchart TD"]
    for step in build.steps:
        ends = "<br>may fail" if step.allow_failure else ""
        lines.append(f"    {step.id}{shapes[asked_by(step)].format(step.id + ends)}")
    for step, earlier in zip(build.steps, waits(build), strict=True):
        lines += [f"    {build.label(number)} --> {step.id}" for number in sorted(earlier)]
    return "\n".join([*lines, "```"])


def table(build: Build) -> str:
    """Every step: what it waits for, when it runs, how long it may take, and its line."""
    lines = ["| step | waits for | only to | minutes | runs |", "|---|---|---|---:|---|"]
    for step, earlier in zip(build.steps, waits(build), strict=True):
        after = ", ".join(build.label(number) for number in sorted(earlier)) or "nothing"
        minutes = (step.timeout or 0) / 60
        line = command(step).replace("|", r"\|")
        lines.append(f"| {step.id} | {after} | {asked_by(step)} | {minutes:g} | `{line}` |")
    return "\n".join(lines)


def page(text: str) -> str:
    """The page with its generated parts made anew."""
    for name, file in BUILDS.items():
        build = load(ROOT / file)
        made = f"{picture(build)}\n\n{table(build)}"
        marks = f"<!-- {name}: scripts/ci_page.py -->", f"<!-- {name}: end -->"
        before, there, after = text.partition(marks[0])
        _, end, after = after.partition(marks[1])
        assert end, f"docs/ci.md has no place for {name}"
        text = f"{before}{there}\n\n{made}\n\n{end}{after}"
    return text


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
