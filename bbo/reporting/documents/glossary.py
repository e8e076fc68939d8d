"""The terms of tables and pages, explained once: for tooltips of column heads, a page's glossary, and docs/glossary.md."""

from __future__ import annotations

from bbo.reporting.board.scores import CHANCE, UNCHANGED
from bbo.reporting.board.statistics import FEWEST_SEEDS

#: In alphabetical order.
WORDS = {
    "above chance": f"(score - chance) / (1 - chance), where chance is the mean score of `{CHANCE}` at the same percentile and budget: "
    "0 is the level of random designs, 1 the normaliser y_max, and a negative number is worse than random. A task on which every seed "
    "failed counts with its lowest score. In a table of several tasks, its mean over them.",
    "above chance, families": "Score above chance: its mean over the tasks of each family, then the mean of these, so that each family counts "
    "once. It is over the tasks that are shown.",
    f"against {CHANCE}": f"Better or worse than `{CHANCE}` on this task, or not significantly different from it, by Welch's t test at 95%; "
    f"too few seeds with fewer than {FEWEST_SEEDS} on a side.",
    f"beats {CHANCE}": f"Probability that a run of the method scores higher than a run of `{CHANCE}` on the same task, ties counted half; "
    "mean over tasks.",
    "budget": "The number of designs a method must return, 128 by default. They are all scored, once, at the end.",
    "cell": "One run of one method on one task with one seed. Results are stored, resumed and counted by cells. A hash names each; `bbo rerun` "
    "finds it by that.",
    "design": "What a method proposes: a sequence of letters, a set of choices, or a vector of numbers.",
    "difference": "B - A, or ours - published, of the mean normalised score.",
    "diversity": "Mean distance between two of the designs, from 0 (all the same) to 1: the share of positions that differ, or in a box "
    "the root mean square of the coordinate differences as shares of their ranges.",
    "duplicates": "Share of the designs that repeat another of the same run.",
    "family": "Tasks of one sort: sequences, materials, architectures, robots, synthetic functions, or those with a learned oracle. A value "
    "of a family is the mean over the tasks of it that give a number; over all families each counts once.",
    "floor": f"What you get with no method: `{CHANCE}` (uniform designs) and `{UNCHANGED}` (the best visible designs, unchanged).",
    "group": "Methods that share a letter are not significantly different across the tasks of the board: Friedman's test, then Nemenyi's "
    "or Holm's, over the methods that were run on every task.",
    "hidden": "What a task knows and a method does not see: the better designs of its table, or everything beyond the visible one.",
    "interquartile mean": "Mean of the middle half of all runs of all tasks together, each task counting once, with its interval.",
    "interval": "Where the true value lies with 95% confidence if other seeds are drawn. Of differences of means: Student's t over pairs of "
    "equal seeds, else Welch's; over several tasks with Satterthwaite's degrees of freedom. All other intervals are bootstraps over seeds, "
    f"widened by the factor that Student's t requires for a mean. There is none where a task has fewer than {FEWEST_SEEDS} seeds.",
    "kind": "What a method is: `floor`; `surrogate`, which uses the gradients or the posterior of a learned model of scores; `search`, which "
    "only evaluates such a model or has none; `generative`, a model that makes designs; `trajectory`, a sequence model over trajectories. In "
    "the facts of a task, whether its designs are sequences or points of a box.",
    "mean": "Mean over tasks of the mean over seeds.",
    "mean rank": "On each task methods are ranked by their mean score (1 is the best, ties share a rank, failed methods are last); then the "
    "mean over the tasks the method was run on. A filter of methods does not change the ranks on a task: they are among all of the board.",
    "median": "Median over tasks of the mean over seeds.",
    "method": "What proposes designs; in brackets, what was changed from its preset and what else tells it from other rows.",
    "nearest offline": "Mean distance from a design to the nearest one of the visible table; 0 means that it only repeats known designs.",
    "normalised score": "(y - y_min) / (y_max - y_min) with normalisers that belong to the task and never change; not clipped, so it can lie "
    "outside 0 to 1. Larger is better, always.",
    "not applicable": "The method does not fit the task (for example, it needs sequences and the task is a box). Shown as \N{EN DASH}; "
    "neither a failure nor a gap, and not counted in ranks and means.",
    "novel": "Share of the designs that are not in the visible table.",
    "oracle": "What computes true scores: a complete table of measurements or a formula (exact), or a model fitted to data (learned).",
    "ours": "Mean and standard deviation over our seeds, and in brackets how many there are.",
    "peak memory (MB)": "Most memory the method's process held, in megabytes.",
    "percentile": "Of the 128 scores of a run, the 100th percentile is the best, the 50th the median, the 80th in between.",
    "preset": "A named set of a method's settings: `paper` (as published), `fast`, `smoke`. Settings changed from it are shown in the row's "
    "name.",
    "privileged": "Knowledge beyond the visible table that a method asked for, such as the task's largest score. It is marked.",
    "published": "The score that the source prints, and whether it agrees with ours, differs, or is not comparable and why.",
    "rank": "Place among the methods run on this task, 1 the best; ties share a place.",
    "saturated": "A task on which random designs come near the top, so that the 100th percentile hardly distinguishes methods. Compare "
    "the 50th.",
    "seed": "The number that determines all randomness of a run. A task's visible table does not depend on it.",
    "seeds": f"How many seeds were run, those that failed included. With fewer than {FEWEST_SEEDS} that are done no statement is made about "
    f"which methods are like `{CHANCE}`.",
    "std over seeds": "Mean over tasks of the standard deviation (ddof 0) over seeds.",
    "task": "A design space, a visible table of designs and scores, and an oracle that scores new designs.",
    "tasks": "On how many of the board's tasks the method was run, or, beside the cost, has a done seed. Ranks and means are over these.",
    "too few seeds": f"Fewer than {FEWEST_SEEDS} seeds on a side: no interval is given and nothing is said about which is better.",
    "variant": "One of several data sets of a task, written `task:variant`.",
    "verdict": "better or worse: beyond noise and large enough to matter; negligible: smaller than that; within noise: the interval "
    "contains 0; identical: every seed has the same score; failed: every seed of a side failed; only in A, only in B: the other was not run.",
    "verdict, published": "agree: by Welch's t test at 95% the means are not significantly different, or they are the same to the printed "
    "digits; differ: they are; not comparable: something but the method differs.",
    "visible": "The table of designs and scores that a method is given; it sees nothing else.",
    "wall time (s)": "Seconds from a method's start to its designs; those of failed cells are not counted.",
    "why": "What keeps a published score and ours from being compared: another oracle, subset, budget or settings, or too few seeds.",
    "wins": "Share of the other methods on a task that a method beats by its mean score, ties counted half; mean over tasks.",
    "wins of B": "Tasks on which B is better than A: the 95% interval of the difference lies above 0, and it is large enough to matter. "
    "Losses of B are the opposite.",
    "year": "When the method was published.",
}

#: Signs and styles of tables and of the page's map.
MARKS = {
    "\N{ALMOST EQUAL TO}": f"Not significantly different from `{CHANCE}` on this task at 95%, by Welch's t test over seeds.",
    "\N{EN DASH}": "Not applicable: the method does not fit the task. A note says why.",
    "·": "Not run, or there is no such number.",
    "\N{MULTIPLICATION SIGN}": "Every seed failed.",
    "P": "The method used privileged knowledge: something that the visible data do not hold.",
    "bold": "The best of its column among those that are printed alike; none at the 100th percentile of a saturated task.",
    "underlined": "The second of its column.",
    "grey italics": f"Not significantly different from `{CHANCE}` at 95%; in a table of LaTeX grey alone.",
    "red": "Some or all seeds failed; `failed 1/4` says how many of how many.",
    "a, b, .. or 1, 2, ..": "A note below the tables.",
    "(2/3)": f"The value is over two of the three tasks; the third gives none: the method was not run there, or `{CHANCE}` was not, or is at 1.",
    "\N{BLACK UP-POINTING TRIANGLE} \N{BLACK DOWN-POINTING TRIANGLE}": "The column by which the rows are sorted: smallest or largest first.",
}


def explain(head: str, table: str = "") -> str:
    """The explanation of a column's head, ignoring a percentile at its end; empty for a head that is a name.

    `table` is the sort of table, such as "published", where a word may mean something of its own.
    """
    names = (f"{head}, {table}", head.partition(" (")[0], head.partition(" [")[0], head)
    return next((WORDS[name] for name in names if name in WORDS), "").replace("`", "")


def markdown() -> str:
    """docs/glossary.md."""
    lines = [f"- **{word}**: {text}" for word, text in WORDS.items()]
    signs = [f"- {mark}: {text}" for mark, text in MARKS.items()]
    parts = ("# Glossary", "The terms of tables, figures and pages.", "\n".join(lines), "## Marks", "\n".join(signs))
    return "\n\n".join(parts) + "\n"
