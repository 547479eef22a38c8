"""Compile pipelines, all in one process: TFX takes seconds to import.

`python compile_all.py FILE OUT`: FILE is JSON, name -> [source, project]; OUT becomes JSON, name ->
what it compiled to, or the error.
"""

import json
import sys
from pathlib import Path
from typing import Any

from lockstep.pipelines.compile import compile_pipeline
from lockstep.pipelines.ir import dump
from lockstep.serving.errors import LockstepError


def main() -> None:
    """Compile each, and go on after errors."""
    outcomes: dict[str, Any] = {}
    for name, (source, project) in json.loads(Path(sys.argv[1]).read_text()).items():
        try:
            compiled = compile_pipeline(source, project_root=Path(project))
        except LockstepError as error:
            outcomes[name] = {"error": str(error), "kind": type(error).__name__}
        else:
            outcomes[name] = {
                "text": dump(compiled),
                "spec": compiled.spec,
                "platform": compiled.platform,
                "here": compiled.here,
                "left": sorted(k for k in sys.modules if k.startswith("__lockstep")),
            }
    Path(sys.argv[2]).write_text(json.dumps(outcomes))


if __name__ == "__main__":
    main()
