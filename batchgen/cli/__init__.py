"""The command line: parse, call one function, show, set the exit code."""

from __future__ import annotations

import gc
import importlib
import os
import sys

import click

if sys.platform == "win32":  # before what Windows does not have is imported
    sys.exit(
        "batchgen: Windows is served through WSL, the Linux inside of it: run `wsl "
        "--install` once, and install and use batchgen there"
    )

from batchgen import open_files
from batchgen.cli.examples import epilog_of
from batchgen.cli.standard_streams import (
    escape_output,
    finish_output,
    prepare_streams,
)
from batchgen.threads import few_threads_message, may_start, threads_needed

HELP = {
    "run": "Run a job file or a manifest, or carry on where it stopped.",
    "check": "Say all that can be known before paying; send nothing.",
    "init": "Propose a job for a table: columns, prompt, file names, price.",
    "status": "Say where a run stands; works while it runs.",
    "contact": "Make labelled contact sheets of a run's images: PNG or PDF.",
    "runs": "List run folders with their state, rows and money.",
    "report": "Write ZIP and tables anew from the ledger; buy nothing.",
    "unpack": "Write the images of a run into files of their own.",
    "recover": "Build a new ledger where run.db was lost; send nothing.",
    "retry": "Mark rows to be tried again and print the run command.",
    "costs": "Add up what result tables cost, grouped by any columns.",
    "reconcile": "Compare with a provider's bill; settle what was at risk.",
    "try": "Make one image now; show file, cost, time and the curl command.",
    "curl": "Print the request of one row as a curl command; send nothing.",
    "providers": "Show what providers can do, their prices, keys and limits.",
    "config": "Show your own defaults, and where each value comes from.",
    "sandbox": "Serve the sandbox on loopback, each provider under its name.",
    "help": "Show a page on results, money, recovery and more.",
}

_MODULES = {"config": "own_defaults", "runs": "run_list", "try": "try_"}
"""Modules of commands whose names are keywords of Python, or of another module."""


_COMPLETION = "_BATCHGEN_COMPLETE"
"""Set by a shell that asks what could be typed next; the name is click's."""

_COMMANDS_THAT_ACT: tuple[list[str], ...] = (
    [],
    ["run"],
    ["try"],
    ["report"],
    ["retry"],
    ["sandbox"],
    ["unpack"],
    ["contact"],
)
"""Commands that have done their work, even if their output was lost."""


class Commands(click.Group):
    """Loads a command's module when it is called: `--help` stays quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's
        return list(HELP)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:  # noqa: ARG002 - click's
        if name not in HELP:
            return None
        module = importlib.import_module(f"batchgen.cli.{_MODULES.get(name, name)}")
        command: click.Command = module.command
        command.epilog = command.epilog or epilog_of(name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in HELP:
            from batchgen.cli.usage import unknown_command

            ctx.fail(unknown_command(args[0], list(HELP)))
        name, command, arguments = super().resolve_command(ctx, args)
        if command is not None:
            from batchgen.cli.messages import write_notice
            from batchgen.cli.usage import repeated_provider_warning

            warning = repeated_provider_warning(command, arguments)
            if warning is not None:
                write_notice(warning)
        return name, command, arguments

    def format_commands(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's
        formatter: click.HelpFormatter,
    ) -> None:  # the commands' own modules stay unloaded
        with formatter.section("Commands"):
            formatter.write_dl(list(HELP.items()))


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="batchgen", prog_name="batchgen")
def cli() -> None:
    """Turn a table of prompts into a ZIP of images and a table of what each one cost.

    \b
    Try it for free:
    batchgen init --sample
    batchgen run sample.toml --rehearse
    """  # noqa: D301 - click's mark for lines that stay as they are


def main() -> None:
    """Run the command line; every error becomes one clear message."""
    prepare_streams()
    _start_quickly()
    if _COMPLETION not in os.environ:  # a shell reads that, and click writes bytes
        escape_output()
    _choose_output_format()
    code = _run()
    if (problem := finish_output()) is not None:
        from batchgen.cli.messages import write_notice

        write_notice(f"batchgen: {problem}")
        if sys.argv[1:2] not in _COMMANDS_THAT_ACT:
            code = code or 1
    sys.exit(code)


def _run() -> int:
    """Run the command and return the exit code."""
    from batchgen.drives import message_for, ring_of_links
    from batchgen.errors import BatchgenError, UsageError

    open_files.raise_limit()
    if open_files.limit() < open_files.MIN_FILES:
        return _fail(open_files.shortage_message(), 1)
    try:
        _refuse_undecodable_arguments()
        code = cli.main(standalone_mode=False)
    except click.exceptions.Abort:
        code = _fail("stopped by Ctrl-C", 130)
    except KeyboardInterrupt:
        code = 130
    except click.ClickException as error:
        code = _refuse(error)
    except UsageError as error:
        code = _fail(str(error), 2)
    except BatchgenError as error:
        code = _fail(str(error), 1)
    except OSError as error:
        # A drive can fail at any access to a file: the user needs the file's name.
        is_shortage = open_files.is_shortage(error)
        message = open_files.shortage_message() if is_shortage else message_for(error)
        code = _fail(message, 1)
    except Exception as fault:  # noqa: BLE001 - users get no traceback
        ring = ring_of_links(fault) if isinstance(fault, RuntimeError) else None
        from batchgen.cli.own_faults import fault_message

        code = _fail(ring or fault_message(fault), 1)
    except BaseException as error:  # noqa: BLE001 - of polars
        code = _without_threads(error)
    return code if isinstance(code, int) else 0


def _refuse_undecodable_arguments() -> None:
    """Refuse arguments that are no text: tables and ledger could not store them."""
    for word in sys.argv[1:]:
        raw = os.fsencode(word)
        text = raw.decode(errors="backslashreplace")
        if text != word:
            from batchgen.errors import UsageError

            advice = "type it in a terminal that is set to UTF-8"
            if os.path.lexists(raw):
                advice = "rename the file or folder, and give its new name"
            raise UsageError(f"{text} is not written in UTF-8: {advice}")


def _without_threads(error: BaseException) -> int:
    """Write that polars could not start its threads.

    Raises:
        BaseException: it is something else.
    """
    if type(error).__name__ != "PanicException" or may_start(threads_needed()):
        raise error
    return _fail(few_threads_message(), 1)


def _start_quickly() -> None:
    """Save some 15 % of the CPU time of a start."""
    # Modules live as long as the process: there is nothing to collect.
    gc.set_threshold(50_000, 20, 50)
    # httpx imports its own command line, and rich and pygments for that; it does
    # without when that cannot be imported, which is what None stands for.
    sys.modules["httpx._main"] = None  # type: ignore[assignment]


def _choose_output_format() -> None:
    """Make `run --json` write JSON, even about a wrong command line."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["run"] and "--json" in arguments:
        from batchgen.cli.messages import use_json_lines

        use_json_lines(on=True)


def _refuse(error: click.ClickException) -> int:
    """Write what is wrong with the command; without arguments, show the help."""
    if len(sys.argv) == 1:
        error.show()
        return error.exit_code
    from batchgen.cli.usage import usage_message

    return _fail(usage_message(error), error.exit_code)


def _fail(message: str, code: int) -> int:
    from batchgen.cli.messages import uses_json_lines, write_document, write_error
    from batchgen.runner.credentials import without_keys

    message = without_keys(message)
    if uses_json_lines():
        write_document("error", {"exit_code": code, "message": message})
    else:
        write_error(f"batchgen: {message}")
    return code
