from types import SimpleNamespace

import numpy as np
import pytest

from lungseg.comparison.score_type import kinds


@pytest.mark.parametrize(
    ("asked", "shown"), [(("1", "2", "4"), "2"), (("10", "0.5"), "0.5"), (("8",), "8"), (("2", "1"), "2")]
)
def test_one_surface_dice_stands_on_the_leaderboard_whatever_was_asked_for(asked, shown):
    names = ["dice", *(f"nsd_{one}" for one in asked)]
    table = SimpleNamespace(regions=["lung"], summary={"unit": "mm", "tolerances": [float(one) for one in asked]})
    found = kinds(SimpleNamespace(table=table, scores={f"lung/{name}": np.ones((3, 2)) for name in names}))
    assert len(found) == len(names)
    assert [kind.name for kind in found if kind.board] == ["Dice", f"Surface Dice at {shown} mm"]
