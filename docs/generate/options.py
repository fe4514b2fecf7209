"""Tables of options, methods, defaults and engines, read from the code. Markdown, a row for each option."""

from pydantic.fields import FieldInfo

from baselines.registry import METHODS
from docs.generate.code import escaped
from suite.agents import AGENTS, agents_for
from sweeps import sources
from sweeps.config import describe, groups, method_options
from sweeps.engines.registry import ENGINES

COLUMNS = {name: sources.EXAMPLES[name.lower()] for name in ("Atari", "MinAtar", "classic", "MuJoCo", "offline")}


def option_tables() -> str:
    """Return a table for each group of options, with a column of defaults for each family, and for each other agent."""
    by_family = {family: groups(example) for family, example in COLUMNS.items()}
    names = dict.fromkeys(group for parts in by_family.values() for group in parts)
    tables = [
        f"## {group}\n\n"
        + table(f"{group}.", {f: parts[group].model_fields for f, parts in by_family.items() if group in parts})
        for group in names
    ]
    shown = {agents_for(example)[0] for example in COLUMNS.values()}
    others = {name: agent for name, agent in AGENTS.items() if name not in shown}
    tables += [
        f"## agent: {name}\n\n" + table("agent.", {"default": agent.options.model_fields})
        for name, agent in others.items()
    ]
    return "\n\n".join(tables)


def source_table() -> str:
    """Return a row for each option, family and source."""
    lines = ["| option | family | default | source | reason |", "|---|---|---|---|---|"]
    for row in sources.rows():
        default = "none" if row.default is None else row.default
        families = "all" if set(row.families) == set(sources.EXAMPLES) else ", ".join(row.families)
        lines.append(f"| `{row.option}` | {families} | `{default}` | {row.source} | {row.reason} |")
    return "\n".join(lines)


def method_tables() -> str:
    """Return a table for each method; methods without options have none."""
    text = []
    for name, method in METHODS.items():
        fields = {family: method_options(example, name).model_fields for family, example in COLUMNS.items()}
        about = " ".join((method.options.__doc__ or "").split())
        text.append(f"### {name}\n\n{escaped(about)}\n\n" + (table("", fields) if any(fields.values()) else ""))
    return "\n\n".join(text)


def engine_table() -> str:
    """Return one table with the options of all engines, named as on the command line: `--slurm.time`."""
    fields = {
        f"{name}.{option}": field
        for name, engine in ENGINES.items()
        for option, field in engine.OPTIONS.model_fields.items()
    }
    return table("--", {"default": fields})


def table(prefix: str, by_family: dict[str, dict[str, FieldInfo]]) -> str:
    """Return a table of options; a default that depends on the family is listed by family."""
    fields = {name: field for options in reversed(by_family.values()) for name, field in options.items()}
    rows = [["option", "values", "default", "meaning"], ["---"] * 4]
    for name, field in fields.items():
        values, _, rest = describe(field).partition(": ")
        defaults = {family: default(options[name]) for family, options in by_family.items() if name in options}
        rows.append(
            [
                f"`{prefix}{name}`",
                values.replace("|", ", "),
                merged(defaults, len(by_family)),
                escaped(rest.rpartition(" [")[0]),
            ]
        )
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def merged(defaults: dict[str, str], families_in_all: int) -> str:
    """Return the one default of all families, or each default with the families that have it."""
    families: dict[str, list[str]] = {}
    for family, value in defaults.items():
        families.setdefault(value, []).append(family)
    if len(families) == 1 and len(defaults) == families_in_all:
        return next(iter(families))
    return "<br>".join(f"{value} {', '.join(names)}" for value, names in families.items())


def default(field: FieldInfo) -> str:
    """Return the default of an option as inline code, with `none` for None."""
    return f"`{'none' if field.default is None else field.default}`"
