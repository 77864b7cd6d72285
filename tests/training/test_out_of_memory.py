"""Tests what is advised where memory does not suffice: keys that can still be made smaller."""

import pytest
import torch

from lungseg.core.config.command_line import train_config
from lungseg.core.errors import OutOfMemoryError
from lungseg.training.out_of_memory import told_out_of_memory

VOLUMES = ["data=covid19_ct", "data.root=x", "data.view=patches", "model=unet3d"]


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        (["data.batch_size=8"], "take data.batch_size=4 with trainer.accumulate_grad_batches=2, or a smaller "
         "data.size or model"),
        ([*VOLUMES, "data.batch_size=2"], "take data.batch_size=1 with trainer.accumulate_grad_batches=2, or a smaller "
         "data.patch or model"),
        ([*VOLUMES, "data.batch_size=1"], "with data.batch_size=1: take a smaller data.patch or model"),
    ],
)  # fmt: skip
def test_the_advice_names_what_the_net_sees_at_once(words, advice):
    data = train_config(words).data
    with (
        pytest.raises(OutOfMemoryError) as caught,
        told_out_of_memory(data.loader.batch_size, data.preprocessing.size_key),
    ):
        raise torch.OutOfMemoryError("CUDA out of memory")
    assert str(caught.value).endswith(advice)
    assert (caught.value.batch_size, caught.value.on_gpu) == (data.loader.batch_size, True)
