"""The command line that click parsed, as the user would type it; footers use it to say how a file was made."""

from __future__ import annotations

import shlex

import click


def spelled(context: click.Context) -> str:
    """`bbo NAME ARGUMENTS OPTIONS`, options at their default left out."""
    words = ["bbo", context.info_name or ""]
    for parameter in context.command.params:
        value = context.params.get(parameter.name or "")
        if isinstance(parameter, click.Argument):
            words += [str(v) for v in (value if isinstance(value, tuple) else (value,)) if v is not None]
        elif isinstance(parameter, click.Option) and parameter.multiple:
            words += [word for v in value or () for word in (parameter.opts[0], str(v))]
        elif isinstance(parameter, click.Option) and value not in (None, False) and value != parameter.default:
            words += [parameter.opts[0]] if parameter.is_flag else [parameter.opts[0], str(value)]
    return shlex.join(words)
