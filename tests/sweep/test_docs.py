"""What docs/studies.md says of a study holds."""

import re
from pathlib import Path

import pytest
import yaml

from lungseg.cli.help_text import SWEEP_KEYS as SWEEP
from lungseg.sweep.spec.settings import OF_SEARCH, Budget, Resources, Settings, objectives, read_settings
from lungseg.sweep.spec.study_file import read_study
from tests.helpers import ROOT

DOC = (ROOT / "docs" / "studies.md").read_text()
INNER = {"budget": Budget, "resources": Resources}


def keys():
    """Setting -> its default, dotted."""
    found = {}
    for key, field in Settings.model_fields.items():
        inner = INNER.get(key)
        if inner:
            found |= {f"{key}.{name}": one.default for name, one in inner.model_fields.items()}
        else:
            found[key] = field.get_default(call_default_factory=True)
    return found


@pytest.mark.parametrize("number", [0, 1])
def test_its_studies_compose(number):
    blocks = re.findall(r"```yaml\n(.*?)```", DOC, re.DOTALL)
    path = Path("mine.yaml")
    path.write_text(blocks[number])
    found = read_study(path)
    assert (found.space is None) == (number == 0)
    assert len(found.trials) == (13 if number == 0 else 0)
    if number == 0:
        assert {trial.needs for trial in found.trials} == {(), ("cropper",)}
        assert len(read_study(path, "small").trials) == 5


def test_every_key_is_in_its_table_with_its_default():
    rows = re.findall(r"^\| `([a-z_.]+)` \| (.+?) \| (.+) \|$", DOC, re.MULTILINE)
    defaults = {key: default for key, default, _ in rows}
    assert set(defaults) == set(keys())
    for key, value in keys().items():
        said = None if defaults[key] == "none" else yaml.safe_load(defaults[key].strip("`"))
        assert said == (None if value in (None, [], {}) else value), key
    for key, _, about in rows:
        assert (key.split(".")[0] in OF_SEARCH) == about.startswith("of a search:"), key


def test_the_help_names_every_key():
    for key in Settings.model_fields:
        assert re.search(rf"\b{key}\b", SWEEP), key


@pytest.mark.parametrize("name", re.findall(r"`(val/[a-z/]+)`", DOC))
def test_the_objectives_that_it_names_are_measured(name):
    Path("mine.yaml").write_text(f"base: {{task: infection}}\ngrid: {{seed: [0]}}\nobjective: {name}\n")
    assert objectives(read_study(Path("mine.yaml")).settings)[0].name == name


def test_what_it_says_on_the_command_line_is_taken():
    given = {"slurm.setup": '["module load cuda"]', "slurm.mem_gb": "32", "ray.address": "auto", "slots": "2"}
    found = read_settings({}, given, Path("mine.yaml"))
    assert found.slurm == {"setup": ["module load cuda"], "mem_gb": 32}
    assert (found.ray, found.slots) == ({"address": "auto"}, 2)
