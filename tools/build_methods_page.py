"""Write docs/methods.md from the catalogue: what every method is, its presets, settings and published scores.

python tools/build_methods_page.py
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bbo import catalogue
from bbo.catalogue import LoadedMethod
from bbo.leaderboard.documents.published import Published, scores
from bbo.settings import Setting, declared
from bbo.surrogates.sharpness import PUBLISHED
from bbo.surrogates.training import TrainingSettings

#: Settings that many methods inherit; shown once.
SHARED = declared(TrainingSettings, "")
OUT = Path(__file__).parents[1] / "docs" / "methods.md"
HEADER = f"""# Methods

Made by `python tools/build_methods_page.py` from the methods' own declarations. `bbo show METHOD` prints the same, and the full text with
every deviation from paper and authors' code. A setting is changed by `--set METHOD.SETTING=VALUE`. Where a method is composable,
`METHOD+NAME` trains its surrogate with a sharpness regularizer: {", ".join(PUBLISHED)}.

Published scores are normalized means at the 100th percentile, as their sources print them, on tasks of this catalogue; their tables, oracles and
budgets may differ from ours, and `bbo report --published` says where.

"""


def main() -> None:
    OUT.write_text(page(), encoding="utf-8")


def page() -> str:
    """The whole page."""
    methods = [catalogue.load_method(card.spec.id) for card in catalogue.cards() if not card.unavailable]
    index = ["| method | kind | paper | spaces |", "|---|---|---|---|"]
    index += [f"| [{m.id}](#{m.id}) | {m.spec.kind} | {m.spec.paper} | {', '.join(m.spec.spaces)} |" for m in methods]
    training = [
        "",
        "## Surrogate training",
        "",
        "Settings of every method that trains its surrogate by `bbo.surrogates.training`.",
        "",
    ]
    lines = [*index, *training, *table(list(SHARED.values()))]
    return HEADER + "\n".join(lines) + "\n" + "".join(map(section, methods))


def section(method: LoadedMethod) -> str:
    """One method."""
    spec = method.spec
    facts = {
        "kind": spec.kind,
        "paper": " ".join(filter(None, (spec.paper, f"({spec.year})" if spec.year else ""))),
        "code": spec.code,
        "spaces": ", ".join(spec.spaces),
        "needs": ", ".join(spec.requires),
        "privileged": ", ".join(spec.privileged),
        "composable": "yes" if spec.composable else "",
    }
    named = method.summary if method.summary.startswith(spec.title) else f"{spec.title}: {method.summary}"
    lines = ["", f"## {method.id}", "", named, ""]
    lines += [f"- {name}: {value}" for name, value in facts.items() if value]
    presets = {name: changes for name, changes in method.presets().items() if changes}
    if presets:
        lines += ["", *(f"- preset `{name}`: {changed(changes)}" for name, changes in presets.items())]
    own = [one for name, one in method.settings().items() if name not in SHARED]
    if own:
        lines += ["", *table(own)]
    if len(own) < len(method.settings()):
        others = {name: method.settings()[name].default for name, one in SHARED.items() if default_differs(method, one)}
        lines += ["", "And those of [surrogate training](#surrogate-training)" + (f", with {changed(others)}." if others else ".")]
    if found := best_known(method.id):
        lines += ["", "Published: " + "; ".join(found) + "."]
    return "\n".join(lines) + "\n"


def default_differs(method: LoadedMethod, shared: Setting) -> bool:
    return shared.name in method.settings() and method.settings()[shared.name].default != shared.default


def table(settings: list[Setting]) -> list[str]:
    return ["| setting | default | allowed | |", "|---|---|---|---|", *map(row, settings)]


def row(one: Setting) -> str:
    words = f"{one.words} ({one.unit})" if one.unit else one.words
    return f"| `{one.name}` | {shown(one.default)} | {one.allowed()} | {words.replace('|', chr(92) + '|')} |"


def changed(settings: dict[str, Any]) -> str:
    return ", ".join(f"`{name}` {shown(value)}" for name, value in settings.items())


def shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def best_known(method: str) -> list[str]:
    """Published scores of a method on our tasks, one text a task."""
    by_task: dict[str, list[Published]] = {}
    for score in scores():
        if score.method == method and score.percentile == 100 and score.task in catalogue.task_ids():
            by_task.setdefault(score.task, []).append(score)
    return [f"{task} {', '.join(dict.fromkeys(map(figure, found)))}" for task, found in sorted(by_task.items())]


def figure(score: Published) -> str:
    spread = "" if score.std is None else f" ± {score.std:.3f}"
    return f"{score.mean:.3f}{spread} ({score.source.partition(',')[0]})"


if __name__ == "__main__":
    main()
