"""Try every pipeline that ships in the TFX wheel, and write the table of `docs/tfx.md`.

`python scripts/tfx_examples.py compile` maps each, and compiles it with TFX's own runner as well;
both are judged by the same lint. `... run NAME` runs one on this machine; `... table` writes what
has been found so far between the marks in the page. Two examples import what is not in TFX's wheel:
`uv pip install --no-deps --target DIR slackclient presto-python-client`, then `PYTHONPATH=DIR`.
"""

import contextlib
import csv
import io
import json
import logging
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]
PAGE: Final = ROOT / "docs/tfx.md"
HOMES: Final = Path(tempfile.gettempdir()) / "tfx-examples"
FOUND: Final = HOMES / "found.json"
MARKS: Final = ("<!-- examples: begin -->", "<!-- examples: end -->")
TARGETS: Final = ("kfp", "vertex")


@dataclass(frozen=True)
class Example:
    """One pipeline file of the wheel, and where its README tells people to copy things."""

    file: str
    """Below `tfx/`."""
    home: str
    """Below HOME; the file's directory is copied there."""
    copies: dict[str, str] = field(default_factory=dict[str, str])
    """Below HOME -> below `tfx/`; `penguin.csv` is written from the wheel's TFRecords."""
    whole: bool = False
    """A template: its steps are uncommented, as its tutorial does it one by one."""
    runs: bool = False
    """Its data is in the wheel, and every package that it needs is installed."""
    adds: str = ""
    """What its own test adds to make a pipeline of it."""
    edit: tuple[str, str] = ("", "")
    """What is changed in it for the run, and into what."""
    note: str = ""
    """Why."""


_E: Final = "examples/"
_TAXI: Final = _E + "chicago_taxi_pipeline/"
_PENGUIN: Final = _E + "penguin/"
_CUSTOM: Final = _E + "custom_components/"
_TEMPLATES: Final = "experimental/templates/"
_PENGUINS: Final = {"penguin/data/labelled/penguins.csv": "penguin.csv"}
_SCHEMA: Final = {
    "penguin/schema/user_provided/schema.pbtxt": "components/testdata/penguin/schema/schema.pbtxt"
}
_TAXI_DATA: Final = {"taxi/data/simple/data.csv": _TAXI + "data/simple/data.csv"}
_GREP: Final = """
from tfx.orchestration.pipeline import Pipeline
pipeline = Pipeline("download-grep-print", "/tmp/root", components=(
    create_pipeline_component_instances("https://www.example.com/text.txt", "def")))
"""

EXAMPLES: Final = {
    "template taxi": Example(
        _TEMPLATES + "taxi/local_runner.py",
        "template_taxi",
        {"template_taxi/data/data.csv": _TAXI + "data/big_tipper_label/data.csv"},
        whole=True,
        runs=True,
    ),
    "template taxi, KubeflowV2": Example(
        _TEMPLATES + "taxi/kubeflow_v2_runner.py", "template_taxi_v2", whole=True
    ),
    "template penguin": Example(
        _TEMPLATES + "penguin/local_runner.py",
        "template_penguin",
        {"template_penguin/data/data.csv": "penguin.csv"},
        whole=True,
        runs=True,
    ),
    "template penguin, KubeflowV1": Example(
        _TEMPLATES + "penguin/kubeflow_runner.py", "template_penguin_v1", whole=True
    ),
    "taxi native Keras": Example(
        _TAXI + "taxi_pipeline_native_keras.py", "taxi", _TAXI_DATA, runs=True
    ),
    "taxi simple (Airflow)": Example(_TAXI + "taxi_pipeline_simple.py", "taxi", _TAXI_DATA),
    "taxi (Airflow workshop)": Example(
        _E + "airflow_workshop/taxi/setup/dags/taxi_pipeline.py", "airflow/dags"
    ),
    "penguin local": Example(
        _PENGUIN + "penguin_pipeline_local.py",
        "penguin",
        _PENGUINS | _SCHEMA | {"penguin/data/unlabelled/penguins.csv": "unlabelled penguin.csv"},
        runs=True,
        edit=("(flags.FLAGS.model_framework == 'keras')", "False"),
        note="without its tuner: the module makes models of Keras 2, which keras-tuner refuses",
    ),
    "penguin with InfraValidator": Example(
        _PENGUIN + "penguin_pipeline_local_infraval.py",
        "penguin",
        {"penguin/penguin_utils.py": _PENGUIN + "penguin_utils_keras.py"} | _PENGUINS | _SCHEMA,
        runs=True,
    ),
    "penguin KubeflowV2": Example(_PENGUIN + "penguin_pipeline_kubeflow.py", "penguin"),
    "penguin scikit-learn local": Example(
        _PENGUIN + "experimental/penguin_pipeline_sklearn_local.py",
        "penguin/experimental",
        _PENGUINS,
        runs=True,
        note="trained, and refused by the store: a pickle is no SavedModel",
    ),
    "penguin scikit-learn on Google Cloud": Example(
        _PENGUIN + "experimental/penguin_pipeline_sklearn_gcp.py", "penguin/experimental"
    ),
    "IMDB": Example(
        _E + "imdb/imdb_pipeline_native_keras.py",
        "imdb",
        runs=True,
        edit=("num_steps=", "num_steps=10 or "),
        note="with 10 of its 500 steps",
    ),
    "MNIST": Example(_E + "mnist/mnist_pipeline_native_keras.py", "mnist"),
    "BERT on MRPC": Example(_E + "bert/mrpc/bert_mrpc_pipeline.py", "bert/mrpc"),
    "BERT on CoLA": Example(_E + "bert/cola/bert_cola_pipeline.py", "bert/cola"),
    "ranking": Example(_E + "ranking/ranking_pipeline.py", "tf_ranking_antique"),
    "BigQuery ML": Example(_E + "bigquery_ml/taxi_pipeline_kubeflow_gcp_bqml.py", "bigquery_ml"),
    "custom component: hello": Example(
        _CUSTOM + "hello_world/example/taxi_pipeline_hello.py",
        "hello",
        {"hello/data/simple/data.csv": _TAXI + "data/simple/data.csv"},
        runs=True,
        note="it has no Pusher",
    ),
    "custom component: Slack": Example(_CUSTOM + "slack/example/taxi_pipeline_slack.py", "taxi"),
    "custom component: Slack, KubeflowV1": Example(
        _CUSTOM + "slack/example/taxi_pipeline_slack_kubeflow.py", "taxi"
    ),
    "custom component: Presto": Example(
        _CUSTOM + "presto_example_gen/example/taxi_pipeline_presto.py",
        "presto",
        {"taxi/taxi_utils.py": _TAXI + "taxi_utils.py"},
    ),
    "container components": Example(
        _CUSTOM + "container_components/download_grep_print_pipeline.py", "grep", adds=_GREP
    ),
}
"""Every file of the wheel that makes a pipeline, tests apart, by a name for people."""


_WHY_NOT: Final = {
    "template taxi, KubeflowV2": "the same nodes as above",
    "template penguin, KubeflowV1": "the same nodes as above",
    "taxi simple (Airflow)": "its module is of tf.estimator, which TensorFlow has no more",
    "penguin KubeflowV2": "its data and code are in a bucket",
    "penguin scikit-learn on Google Cloud": "its data and code are in a bucket",
    "BigQuery ML": "it needs BigQuery",
    "custom component: Slack": "it needs Slack",
    "custom component: Presto": "it needs Presto",
    "container components": "it needs its images",
}
"""Why an example is not run on one machine without a network, if it is not for want of data."""


def tfx_root() -> Path:
    """Where TFX is installed."""
    spec = find_spec("tfx")
    assert spec is not None
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0])


def prepare(example: Example, home: Path) -> Path:
    """Lay the example out as its README says; give its file."""
    source = tfx_root() / example.file
    target = home / example.home
    shutil.copytree(source.parent, target, dirs_exist_ok=True)
    for to, origin in example.copies.items():
        (home / to).parent.mkdir(parents=True, exist_ok=True)
        if origin.endswith("penguin.csv"):
            (home / to).write_text(penguins(labelled=origin == "penguin.csv"))
        else:
            shutil.copyfile(tfx_root() / origin, home / to)
    file = target / source.name
    file.write_text(file.read_text() + example.adds)
    if example.whole:
        package = ".".join(("tfx", *Path(example.file).parent.parts))
        for module in target.rglob("*.py"):
            text = module.read_text().replace(f"{package}.", "")
            text = re.sub(r"^(\s*)# (components\.append)", r"\1\2", text, flags=re.MULTILINE)
            module.write_text(text.replace("{{PIPELINE_NAME}}", example.home.replace("_", "-")))
    return file


def penguins(labelled: bool) -> str:
    """Write the penguins of the wheel's TFRecords as CSV: the wheel has no other form of them."""
    import tensorflow as tf

    text = io.StringIO()
    writer: Any = None
    files = sorted((tfx_root() / "components/testdata/penguin/data").glob("*/*.gz"))
    for record in tf.data.TFRecordDataset([str(f) for f in files], "GZIP").as_numpy_iterator():
        features = tf.train.Example.FromString(record).features.feature
        names = sorted(name for name in features if labelled or name != "species")
        row = {name: _cell(features[name]) for name in names}
        writer = writer or csv.DictWriter(text, row)
        if not text.getvalue():
            writer.writeheader()
        writer.writerow(row)
    return text.getvalue()


def _cell(feature: Any) -> Any:
    values = getattr(feature, feature.WhichOneof("kind")).value
    return values[0] if values else ""


def compile_all() -> None:
    """Compile each by both, every one in a fork of this process, which has imported TFX."""
    from lockstep.pipelines.tfx import capture

    capture.quietly_import()
    found = _found()
    for name, example in EXAMPLES.items():
        if len(sys.argv) > 2 and sys.argv[2] not in name:
            continue
        home = _home(name)
        answer = home.with_suffix(".json")
        pid = os.fork()
        if pid == 0:
            with contextlib.redirect_stdout(sys.stderr):
                answer.write_text(json.dumps(judged(example, home)))
            os._exit(0)
        os.waitpid(pid, 0)
        found[name] = found.get(name, {}) | json.loads(answer.read_text())
        print(name, json.dumps(found[name], indent=1))  # noqa: T201
        FOUND.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")


def judged(example: Example, home: Path) -> dict[str, Any]:
    """Compile one example by both; say what each comes to."""
    from lockstep.pipelines.compile import compile_loaded
    from lockstep.pipelines.definition import load_pipeline
    from lockstep.pipelines.lint import lint
    from lockstep.serving.errors import LockstepError

    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    file = prepare(example, home)
    os.environ |= {"HOME": str(home), "TFX_SLACK_CHANNEL_ID": "a", "TFX_SLACK_BOT_TOKEN": "b"}
    os.chdir(home)
    project = file.parent if example.whole else home
    try:
        loaded = load_pipeline(str(file), project)
    except LockstepError as error:
        why = re.sub(r"^.*?: ", "", str(error).splitlines()[0].rpartition("py:")[2].strip())
        return {"loads": re.sub(r" \(.*\)$", "", why)}
    result: dict[str, Any] = {"loads": "", "nodes": len(loaded.pipeline.components)}
    try:
        compiled = compile_loaded(loaded, file, "lockstep/runtime:0.1.0", project)
        broken = {t: sorted({f.rule for f in lint(compiled, t)}) for t in TARGETS}
        result["ours"] = {"refused": "", "rules": broken}
    except LockstepError as error:
        result["ours"] = {"refused": str(error).splitlines()[0].replace(str(home), "HOME")}
    result["theirs"] = theirs(loaded)
    return result


def theirs(loaded: Any) -> dict[str, Any]:
    """Compile by TFX's KubeflowV2DagRunner; a name that it refuses is mended, and reported."""
    from tfx.orchestration.kubeflow.v2 import kubeflow_v2_dag_runner as v2

    from lockstep.pipelines.lint import lint

    refused = ""
    info = loaded.pipeline.pipeline_info
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,127}", info.pipeline_name):
        refused = f"refuses the name {info.pipeline_name!r}"
        info.pipeline_name = re.sub(r"[^a-z0-9-]", "-", info.pipeline_name.lower())
    runner = v2.KubeflowV2DagRunner(v2.KubeflowV2DagRunnerConfig(use_pipeline_spec_2_1=True))
    if loaded.exit_handler is not None:
        runner.set_exit_handler(loaded.exit_handler)
    try:
        spec = runner.run(loaded.pipeline, write_out=False)["pipelineSpec"]
    except Exception as error:
        return {"refused": f"{type(error).__name__}: {error}".splitlines()[0], "name": refused}
    found = {t: sorted({f.rule for f in lint(spec, t)}) for t in TARGETS}
    return {"refused": "", "name": refused, "rules": found}


def run_one(name: str) -> None:
    """Run one on this machine, and keep how it ended."""
    example, home = EXAMPLES[name], _home(name)
    file = prepare(example, home)
    file.write_text(file.read_text().replace(*example.edit))
    project = file.parent if example.whole else home
    lockstep = str(Path(sys.executable).with_name("lockstep"))
    begun = time.time()
    ended = subprocess.run(
        ["nice", "-n", "10", lockstep, "run", str(file), "--project", str(project)],
        cwd=project,
        env=os.environ | {"HOME": str(home)},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    print(ended.stdout)  # noqa: T201
    outcome = f"ended with exit code {ended.returncode}"
    if not ended.returncode:
        outcome = "ran and pushed" if "pushed the model to" in ended.stdout else "ran"
    outcome += f" ({example.note})" if example.note else ""
    found = _found()
    found.setdefault(name, {})["run"] = outcome
    FOUND.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")
    print(outcome, round(time.time() - begun), "s")  # noqa: T201


def table() -> None:
    """Write what was found into the page."""
    before, _, rest = PAGE.read_text().partition(MARKS[0])
    after = rest.partition(MARKS[1])[2]
    PAGE.write_text(before + MARKS[0] + "\n" + "\n".join(lines(_found())) + "\n" + MARKS[1] + after)


def lines(found: dict[str, Any]) -> Iterator[str]:
    """Render the table, sums first."""
    loads = {name: one for name, one in found.items() if not one.get("loads")}
    sums = {
        (who, target): sum(accepted(one.get(who, {}), target) for one in loads.values())
        for who in ("theirs", "ours")
        for target in TARGETS
    }
    yield (
        f"Of {len(found)} files, {len(loads)} can be loaded with TFX 1.16, what its wheel brings, "
        "and two clients that two of them import (`slackclient`, `presto-python-client`). The lint "
        "accepts, for open-source Kubeflow Pipelines, "
        f"**{sums['theirs', 'kfp']}** of them as TFX's KubeflowV2DagRunner compiles them and "
        f"**{sums['ours', 'kfp']}** as lockstep does; for Vertex AI, {sums['theirs', 'vertex']} "
        f"and {sums['ours', 'vertex']}."
    )
    yield ""
    yield "| example | nodes | KubeflowV2DagRunner, on Kubeflow | lockstep, on Kubeflow | here |"
    yield "|---|---|---|---|---|"
    for name in EXAMPLES:
        one = found.get(name, {})
        if one.get("loads"):
            yield f"| {name} | | cannot be loaded: {_cut(one['loads'])} | the same | |"
        elif one:
            cells = [verdict(one.get(who, {}), "kfp") for who in ("theirs", "ours")]
            why_not = _WHY_NOT.get(name, "no data in the wheel")
            run = one.get("run", "") if EXAMPLES[name].runs else why_not
            yield f"| {name} | {one['nodes']} | {' | '.join(cells)} | {run} |"


def accepted(one: dict[str, Any], target: str) -> bool:
    """Whether a target takes what was compiled."""
    return bool(one) and not one["refused"] and not one["rules"][target]


def verdict(one: dict[str, Any], target: str) -> str:
    """Say what the lint says, or what the compiler did."""
    if one["refused"]:
        return f"not compiled: {_cut(one['refused'])}"
    said = ", ".join(f"`{rule}`" for rule in one["rules"][target])
    renamed = " (renamed)" if one.get("name") else ""
    return (f"refused: {said}" if said else "accepted") + renamed


def _cut(text: str) -> str:
    return text.replace("|", "/").replace("\n", " ")[:160]


def _found() -> dict[str, Any]:
    return json.loads(FOUND.read_text()) if FOUND.exists() else {}


def _home(name: str) -> Path:
    home = HOMES / re.sub(r"\W+", "-", name)
    home.mkdir(parents=True, exist_ok=True)
    return home


if __name__ == "__main__":
    if sys.argv[1] == "run":
        run_one(sys.argv[2])
    else:
        {"compile": compile_all, "table": table}[sys.argv[1]]()
