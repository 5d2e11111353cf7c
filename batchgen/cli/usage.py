"""Messages for what click refuses on the command line: the mistake and the remedy."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from types import MappingProxyType

import click

from batchgen.cli.synonyms import command_hint, no_key_here, option_hint
from batchgen.job.names import unknown_name
from batchgen.runner.credentials import looks_like_a_key

EXAMPLES: Mapping[tuple[str, str], str] = MappingProxyType(
    {
        ("run", "sources"): "batchgen run products.csv --provider gemini --rehearse",
        ("check", "sources"): "batchgen check products.csv --provider gemini",
        ("curl", "sources"): "batchgen curl products.csv --provider gemini --row 0",
        ("curl", "row"): "--row 0 for the first row",
        ("costs", "tables"): "batchgen costs out/products",
        ("status", "run"): "batchgen status out/products",
        ("report", "run"): "batchgen report out/products",
        ("recover", "run"): "batchgen recover out/products",
        ("retry", "run"): "batchgen retry out/products",
        ("reconcile", "run"): "batchgen reconcile out/products --bill usage.csv",
        ("try", "prompt"): 'batchgen try "a red lamp" --provider gemini',
    }
)
"""Examples for a missing argument or option, by command and name."""

_NUMBERS: Mapping[str, str] = MappingProxyType(
    {
        "grace": "a number of seconds, such as 60",
        "slack": "a number of seconds, such as 120",
        "seed": "a whole number, such as 7",
        "limit": "a whole number, such as 20",
        "row": "a whole number from 0, such as 0 for the first row",
        "port": "a whole number from 1 to 65535, such as 8000",
    }
)
_FILES: Mapping[str, str] = MappingProxyType(
    {
        "ids": "it is a text file with one id a line, or a .csv with a column `id`",
        "bill": "it is the provider's usage export as CSV, JSON or JSON Lines",
    }
)
_LONG_DASHES = ("\N{EN DASH}", "\N{EM DASH}", "\N{MINUS SIGN}")


def usage_message(error: click.ClickException) -> str:
    """Return one message that names what is wrong and what to do."""
    message = _long_dash(sys.argv[1:])
    if message is None:
        message = _message_of_kind(error, _command_of(error))
    if message is not None:
        return message
    extra = re.search(r"unexpected extra arguments? \((.*)\)", error.message, re.DOTALL)
    if extra:
        return _too_many_arguments(extra[1], _command_of(error))
    return error.message


def _message_of_kind(
    error: click.ClickException, command: click.Command | None
) -> str | None:
    match error:
        case click.exceptions.NoSuchOption():
            return _unknown_option(error, command)
        case click.MissingParameter(param=click.Parameter() as parameter):
            return _missing(parameter, command)
        case click.BadParameter(param=click.Parameter() as parameter):
            return f"{_name(parameter)}: {_bad_value(error, parameter)}"
        case click.exceptions.BadOptionUsage():
            return _bad_usage(error, command)
        case _:
            return None


def repeated_provider_warning(
    command: click.Command, arguments: Sequence[str]
) -> str | None:
    """Return a warning about --provider given twice: only the last one counts.

    Args:
        command: The command.
        arguments: After its name.
    """
    option = next((each for each in command.params if each.name == "provider"), None)
    typed = [word for word in arguments if word.partition("=")[0] == "--provider"]
    if not isinstance(option, click.Option) or len(typed) < 2:
        return None
    problem = "--provider stands there twice, and only the last one counts"
    if "," not in (option.metavar or ""):
        return problem
    return f"{problem}; for several write --provider gemini,openai"


def _long_dash(arguments: Sequence[str]) -> str | None:
    typed = next((word for word in arguments if word.startswith(_LONG_DASHES)), None)
    if typed is None:
        return None
    plain = "--" + typed.lstrip("".join(_LONG_DASHES) + "-")
    return (
        f"{typed}: this is a long dash, as text editors make of two short ones: "
        f"write {plain}"
    )


def _command_of(error: click.ClickException) -> click.Command | None:
    context = error.ctx if isinstance(error, click.UsageError) else None
    # Newer versions of click leave some errors without their context.
    context = context or click.get_current_context(silent=True)
    if context is not None and context.parent is not None:
        return context.command
    from batchgen.cli import HELP, cli

    name = next((word for word in sys.argv[1:] if not word.startswith("-")), "")
    return cli.get_command(click.Context(cli), name) if name in HELP else None


def _title(command: click.Command | None) -> str:
    return f"batchgen {command.name}" if command else "batchgen"


def _name(parameter: click.Parameter) -> str:
    if isinstance(parameter, click.Argument):
        return (parameter.metavar or parameter.name or "").upper()
    return max(parameter.opts, key=len)


def _unknown_option(
    error: click.exceptions.NoSuchOption, command: click.Command | None
) -> str:
    option, title = error.option_name, _title(command)
    if command is None:
        near = get_close_matches(option, ("--version", "--help"), n=1, cutoff=0.7)
        near += ["--version"] * (option.lower() == "-v")
        if near:
            return f"no such option {option}: did you mean {near[0]}?"
        return (
            f"{option} stands before a command: options stand behind it, as in "
            f"`batchgen run SOURCE {option}`; batchgen -h lists the commands"
        )
    hint = option_hint(option, command)
    return f"{title} has no option {option}: {hint or f'`{title} -h` lists all'}"


def _missing(parameter: click.Parameter, command: click.Command | None) -> str:
    name, title = _name(parameter).removesuffix("..."), _title(command)
    if isinstance(parameter.type, click.Choice):
        return f"{name} is missing: choose from {', '.join(parameter.type.choices)}"
    of_command = (command.name or "") if command else ""
    example = EXAMPLES.get((of_command, parameter.name or ""))
    advice = f"write {example}; " if example else ""
    return f"{name} is missing: {advice}`{title} -h` lists all options"


def _bad_value(error: click.BadParameter, parameter: click.Parameter) -> str:
    """Return what is wrong with a value that one of click's own types refused."""
    refused = re.search(r"'(.*)' (is|does) ", error.message, re.DOTALL)
    quoted = refused[1] if refused else None
    value = f"'{quoted}'" if quoted else error.message.partition(" ")[0]
    name, kind = parameter.name or "", parameter.type
    match kind:
        case click.Choice() if name == "provider":
            return unknown_name(quoted or "", kind.choices, name)
        case click.Choice():
            return f"{value} is none of {', '.join(kind.choices)}"
        case click.Path() if quoted is not None and "does not exist" in error.message:
            hint = _FILES.get(name)
            return f"no such file: {quoted}" + (f"; {hint}" if hint else "")
        case click.types.IntParamType():
            number = _NUMBERS.get(name, "a whole number, such as 4")
            return f"{value} is not {number}"
        case click.types.FloatParamType():
            number = _NUMBERS.get(name, "a number, such as 60")
            return f"{value} is not {number}"
        case _:
            pass
    hint = _FILES.get(name)
    return error.message.removesuffix(".") + (f"; {hint}" if hint else "")


def _bad_usage(
    error: click.exceptions.BadOptionUsage, command: click.Command | None
) -> str:
    if "not take a value" in error.message:
        return f"{error.option_name} takes no value: write {error.option_name} alone"
    return (
        f"{error.option_name} needs a value behind it; `{_title(command)} -h` tells "
        "which"
    )


def odd_source_problem(word: str, command: str) -> str | None:
    """Return what is wrong with a further SOURCE that is no file; None if nothing."""
    if word.startswith(_LONG_DASHES):
        return _long_dash([word])
    if looks_like_a_key(word):
        return (
            f"what stands behind the one SOURCE of {command} looks like a key: "
            f"{no_key_here()}"
        )
    return None


def _too_many_arguments(extra: str, command: click.Command | None) -> str:
    title, name = _title(command), command.name if command else None
    what = {"run": "SOURCE", "check": "SOURCE", "curl": "SOURCE", "init": "TABLE"}
    what |= {"providers": "NAME", "help": "TOPIC"}
    one = what.get(name or "", "RUN")
    if any(map(looks_like_a_key, extra.split())):
        return (
            f"{title} takes one {one}, and what stands behind it looks like a key: "
            f"{no_key_here()}"
        )
    if name == "try":
        return (
            f"one PROMPT is taken, and `{extra}` stands behind it: put the whole "
            'prompt in quotes, as in batchgen try "a red lamp" --provider gemini'
        )
    return (
        f"{title} takes one {one}, and `{extra}` stands behind "
        "it: name one after the other in commands of their own. A name that holds "
        "blanks needs quotes"
    )


def unknown_command(word: str, names: Sequence[str]) -> str:
    """Return what to do about a first word that is no command."""
    return f"no such command {word!r}; {command_hint(word, names)}"
