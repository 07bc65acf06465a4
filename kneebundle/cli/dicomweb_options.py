"""Options of serve that are about DICOMweb."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from kneebundle.cli.options import PATH

if TYPE_CHECKING:
    from kneebundle.dicom_node.web_settings import DicomwebServer, FilmSearch, StowEndpoint

_Function = TypeVar("_Function", bound=Callable[..., Any])
_SECRETS = {
    "dicomweb_password": "KNEEBUNDLE_DICOMWEB_PASSWORD",
    "dicomweb_token": "KNEEBUNDLE_DICOMWEB_TOKEN",
    "stow_token": "KNEEBUNDLE_STOW_TOKEN",
}
"""Variables of the environment that may hold what must not be on the command line."""
_OPTIONS = (
    click.option(
        "--dicomweb",
        metavar="URL",
        help="DICOMweb server where films are looked for, and where the results go if there is no --pacs.",
    ),
    click.option(
        "--poll",
        type=click.FloatRange(0),
        default=60.0,
        show_default=True,
        metavar="SECONDS",
        help="Time between two looks for films; 0: they are not looked for, only results go there.",
    ),
    click.option(
        "--modalities", default="CR,DX", show_default=True, metavar="NAMES", help="Modalities of films to look for."
    ),
    click.option(
        "--days",
        type=click.IntRange(0),
        default=7,
        show_default=True,
        help="How many days back from today studies are looked at, by their study date.",
    ),
    click.option(
        "--study-date", metavar="RANGE", help="Dates in place of --days, such as 20260101-20260131 or 20260101-."
    ),
    click.option("--dicomweb-user", metavar="NAME", help="User at the DICOMweb server."),
    click.option(
        "--dicomweb-password-file",
        type=PATH,
        help=f"File with the user's password; or the variable {_SECRETS['dicomweb_password']}.",
    ),
    click.option(
        "--dicomweb-token-file",
        type=PATH,
        help=f"File with a bearer token in place of both; or the variable {_SECRETS['dicomweb_token']}.",
    ),
    click.option(
        "--dicomweb-authority",
        type=PATH,
        help="Certificates, PEM, that the DICOMweb server's is signed by; else those that the system trusts.",
    ),
    click.option(
        "--stow-port",
        type=click.IntRange(0, 65535),
        help="Port for films by STOW-RS, POST /dicom-web/studies. Without it the node has none.",
    ),
    click.option(
        "--stow-listen",
        default="127.0.0.1",
        show_default=True,
        metavar="HOST",
        help="Address of it; one that other machines reach needs a token or TLS.",
    ),
    click.option(
        "--stow-token-file",
        type=PATH,
        help=f"File with the token that who posts films must show; or the variable {_SECRETS['stow_token']}.",
    ),
)


def dicomweb_options(command: _Function) -> _Function:
    """Add the options to a command."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def read_dicomweb(options: Mapping[str, Any]) -> tuple[DicomwebServer | None, FilmSearch | None, StowEndpoint | None]:
    """Read what the options say: the server, what is looked for there, and the node's own STOW-RS.

    Raises:
        KneeBundleError: if they do not fit.
    """
    from kneebundle.dicom_node.web_settings import DicomwebServer, FilmSearch, StowEndpoint

    secrets = {name: _read_secret(options[f"{name}_file"], variable) for name, variable in _SECRETS.items()}
    stow = None
    if options["stow_port"] is not None:
        stow = StowEndpoint(options["stow_listen"], options["stow_port"], secrets["stow_token"])
    if options["dicomweb"] is None:
        return None, None, stow
    server = DicomwebServer(
        options["dicomweb"],
        options["dicomweb_user"],
        secrets["dicomweb_password"] if options["dicomweb_user"] or options["dicomweb_password_file"] else None,
        secrets["dicomweb_token"],
        options["dicomweb_authority"],
    )
    if options["poll"] == 0:
        return server, None, stow
    modalities = [name.strip().upper() for name in options["modalities"].split(",") if name.strip()]
    return server, FilmSearch(modalities, options["days"], options["study_date"], options["poll"]), stow


def _read_secret(path: Path | None, variable: str) -> str | None:
    if path is None:
        return os.environ.get(variable) or None
    try:
        secret = path.read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        raise click.UsageError(f"{path} cannot be read ({getattr(error, 'strerror', None) or 'no text'})") from error
    if not secret or not secret.isprintable():
        raise click.UsageError(f"{path} holds no password or token: one line of text is needed")
    return secret
