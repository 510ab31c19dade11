"""Accuracy with K support frames, by rule: the tables and the plot of docs/results/few-shot.md.

    python -m mtclar.train.rendered test_people.npz --people 1000:1024 --pictures 60
    python -m mtclar.train.rendered.clip_set test_clips --people 1000:1024
    python -m mtclar.train.data.real_people PEOPLE people_crops.npz
    python -m experiments.few_shot.measure --real-people people_crops.npz --people test_people.npz --clips test_clips \
        --ferplus FERPLUS [--write]

Everybody here is new to the networks and to the constants (tools/fit/fit_fewshot.py): real and rendered people of the
test split and FER+ PrivateTest. For each person, K of their faces are drawn as support and others are predicted. Most
real people have few pictures: each K scores the people who have more than K, so its rows are of other people. `styled`
repeats that after every person's labels were given an offset and a gain of their own. FER+ knows no persons: its faces
are dealt into groups at random, a control in which support of other people must do no harm. `--write` puts the tables
into docs/results/few-shot.md and the plot beside it; without it they are printed.
"""

import argparse
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.few_shot.rules import RULES, Rule, values
from mtclar.engine import models
from mtclar.engine.backends.session import InferenceSession, open_session
from mtclar.engine.data_types import Encoded
from mtclar.engine.estimate.comparer import Comparer, Coverage, bundled_params, make_query
from mtclar.engine.estimate.encoder import Encoder
from mtclar.engine.estimate.metrics import Z_90, ccc, rmse
from tools.docs.figures import table
from tools.docs.generated import replace_section
from tools.fit.fewshot_people import People, Rows, clips, real, rendered, strangers

Array = NDArray[Any]

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "results" / "few-shot.md"
PLOT = ROOT / "docs" / "results" / "plots" / "few-shot.png"
KS = (1, 2, 3, 5, 10, 20)
DRAWS = 72  # of all people together, about
FEW_PICTURES_DRAWS = 6  # of each person, where most have few pictures
EVERY = 20  # frames of a clip to a label


def both(score: Callable[[Array, Array], float], predicted: Array, truth: Array, digits: int = 3) -> str:
    """A score of valence and of arousal."""
    return " / ".join(f"{score(predicted[:, i], truth[:, i]):.{digits}f}" for i in (0, 1))


def few_pictures(people: People) -> bool:
    """Whether most of these people have too few pictures to score all K on the same ones."""
    return float(np.median([len(rows) for rows in people.rows_of()])) < max(KS)


def draws_of(people: People) -> int:
    """Draws of each person."""
    return FEW_PICTURES_DRAWS if few_pictures(people) else max(1, DRAWS // len(people.rows_of()))


def drawn(people: People, k: int) -> Iterator[tuple[Rows, Rows]]:
    """Support [k] and queries of each person and draw; the same queries for every k where people have enough."""
    if few_pictures(people):
        return people.draws(k, k, draws_of(people) if k else 1, least=1)
    return people.draws(k, max(KS), draws_of(people) if k else 1)


def bold(text: str, name: str) -> str:
    return f"**{text}**" if name == "gp" else text


# --- single pictures ----------------------------------------------------------------------------------------------


def by_rule(
    people: People, k: int, pair: InferenceSession, rules: dict[str, Rule]
) -> dict[str, tuple[float, float]]:
    """RMSE of valence and arousal of each rule."""
    predicted: dict[str, list[Array]] = {name: [] for name in rules}
    truth = []
    for support_rows, query_rows in drawn(people, k):
        support, faces = people.support(support_rows), people.encoded(query_rows)
        for name, rule in rules.items():
            predicted[name].append(rule(pair, support, faces))
        truth.append(people.va[query_rows])
    labels = np.concatenate(truth)
    joined = {name: np.concatenate(parts) for name, parts in predicted.items()}
    return {
        name: (rmse(value[:, 0], labels[:, 0]), rmse(value[:, 1], labels[:, 1]))
        for name, value in joined.items()
    }


def figures_by_k(
    everyone: Sequence[People], pair: InferenceSession
) -> dict[str, dict[int, dict[str, tuple[float, float]]]]:
    found: dict[str, dict[int, dict[str, tuple[float, float]]]] = {}
    for people in everyone:
        found[people.name] = {k: by_rule(people, k, pair, dict(RULES)) for k in KS}
        print(f"{people.name}: done", flush=True)
    return found


def pictures_table(found: dict[str, dict[int, dict[str, tuple[float, float]]]]) -> str:
    rows = []
    for name, by_k in found.items():
        for k, by in by_k.items():
            cells = [bold(f"{v:.3f} / {a:.3f}", rule) for rule, (v, a) in by.items()]
            absolute, gp = by["absolute head"], by["gp"]
            gain = " / ".join(f"{100 * (g / a - 1):+.0f}" for g, a in zip(gp, absolute, strict=True))
            rows.append([name, str(k), *cells, f"{gain} %"])
    return table(["faces", "K", *RULES, "gp against absolute"], rows)


def plot(found: dict[str, dict[int, dict[str, tuple[float, float]]]], path: Path) -> None:
    """RMSE over K, a panel for each kind of faces and dimension."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    styles = {
        "absolute head": ("black", "--"),
        "nearest label": ("tab:gray", ":"),
        "GP on embeddings": ("tab:brown", "-."),
        "paper": ("tab:orange", "-"),
        "absolute + mean residual": ("tab:green", "-"),
        "absolute + shrunk residual": ("tab:purple", "-"),
        "gp": ("tab:blue", "-"),
    }
    figure, axes = pyplot.subplots(2, len(found), figsize=(3.4 * len(found), 6), sharex=True, squeeze=False)
    for column, (name, by_k) in enumerate(found.items()):
        for i, dimension in enumerate(("valence", "arousal")):
            panel = axes[i][column]
            for rule, (colour, line) in styles.items():
                errors = [by_k[k][rule][i] for k in KS]
                width = 2.4 if rule == "gp" else 1.2
                panel.plot(
                    KS, errors, line, color=colour, linewidth=width, label=rule, marker="o", markersize=3
                )
            panel.set_xscale("log")
            panel.set_xticks(KS, [str(k) for k in KS])
            panel.minorticks_off()
            top = 1.7 * by_k[KS[0]]["absolute head"][i]
            panel.set_ylim(0, top)
            panel.grid(alpha=0.3)
            if i == 0:
                panel.set_title(name)
            else:
                panel.set_xlabel("labelled faces, K")
            if column == 0:
                panel.set_ylabel(f"RMSE of {dimension}")
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncols=4, frameon=False)
    figure.tight_layout(rect=(0, 0.08, 1, 1))
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def interval_table(everyone: Sequence[People], pair: InferenceSession) -> str:
    """Share of labels within the 90 % interval, and what in_support separates."""
    rows = []
    for people in everyone:
        for k in (0, 1, 3, 5, 10, 20):
            error, sd, inside, alone = [], [], [], []
            for support_rows, query_rows in drawn(people, k):
                support = people.support(support_rows) if k else None
                estimates = Comparer(pair, support)(people.encoded(query_rows))
                error.append(values(estimates) - people.va[query_rows])
                alone.append(people.absolute[query_rows] - people.va[query_rows])
                sd += [(estimate.valence_sd, estimate.arousal_sd) for estimate in estimates]
                inside += [estimate.in_support for estimate in estimates]
            e, a, s, i = np.concatenate(error), np.concatenate(alone), np.array(sd), np.array(inside)
            covered = (np.abs(e) <= Z_90 * s).mean(0) * 100
            cells = [f"{covered[0]:.0f} / {covered[1]:.0f} %", f"{i.mean() * 100:.0f} %"]
            for group in (i, ~i):
                few = group.sum() < 50
                before, after = (np.sqrt((x[group] ** 2).mean(0)) if not few else x for x in (a, e))
                change = 100 * (after / before - 1) if not few else None
                cells.append("-" if change is None else f"{change[0]:+.0f} / {change[1]:+.0f} %")
            rows.append([people.name, str(k), *cells])
    head = ["faces", "K", "within the 90 % interval, V / A", "in support"]
    return table([*head, "RMSE against absolute, in support", "the same, outside"], rows)


def neutral_table(everyone: Sequence[People], pair: InferenceSession) -> str:
    """One neutral face as the only label; and without any label, what a person usually looks like as their neutral.

    The label, and what is usual, are of the first half of a person's faces (of a clip: its first half); the second
    half is scored.
    """
    rows = []
    for people in everyone:
        found: dict[str, list[Array]] = {}
        truth = []
        for own in people.rows_of():
            before, after = np.array_split(own, 2)
            neutral = before[np.hypot(*people.va[before].T) < 0.05]
            if not len(neutral) or not len(after):
                continue
            faces = people.encoded(after)
            typical, at_rest = (np.median(people.absolute[seen], axis=0) for seen in (before, neutral))
            for label in neutral[:: max(len(neutral) // draws_of(people), 1)]:
                support = people.support(np.array([label]))
                for name in ("absolute head", "paper", "gp"):
                    found.setdefault(name, []).append(RULES[name](pair, support, faces))
                for name, offset in (("all faces before", typical), ("neutral faces before", at_rest)):
                    found.setdefault(f"absolute - median of {name}", []).append(faces.absolute - offset)
                    found.setdefault(f"half of it, {name}", []).append(faces.absolute - 0.5 * offset)
                truth.append(people.va[after])
        if truth:
            labels = np.concatenate(truth)
            cells = [bold(both(rmse, np.concatenate(p), labels), name) for name, p in found.items()]
            rows.append([people.name, *cells])
    return table(["faces", *found], rows)


# --- clips --------------------------------------------------------------------------------------------------------


def clip_rules(film: People, pair: InferenceSession) -> Iterator[tuple[dict[str, Array], Array]]:
    """Predictions of each clip's unlabelled frames, by rule, and their labels."""
    assert film.frame is not None
    for rows in film.rows_of():
        labelled = rows[film.frame[rows] % EVERY == 0]
        asked = rows[film.frame[rows] % EVERY != 0]
        asked = asked[film.frame[asked] > film.frame[labelled[0]]]
        faces, support, labels = film.encoded(asked), film.support(labelled), film.va[labelled]
        last = np.searchsorted(film.frame[labelled], film.frame[asked]) - 1  # index of the latest label
        query = make_query(pair, faces, support)
        by = {
            name: RULES[name](pair, support, faces)
            for name in ("absolute head", "absolute + mean residual", "paper", "nearest label")
        }
        by["hold the last label"] = labels[last]
        by["last label + delta"] = np.clip(labels[last] + query.delta[np.arange(len(asked)), last], -1, 1)
        by["interpolation (not causal)"] = np.stack(
            [np.interp(film.frame[asked], film.frame[labelled], labels[:, i]) for i in (0, 1)], 1
        )
        causal = np.empty_like(by["absolute head"])
        for count in range(1, len(labelled) + 1):
            now = last == count - 1
            if now.any():
                comparer = Comparer(pair, film.support(labelled[:count]))
                causal[now] = values(comparer(film.encoded(asked[now])))
        by["gp, earlier labels only"] = causal
        estimates = Comparer(pair, support)(faces)
        by["gp"] = values(estimates)
        by["sd"] = np.array([(e.valence_sd, e.arousal_sd) for e in estimates])
        yield by, film.va[asked]


def clips_table(film: People, pair: InferenceSession) -> str:
    parts = list(clip_rules(film, pair))
    truth = np.concatenate([labels for _, labels in parts])
    rows = []
    joined = {name: np.concatenate([by[name] for by, _ in parts]) for name in parts[0][0]}
    sd = joined.pop("sd")
    for name, value in joined.items():
        rows.append([name, bold(both(ccc, value, truth), name), bold(both(rmse, value, truth), name)])
    covered = (np.abs(joined["gp"] - truth) <= Z_90 * sd).mean(0) * 100
    rows.append(["gp: within the 90 % interval", f"{covered[0]:.0f} / {covered[1]:.0f} %", ""])
    return table(["rule", "CCC, V / A", "RMSE, V / A"], rows)


def prompts_table(film: People, pair: InferenceSession, frames: int = 5, error_sd: float = 0.12) -> str:
    """Several frames of each prompt under one label that is a little wrong: counted as one label, or as several."""
    params = bundled_params()
    ways = {"one label a prompt": params, "every frame a label": replace(params, same_cosine=2.0)}
    rows = []
    for prompts in (4, 8):
        for name, chosen in ways.items():
            error, sd = [], []
            for number, own in enumerate(film.rows_of()):
                for draw in range(draws_of(film)):
                    rng = np.random.default_rng((number, draw))
                    starts = rng.choice(np.arange(0, len(own) - frames, 10), prompts, replace=False)
                    support = np.concatenate([own[start : start + frames] for start in starts])
                    middle = film.va[own[starts + frames // 2]]
                    said = np.repeat(middle + rng.normal(0, error_sd, middle.shape), frames, axis=0)
                    asked = np.setdiff1d(own, support)[::7]
                    comparer = Comparer(pair, film.support(support, said), params=chosen)
                    estimates = comparer(film.encoded(asked))
                    error.append(values(estimates) - film.va[asked])
                    sd += [(e.valence_sd, e.arousal_sd) for e in estimates]
            e = np.concatenate(error)
            covered = (np.abs(e) <= Z_90 * np.array(sd)).mean(0) * 100
            shown = both(rmse, e, np.zeros_like(e))
            rows.append([f"{prompts} x {frames}", name, shown, f"{covered[0]:.0f} / {covered[1]:.0f} %"])
    return table(["prompts x frames", "", "RMSE, V / A", "within the 90 % interval"], rows)


def coverage_table(film: People, people: People) -> str:
    """What the error gains at each level of coverage: from here the threshold of in_support."""
    params = bundled_params()
    rows = []
    with open_session(models.path("pair")) as pair:
        for where in (people, film):
            share, before, after = [], [], []
            for support_rows, query_rows in where.draws(10, 20, 2):
                asked = query_rows[:60]
                support, faces = where.support(support_rows), where.encoded(asked)
                share.append(Coverage(support, params)(make_query(pair, faces, support)))
                before.append(faces.absolute - where.va[asked])
                after.append(RULES["gp"](pair, support, faces) - where.va[asked])
            s, b, a = np.concatenate(share), np.concatenate(before), np.concatenate(after)
            edges = (0, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0)
            for low, high in itertools.pairwise(edges):
                here = (s >= low) & (s < high)
                if here.sum() > 50:
                    change = 100 * (np.sqrt((a[here] ** 2).mean(0) / (b[here] ** 2).mean(0)) - 1)
                    cells = [f"{low:g} to {high:g}", f"{here.mean() * 100:.0f} %"]
                    rows.append([where.name, *cells, f"{change[0]:+.0f} / {change[1]:+.0f} %"])
    return table(["faces, K = 10", "covered", "of the faces", "RMSE against absolute, V / A"], rows)


def cost_table(people: People, pair: InferenceSession) -> str:
    """Milliseconds to take a support set in, and for one face beside it."""
    rows = []
    one = Encoded(people.embeddings[:1], people.absolute[:1], np.zeros((1, 8), np.float32))
    for k in (1, 16, 64, 256):
        support = people.support(np.arange(k))
        started = time.perf_counter()
        comparer = Comparer(pair, support)
        made = time.perf_counter() - started
        times = []
        for _ in range(200):
            started = time.perf_counter()
            comparer(one)
            times.append(time.perf_counter() - started)
        rows.append([str(k), f"{1e3 * made:.0f}", f"{1e3 * float(np.median(times)):.2f}"])
    return table(["K", "once, ms", "a face, ms (pair graph included)"], rows)


def main() -> None:
    """Prints or writes the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--real-people", type=Path, required=True, help="crops of real people (test split)")
    parser.add_argument("--people", type=Path, required=True, help="pictures of rendered test people")
    parser.add_argument("--clips", type=Path, required=True, help="folder of clips of rendered test people")
    parser.add_argument("--ferplus", type=Path, required=True, help="FER+ folder (PrivateTest is used)")
    parser.add_argument(
        "--write",
        action="store_true",
        help="into docs/results/few-shot.md and docs/results/plots/few-shot.png",
    )
    options = parser.parse_args()
    with open_session(models.path("encoder")) as session, open_session(models.path("pair")) as pair:
        encoder = Encoder(session)
        photographed = real(options.real_people, "test", encoder)
        faces = rendered(options.people, encoder)
        others = strangers(options.ferplus, "PrivateTest", encoder)
        everyone = [kind for one in (photographed, faces, others) for kind in (one, one.styled(seed=2))]
        film = clips(options.clips)
        found = figures_by_k(everyone, pair)
        parts = [
            f"Encoder `{models.card('encoder').sha256[:12]}`; {len(photographed):,} press photos of "
            f"{len(photographed.rows_of())} real people,\n{len(faces):,} pictures of {len(faces.rows_of())} rendered "
            f"people, {len(others):,} FER+ photos, {len(film):,} frames of {len(film.rows_of())} clips.",
            "### Single pictures: RMSE, valence / arousal",
            pictures_table(found),
            "### The 90 % interval, and `in_support`",
            interval_table(everyone, pair),
            coverage_table(film, faces),
            "### One neutral face, and what was usual before without any label: RMSE",
            neutral_table([photographed, faces, others, film], pair),
            f"### Clips: frame 0 and every {EVERY}th labelled, the others scored",
            clips_table(film, pair),
            "### Several frames of one prompt",
            prompts_table(film, pair),
            "### Cost",
            cost_table(others, pair),
        ]
    text = "\n\n".join(part.strip() for part in parts)
    if options.write:
        replace_section(PAGE, "measured", text)
        plot(found, PLOT)
        print(f"wrote {PAGE} and {PLOT}")
    else:
        print(text)


if __name__ == "__main__":
    main()
