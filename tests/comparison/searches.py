"""Searches without a training: ``search.json`` as a search leaves it, from values that are made up."""

import json

import numpy as np

PARAMETERS = (
    {"name": "optim.lr", "log": True, "choices": None},
    {"name": "loss", "log": False, "choices": ["bce_dice", "dice", "tversky"]},
    {"name": "loss.alpha", "log": False, "choices": None},  # of tversky alone
    {"name": "model.width", "log": False, "choices": None},
    {"name": "pretrained", "log": False, "choices": [True, False, None]},
)
STATES = {7: "failed", 11: "running", 13: "waiting"}  # where there are so many trials


def search_of(count=40, objectives=1, more=0, seed=0, retrained=True):
    """``more``: further parameters; every third trial is pruned, some are in other states."""
    rng = np.random.default_rng(seed)
    parameters = [
        *map(dict, PARAMETERS),
        *({"name": f"more.parameter_{n}", "log": n % 2 == 0, "choices": None} for n in range(more)),
    ]
    names = [("val/dice", "maximize"), ("images/s", "maximize")][:objectives]
    trials = [_trial(number, rng, parameters, objectives) for number in range(count)]
    complete = [one for one in trials if one["state"] == "complete"]
    best = front_of(complete, [1] * objectives) if objectives > 1 else [max(complete, key=lambda one: one["values"])]
    shares = rng.dirichlet(np.ones(len(parameters) - 1) / 2)
    found, named = best[0]["values"][0], [one["name"] for one in parameters]
    return {
        "objectives": [{"name": name, "direction": direction} for name, direction in names],
        "parameters": parameters,
        "trials": trials,
        "importances": dict(zip((name for name in named if name != "loss.alpha"), shares, strict=True)),
        "best": [one["number"] for one in best],
        "retrained": {"of": best[0]["number"], "found": found, "values": [found - 0.03, found - 0.04, found - 0.02],
                      "test": [found - 0.05, found - 0.04, found - 0.06], "seeds": [1, 2, 3]} if retrained else None,
        "retrain": "lungseg sweep sweeps/search.yaml retrain=3",
    }  # fmt: skip


def _trial(number, rng, parameters, objectives):
    params = {}
    for one in parameters:
        if one["choices"]:
            params[one["name"]] = one["choices"][rng.integers(len(one["choices"]))]
        else:
            params[one["name"]] = float(10 ** rng.uniform(-5, -1)) if one["log"] else float(rng.uniform())
    params["model.width"] = int(rng.integers(8, 65))
    if params["loss"] != "tversky":
        del params["loss.alpha"]
    value = (
        0.8 - 0.06 * abs(np.log10(params["optim.lr"]) + 3) - 0.04 * (params["loss"] == "dice") + rng.normal(0, 0.015)
    )
    state = STATES.get(number) or ("pruned" if objectives == 1 and number % 3 == 2 else "complete")
    epochs = {"complete": 12, "pruned": 3 + number % 4, "running": 5}.get(state, 0)
    curve = [[epoch, float(value * (1 - np.exp(-epoch / 3)) + rng.normal(0, 0.004))] for epoch in range(1, epochs + 1)]
    values = [float(value), float(400 - 4 * params["model.width"] + rng.normal(0, 20))][:objectives]
    return {
        "number": number, "name": f"trial-{number:04d}", "state": state, "where": f"studies/search/trial-{number:04d}",
        "values": values if state == "complete" else None, "params": {} if state == "waiting" else params,
        "seconds": 31.2 + number if state == "complete" else None, "curve": curve if objectives == 1 else [],
    }  # fmt: skip


def front_of(complete, signs):
    """One by one, as the definition has it."""

    def beats(one, other):
        pairs = [(a * sign, b * sign) for a, b, sign in zip(one["values"], other["values"], signs, strict=True)]
        return all(a >= b for a, b in pairs) and any(a > b for a, b in pairs)

    return [one for one in complete if not any(beats(other, one) for other in complete)]


def write_search(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path
