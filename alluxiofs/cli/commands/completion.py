"""``alluxiofs completion``: what a shell needs to complete the command."""

from __future__ import annotations

import click

from alluxiofs.cli.output import write_line

__all__ = ["command"]


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(context: click.Context, shell: str) -> None:
    """Print the script that completes this command in a shell.

    \b
    bash:  eval "$(alluxiofs completion bash)"                 in ~/.bashrc
    zsh:   eval "$(alluxiofs completion zsh)"                  in ~/.zshrc
    fish:  alluxiofs completion fish > ~/.config/fish/completions/alluxiofs.fish
    """
    from click.shell_completion import get_completion_class

    completer = get_completion_class(shell)
    if completer is None:
        raise click.ClickException(f"click has no completion for {shell}")
    write_line(completer(context.find_root().command, {}, "alluxiofs", "_ALLUXIOFS_COMPLETE").source())
