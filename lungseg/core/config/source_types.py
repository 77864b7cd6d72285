"""Declares what each data set's own keys take. Nothing heavy is imported."""

from collections.abc import Mapping

from lungseg.core.config.compound_types import ByName, Several, or_null
from lungseg.core.config.key_types import LARGEST, SEED, SHARE, TASK, Kinds
from lungseg.core.config.value_types import Choice, Text, Whole

ROOT: Kinds = {"root": Text("some/folder", "a path")}
HOSPITALS = Several(Choice(("shenzhen", "montgomery")), "[shenzhen]", name="some of [shenzhen,montgomery]")
DIFFICULTY = Choice(("easy", "normal", "hard"), "normal")
SOURCES: Mapping[str, Kinds] = {
    "lungseg.data.sources.phantom.cases": {
        "count": Whole(1, 1_000_000, "360"),
        "seed": SEED,
        "pixels": Whole(32, LARGEST, "256"),
        "mix": ByName(SHARE, "{Normal: 1}", "a share for each class"),
        "difficulty": DIFFICULTY,
        "domains": or_null(ByName(DIFFICULTY, "{north:easy,south:hard}", "hospitals, each easy, normal or hard")),
    },
    "lungseg.data.sources.phantom_ct.cases": {
        "count": Whole(1, 1_000_000, "40"),
        "seed": SEED,
        "pixels": Whole(32, LARGEST, "128"),
        "slices": Whole(8, 2048, "56"),
        "mix": ByName(SHARE, "{Normal: 1}", "a share for each class"),
    },
    "lungseg.data.sources.covid_qu_ex.cases": {
        "part": Choice(("auto", "lung", "infection"), "auto"),
        "regions": TASK["regions"],
        "subset": or_null(Whole(10, 1_000_000, "2300", "a number of images")),
    },
    "lungseg.data.sources.shenzhen_montgomery.cases": {"domains": HOSPITALS},
    "lungseg.data.sources.folder.cases": {
        "columns": or_null(ByName(Text(), "{patient: subject_number}", "the name of a column for each of ours")),
        "unknown_patients": Choice(("refuse", "image", "one"), "refuse"),
    },
    "lungseg.data.sources.covid19_radiography.cases": {"group": Choice(("auto", "image", "source"), "auto")},
    "lungseg.data.sources.classification.cases": {},
    "lungseg.data.sources.covid19_ct.cases": {},
    "lungseg.data.sources.mosmed.cases": {"studies": Choice(("masked", "all"), "masked")},
    "lungseg.data.sources.ct_slices.cases": {},
}
