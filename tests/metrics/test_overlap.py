import warnings

import numpy as np
import pytest
import torch
from sklearn import metrics as reference

from lungseg.metrics import overlap
from lungseg.tasks.segmentation.case_table import count
from lungseg.tasks.segmentation.running_overlap import CaseOverlap, confusion
from tests.helpers import WARM

PAIRS = {
    "dice": reference.f1_score,
    "iou": reference.jaccard_score,
    "precision": reference.precision_score,
    "recall": reference.recall_score,
    "specificity": lambda y, p, **_: reference.recall_score(y, p, pos_label=0),
}


def masks(number=300, seed=0, shape=(17, 13)):
    """Random masks of every density, then the edges: empty, full, one pixel, against one another."""
    generator = np.random.default_rng(seed)
    one = np.zeros(shape, bool)
    one[3, 4] = True
    edges = [np.zeros(shape, bool), np.ones(shape, bool), one, ~one]
    pairs = [(a, b) for a in edges for b in edges]
    for _ in range(number):
        truth = generator.random(shape) < generator.random()
        pairs.append((truth ^ (generator.random(shape) < generator.random()), truth))
    return np.array([p for p, _ in pairs]), np.array([t for _, t in pairs])


@pytest.fixture(scope="module")
def counted():
    predicted, truth = masks()
    return predicted, truth, confusion(torch.from_numpy(predicted)[:, None], torch.from_numpy(truth)[:, None]).numpy()


def test_counts_are_those_of_scikit_learn_both_ways_of_counting(counted):
    predicted, truth, counts = counted
    for p, t, (tp, fp, fn, tn) in zip(predicted, truth, counts[:, 0], strict=True):
        expected = reference.confusion_matrix(t.ravel(), p.ravel(), labels=[0, 1])
        assert [[tn, fp], [fn, tp]] == expected.tolist()
        assert count(p[None], t[None]).tolist() == [[tp, fp, fn, tn]]


@pytest.mark.parametrize("name", PAIRS)
def test_scores_are_those_of_scikit_learn_where_there_is_a_reference(counted, name):
    predicted, truth, counts = counted
    scores = getattr(overlap, name)(counts[:, 0])
    for p, t, score in zip(predicted, truth, scores, strict=True):
        undefined = t.all() if name == "specificity" else not t.any()
        assert np.isnan(score) == undefined
        if not undefined:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                expected = PAIRS[name](t.ravel(), p.ravel(), **({} if name == "specificity" else {"zero_division": 0}))
            assert score == pytest.approx(expected, abs=1e-12)


def test_cases_without_reference_are_counted_apart_and_never_scored():
    empty_silent, empty_invented, perfect = [0, 0, 0, 100], [0, 5, 0, 95], [10, 0, 0, 90]
    counts = np.array([[empty_silent], [empty_invented], [perfect], [perfect]])
    summary = overlap.summarise(counts, ["lung"], ["a", "b", "c", "d"])["lung"]
    assert summary["dice"] == 1.0
    assert (summary["n_cases"], summary["n_reference"], summary["n_empty"]) == (4, 2, 2)
    assert summary["false_alarm_rate"] == 0.5
    assert summary["false_alarm_area"] == pytest.approx(0.025)
    assert summary["pooled_dice"] == pytest.approx(40 / 45)
    nothing = overlap.summarise(counts[:2], ["lung"], ["a", "b"])["lung"]
    assert np.isnan(nothing["dice"])
    assert np.isnan(nothing["dice_low"])


def test_dice_is_not_accuracy():
    """A model that says background everywhere is right on 99% of the pixels and finds nothing."""
    assert overlap.dice(np.array([0, 0, 100, 9900])) == 0


def fill(indices, size=7):
    predicted, truth = masks(60)
    predicted, truth = (torch.from_numpy(x).view(-1, 2, *x.shape[1:]) for x in (predicted, truth))
    metric = CaseOverlap(["lung", "infection"])
    for start in range(0, len(indices), size):
        chosen = torch.tensor(indices[start : start + size])
        metric.update(predicted[chosen], truth[chosen], chosen, chosen / 3)
    return metric


def test_batches_order_and_repeats_change_no_bit():
    everything = list(range(38))
    expected = {name: value.item() for name, value in fill(everything).compute().items()}
    shuffled = np.random.default_rng(1).permutation(everything).tolist()
    for metric in (fill(everything, 1), fill(everything, 38), fill(shuffled, 5), fill([*everything, 3, 3, 9], 4)):
        found = {name: value.item() for name, value in metric.compute().items()}
        np.testing.assert_equal(found, expected)
    assert expected["loss"] == pytest.approx(np.arange(38).mean() / 3)
    assert expected["dice"] == (expected["lung/dice"] + expected["infection/dice"]) / 2


def _rank(rank, ranks, port, shares, queue):
    import os

    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "GLOO_SOCKET_IFNAME": "lo"}
    torch.distributed.init_process_group("gloo", rank=rank, world_size=ranks)
    values = fill(shares[rank]).compute()
    queue.put({name: value.item() for name, value in values.items()})
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()


def test_two_ranks_with_uneven_shares_equal_one_to_the_bit():
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    queue = WARM.Queue()
    shares = [[*range(0, 38, 2), 37], list(range(1, 36, 2))]
    workers = [WARM.Process(target=_rank, args=(rank, 2, port, shares, queue)) for rank in (0, 1)]
    for worker in workers:
        worker.start()
    found = [queue.get(timeout=100) for _ in workers]
    for worker in workers:
        worker.join(timeout=30)
    expected = {name: value.item() for name, value in fill(list(range(38))).compute().items()}
    np.testing.assert_equal(found, [expected, expected])
