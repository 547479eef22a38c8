"""Let google-cloud-aiplatform's PipelineJob load compiled files: `python vertex_facts.py FILE`.

FILE holds JSON: for each compiled file the body that lockstep sends. It is replaced by, for each,
what PipelineJob would send, our body, and what PipelineJobSchedule would send, as the protos write
them; or the one line that PipelineJob says.
"""

import json
import sys
from pathlib import Path
from typing import Any

from google.auth.credentials import AnonymousCredentials
from google.cloud import aiplatform
from google.cloud.aiplatform_v1.types import PipelineJob
from google.protobuf import json_format


def load(path: str, ours: dict[str, Any]) -> list[Any]:
    """Give PipelineJob's resource, ours and a schedule's request for it; or what the SDK says."""
    config = ours["runtimeConfig"]
    try:
        job: Any = aiplatform.PipelineJob(
            display_name=ours["displayName"],
            template_path=path,
            job_id="taxi-7",
            pipeline_root=config["gcsOutputDirectory"],
            parameter_values=config["parameterValues"],
            labels=ours["labels"],
        )
    except Exception as error:  # whatever it is, it is the answer
        return [f"{type(error).__name__}: {error}".splitlines()[0]]
    theirs = json_format.MessageToDict(job._gca_resource._pb)  # what it would send is nowhere else
    parsed = json_format.ParseDict(ours, PipelineJob.pb(PipelineJob()))
    schedule: Any = aiplatform.PipelineJobSchedule(pipeline_job=job, display_name="nightly")
    request = json_format.MessageToDict(schedule._gca_resource._pb)["createPipelineJobRequest"]
    return [theirs, json_format.MessageToDict(parsed), request]


if __name__ == "__main__":
    file = Path(sys.argv[1])
    anonymous = AnonymousCredentials()  # type: ignore[no-untyped-call]  # not said
    aiplatform.init(project="acme", location="europe-west4", credentials=anonymous)
    bodies: dict[str, Any] = json.loads(file.read_text())
    file.write_text(json.dumps({path: load(path, ours) for path, ours in bodies.items()}))
