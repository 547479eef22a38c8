"""Beam with several processes on this machine, which large input is given."""

from typing import Any

import pytest

pytestmark = pytest.mark.slow

PROCESSES = ["--direct_running_mode=multi_processing", "--direct_num_workers=2"]


def test_processes_transform_as_one_does(workshop: Any) -> None:
    """A user's module file, with a neighbour that it imports, is found by Beam's workers, too."""
    rows = (f"{number},{'abc'[number % 3]}" for number in range(300))
    data = workshop.write("data/data.csv", "n,s", *rows)
    workshop.write("neighbour.py", "def double(x):", "    return x * 2")
    workshop.write(
        "module.py",
        "import tensorflow_transform as tft",
        "from neighbour import double",
        "def preprocessing_fn(inputs):",
        "    return {'n': tft.scale_to_z_score(double(inputs['n'])),",
        "            's': tft.compute_and_apply_vocabulary(inputs['s'])}",
    )
    examples = workshop.run("csv_example_gen", input_base=data).outputs["examples"]
    statistics = workshop.run("statistics_gen", {"examples": examples}).outputs["statistics"]
    schema = workshop.run("schema_gen", {"statistics": statistics}).outputs["schema"]
    inputs = {"examples": examples, "schema": schema}
    one, two = (
        workshop.run("transform", inputs, module_file="module.py", beam_pipeline_args=arguments)
        for arguments in ([], PROCESSES)
    )
    assert (one.code, two.code) == (0, 0), one.error + two.error
    made = [workshop.examples(ran, "transformed_examples") for ran in (one, two)]
    assert made[0] == made[1]
    assert len(made[0]["train"]) + len(made[0]["eval"]) == 300
