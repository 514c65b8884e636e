# SPDX-License-Identifier: Apache-2.0
"""What is tried: the two lists, and what is varied of a good run."""
MSE, KL1, KL2, KL4, CE = {"mse": 1}, {"kl1": 1}, {"kl2": 1}, {"kl4": 1}, {"ce": 1}


def base(task, **more):
    config = {"task": task, "opt": "adam", "lr": 1e-3, "batch": 128, "loss": MSE, "teacher": "t20", "aug": "s4"}
    config.update(more)
    return config


def first_list():
    """Main effects, the most telling first, tasks in turns."""
    p80 = [base("p80", **c) for c in (
        {}, {"lr": 3e-3}, {"teacher": "t20v"}, {"teacher": "both"}, {"teacher": "bothv", "lr": 2e-3},
        {"loss": KL2, "lr": 2e-3}, {"loss": KL4, "lr": 2e-3}, {"feat": 1, "lr": 2e-3},
        {"regrow": 0.3, "lr": 2e-3}, {"opt": "relative", "lr": 0.01}, {"opt": "relative", "lr": 0.03},
        {"opt": "sgd", "lr": 0.02}, {"ema": 0.998, "lr": 3e-3}, {"batch": 64, "lr": 1e-3}, {"batch": 256, "lr": 4e-3},
        {"aug": "s2", "lr": 2e-3}, {"aug": "s4c8", "lr": 2e-3}, {"teacher": "t56v", "loss": KL2, "lr": 2e-3},
        {"teacher": "bothv", "loss": KL2, "regrow": 0.3, "lr": 2e-3}, {"lr": 6e-3}, {"feat": 3, "lr": 3e-3},
        {"clip": 1.0, "opt": "sgd", "lr": 0.05}, {"opt": "adamw", "wd": 0.02, "lr": 3e-3})]
    quant = {"opt": "relative", "lr": 3e-3}
    q3 = [base("q3", **{**quant, **c}) for c in (
        {}, {"lr": 1e-3}, {"lr": 0.01}, {"opt": "adam", "lr": 3e-4}, {"opt": "adam", "lr": 1e-3},
        {"latent": "float"}, {"latent": "float", "lr": 1e-3}, {"steps": False}, {"steps": False, "lr": 0.01},
        {"teacher": "t20v"}, {"teacher": "bothv"}, {"loss": KL2}, {"feat": 1}, {"ema": 0.998},
        {"batch": 256, "lr": 0.006}, {"batch": 64, "lr": 2e-3}, {"opt": "sgd", "lr": 3e-3},
        {"teacher": "bothv", "loss": KL2, "latent": "float"}, {"loss": KL4, "latent": "float"})]
    c2 = [base("c2", **{**quant, **c}) for c in (
        {"indices": True}, {"indices": True, "lr": 1e-3}, {"indices": True, "lr": 0.01}, {}, {"lr": 0.01},
        {"opt": "adam", "lr": 1e-3, "indices": True}, {"opt": "adam", "lr": 3e-4, "indices": True},
        {"indices": True, "teacher": "bothv"}, {"indices": True, "teacher": "t20v"}, {"indices": True, "loss": KL2},
        {"indices": True, "ema": 0.998}, {"indices": True, "feat": 1}, {"opt": "adam", "lr": 3e-3},
        {"indices": True, "teacher": "bothv", "loss": KL2}, {"indices": True, "batch": 256, "lr": 6e-3})]
    rated = {"opt": "relative", "lr": 4e-3, "free": 1.2, "price": 20.0}
    rate = [base("rate", **{**rated, **c}) for c in (
        {}, {"price": 5.0}, {"price": 80.0}, {"lr": 0.01}, {"lr": 1.5e-3}, {"latent": "float"},
        {"teacher": "bothv"}, {"latent": "float", "lr": 0.01}, {"loss": KL2}, {"feat": 1},
        {"teacher": "bothv", "loss": KL2, "latent": "float"}, {"opt": "adam", "lr": 1e-3}, {"ema": 0.998})]
    n56 = [base("n56", **c) for c in (
        {"teacher": "t56", "opt": "relative", "lr": 5e-3}, {"teacher": "t56v", "lr": 3e-4},
        {"teacher": "t56", "opt": "relative", "lr": 0.02}, {"teacher": "t56v", "lr": 1e-3},
        {"teacher": "t56v", "opt": "relative", "lr": 0.01, "loss": KL2})]
    s20 = [base("s20", **c) for c in (
        {"teacher": "t56", "lr": 1e-3}, {"teacher": "t56v", "loss": KL2, "lr": 1e-3},
        {"teacher": "bothv", "loss": MSE, "lr": 1e-3}, {"teacher": "t56v", "loss": KL4, "lr": 3e-3},
        {"teacher": "t56v", "loss": {"kl2": 1, "ce": 0.3}, "lr": 1e-3})]
    half = []
    for seed in range(3):
        for c in ({"loss": CE, "lr": 1e-3}, {"loss": {"kl4": 1, "ce": 0.1}, "lr": 1e-3}, {"lr": 1e-3},
                  {"loss": CE, "lr": 3e-3}, {"loss": {"kl4": 1, "ce": 0.1}, "lr": 3e-3},
                  {"teacher": "bothv", "loss": KL4, "lr": 3e-3}):
            half.append(base("half", **{**c, "seed": seed}))
    lists = [p80, p80, q3, c2, rate, s20, half, n56]
    lists = [list(x) if i != 1 else None for i, x in enumerate(lists)]
    lists[1] = lists[0]  # the first task has two turns
    out = []
    while any(lists):
        for x in lists:
            if x:
                out.append(x.pop(0))
    return out


def second_list():
    """What the first search left open: zeros that move, other teachers for few bits."""
    rel = {"opt": "relative", "lr": 0.01, "teacher": "t20v"}

    def gradual(by, begin, until, **more):
        return base("p80", **{**rel, "prune": {"by": by, "from": begin, "until": until}, **more})

    p80 = [
        gradual("obd", 0.0, 0.6), gradual("shares", 0.0, 0.6), gradual("obd", 0.0, 0.6, teacher="bothv"),
        gradual("obd", 0.0, 0.6, latent_zeros=True), gradual("obd", 0.5, 0.6), gradual("layer", 0.0, 0.6),
        gradual("obd", 0.0, 0.6, teacher="t20"), gradual("obd", 0.0, 0.6, opt="adam", lr=2e-3),
        gradual("obd", 0.7, 0.6), gradual("obd", 0.0, 0.6, lr=0.03), gradual("shares", 0.0, 0.6, latent_zeros=True),
        gradual("obd", 0.0, 0.6, teacher="bothv", loss=KL2), gradual("obd", 0.0, 0.8, teacher="bothv"),
        base("p80", **rel), base("p80", **rel, regrow=0.3), gradual("obd", 0.0, 0.4),
        gradual("shares", 0.5, 0.6), gradual("obd", 0.0, 0.6, latent_zeros=True, teacher="bothv", lr=0.02),
        gradual("obd", 0.5, 0.6, teacher="bothv", loss=KL2), gradual("obd", 0.0, 0.6, teacher="bothv", lr=0.02),
        gradual("obd", 0.0, 0.7, opt="adam", lr=1e-3, teacher="bothv"), base("p80", **{**rel, "teacher": "bothv"}),
        gradual("shares", 0.0, 0.6, teacher="bothv"), base("p80", **{**rel, "regrow": 0.1}),
        gradual("obd", 0.0, 0.6, latent_zeros=True, teacher="bothv", loss=KL2)]
    few = {"opt": "relative", "lr": 3e-3, "teacher": "t20v", "indices": True}
    c2 = [base("c2", **{**few, **c}) for c in (
        {"loss": KL2}, {"lr": 1e-3}, {"lr": 0.01, "loss": KL2}, {"loss": KL2, "teacher": "bothv"}, {"loss": KL4},
        {"loss": KL2, "lr": 1e-3}, {"opt": "adam", "lr": 3e-4}, {"loss": KL2, "lr": 6e-3})]
    rated = {"opt": "relative", "lr": 4e-3, "free": 1.2, "price": 20.0, "teacher": "t20v"}
    rate = [base("rate", **{**rated, **c}) for c in (
        {"loss": KL2}, {"loss": KL4}, {"loss": KL2, "lr": 0.008}, {"loss": KL4, "teacher": "t20"},
        {"loss": KL2, "teacher": "bothv"}, {"loss": KL2, "lr": 2e-3})]
    n56 = [base("n56", **c) for c in (
        {"teacher": "t56v", "opt": "relative", "lr": 0.02}, {"teacher": "t56v", "opt": "relative", "lr": 0.05},
        {"teacher": "t56", "opt": "relative", "lr": 0.05})]
    out = []
    while p80 or c2 or rate or n56:
        out += p80[:6] + c2[:2] + rate[:2] + n56[:1]
        p80, c2, rate, n56 = p80[6:], c2[2:], rate[2:], n56[1:]
    return out


def mutated(config, rng):
    """One or two choices of a good run changed."""
    c = dict(config)
    for _ in range(rng.choice((1, 1, 2))):
        what = rng.choice(("lr", "lr", "teacher", "loss", "aug", "batch", "ema", "feat", "own", "seed"))
        if what == "lr":
            c["lr"] = c["lr"] * rng.choice((0.4, 0.6, 1.6, 2.5))
        elif what == "teacher":
            c["teacher"] = rng.choice(("t56", "t56v") if c["task"] == "n56" else
                                      ("t20v", "bothv", "t56v", "both", "t20"))
        elif what == "loss":
            c["loss"] = rng.choice((MSE, KL1, KL2, KL4))
        elif what == "aug":
            c["aug"] = rng.choice(("s2", "s4", "s4c8"))
        elif what == "batch":
            c["batch"] = rng.choice((64, 128, 256))
        elif what == "ema":
            c["ema"] = rng.choice((0, 0.99, 0.998))
        elif what == "feat":
            c["feat"] = rng.choice((0, 0.3, 1, 3)) if c["task"] != "half" else 0
        elif what == "seed":
            c["seed"] = c.get("seed", 0) + 1
        elif c.get("prune"):
            c["prune"] = dict(c["prune"], until=rng.choice((0.4, 0.6, 0.8)), **{"from": rng.choice((0.0, 0.4, 0.6))})
        elif c["task"] == "p80":
            c["regrow"] = rng.choice((0, 0.1, 0.3, 0.5))
        elif c["task"] in ("q3", "rate"):
            c["latent"] = rng.choice(("float", ""))
            c["steps"] = rng.choice((True, True, False))
        elif c["task"] == "c2":
            c["indices"] = rng.choice((True, True, False))
    return c


def words(config):
    loss = "+".join(n if s == 1 else f"{s}{n}" for n, s in config["loss"].items())
    text = f"{config['opt']} {config['lr']:.2g} b{config['batch']} {loss} {config['teacher']} {config['aug']}"
    for key in ("feat", "ema", "wd", "clip", "regrow", "price", "indices", "latent", "sched", "seed"):
        if config.get(key):
            text += f" {key}" + ("" if config[key] is True else f"={config[key]}")
    if config.get("prune"):
        p = config["prune"]
        text += f" prune={p['by']},{p['from']:.0%},until={p['until']}" + (" latent-zeros" * bool(config.get("latent_zeros")))
    return text + (" keep-steps" if config.get("steps") is False else "")
