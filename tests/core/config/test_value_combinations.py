"""Values that are sound alone and not together: nets for volumes and the patches that they divide."""

import pytest

from lungseg.core.config.compose import compose, plain
from lungseg.core.config.validation import require_values
from lungseg.core.config.value_combinations import require_halvable
from lungseg.core.errors import UserError
from lungseg.models.unet3d import auto_strides, build

VOLUMES = ["data=covid19_ct", "data.root=x", "data.view=patches", "model=unet3d"]


def checked(*words):
    return require_values(plain(compose([*VOLUMES, *words])))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["model.depth=6"], "model.depth=6: data.patch=[32,96,96] can be halved 4 times (to 4 voxels or more); "
         "expected model.depth=4 or a patch with a side of 256"),
        (["data.patch=[7,9,11]", "model.depth=2"], "model.depth=2: data.patch=[7,9,11] can be halved not once (to 4 "
         "voxels or more); expected a patch with a side of 16"),
        (["data.patch=[5,20,24]", "model.depth=2", "model.strides=[[2,2,2],[1,4,4]]"],
         "model.strides=[[2,2,2],[1,4,4]]: data.patch=[5,20,24] is divided by [2,8,8] and must be a multiple of it, of "
         "more than one voxel; expected for example data.patch=[6,24,24]"),
        (["data.patch=[2,8,8]", "model.depth=2", "model.strides=[[2,2,2],[1,4,4]]"],
         "model.strides=[[2,2,2],[1,4,4]]: data.patch=[2,8,8] is divided by [2,8,8] and must be a multiple of it, of "
         "more than one voxel; expected for example data.patch=[2,16,16]"),
        (["model.width=1000"], "model.width=1000"),
        (["data.view=slices"], "model=unet3d: sees volumes; add data.view=patches"),
        (["model=unet"], "data.view=patches: model=unet sees pictures and slices; take model=unet3d"),
    ],
)  # fmt: skip
def test_a_patch_that_the_net_cannot_divide_is_one_line_that_says_what_would_fit(words, message):
    with pytest.raises(UserError) as caught:
        checked(*words)
    assert str(caught.value).startswith(message)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("patch", [(32, 96, 96), (4, 24, 24), (16, 64, 64), (8, 32, 40), (7, 9, 16)])
def test_what_is_allowed_is_halved_at_every_level_and_what_is_not_is_not(patch):
    allowed = []
    for depth in range(1, 8):
        try:
            require_halvable(patch, depth, "auto")
        except UserError:
            continue
        allowed.append(depth)
        strides = auto_strides(patch, (5.0, 1.0, 1.0), depth)
        assert all(max(step) == 2 for step in strides)
        require_halvable(patch, depth, strides)
        build(in_channels=1, regions=1, width=2, depth=depth, strides=[list(step) for step in strides])
    assert allowed == list(range(1, len(allowed) + 1))
    assert (1, 1, 1) in auto_strides(patch, (1.0, 1.0, 1.0), len(allowed) + 1)
