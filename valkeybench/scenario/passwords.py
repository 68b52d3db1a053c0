"""Where a password may come from: text, the first line of a file, or whoever is at the terminal."""

from __future__ import annotations

import sys
from getpass import getpass
from pathlib import Path

from valkeybench.scenario.kinds import Kind, UnfitError, encodable
from valkeybench.scenario.secret import Secret

_LONGEST_SECRET = 1 << 16


def secret() -> Kind:
    """Take a password, never to be repeated in a message."""

    def convert(value: object) -> Secret:
        if isinstance(value, str):
            return Secret(encodable(value))
        raise UnfitError("a password is text", "put it in quotes")

    return Kind("SECRET", convert, {"type": "string"})


def secret_file() -> Kind:
    """Take a file, or a pipe, whose first line is a password.

    Messages do not repeat its path: people give the password itself by mistake.
    """
    remedy = "give the path of a file whose first line is the password"

    def convert(value: object) -> Secret:
        if not isinstance(value, str):
            raise UnfitError("it is no path", remedy)
        try:
            with Path(value).expanduser().open(encoding="utf-8") as file:
                line = file.readline(_LONGEST_SECRET)
        except OSError as error:
            raise UnfitError(f"it cannot be read ({error.strerror})", remedy) from None
        except (RuntimeError, ValueError):  # nobody's home, a null in the path, not UTF-8
            raise UnfitError("it cannot be read as text", remedy) from None
        word = line.removesuffix("\n")
        if not word:
            raise UnfitError("its first line is empty", remedy)
        return Secret(word)

    return Kind("FILE", convert, {"type": "string"})


def asked_secret() -> Kind:
    """Take true, and ask whoever sits at the terminal for a password, without an echo."""

    def convert(value: object) -> Secret:
        if value is not True:
            raise UnfitError("there is nothing to ask for", "write true, or leave it out")
        # getpass would find the terminal even behind a pipe, and wait there for nobody.
        if not sys.stdin.isatty():
            raise UnfitError(
                "there is no terminal to ask on",
                "give the password by --password-file or VALKEYBENCH_PASSWORD",
            )
        try:
            word = getpass("Password: ")
        except EOFError:
            word = ""
        if not word:
            raise UnfitError("nothing was typed", "type the password, then the enter key")
        return Secret(encodable(word))

    return Kind("", convert, {"const": True}, lambda text: text == "true")
