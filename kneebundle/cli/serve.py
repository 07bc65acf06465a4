"""The command that is a DICOM node: serve."""

from __future__ import annotations

import logging
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kneebundle.cli.dicomweb_options import dicomweb_options, read_dicomweb
from kneebundle.cli.options import PATH, Names, bundles_option, device_option

if TYPE_CHECKING:
    from kneebundle.dicom_node.ways_in import WaysIn

_KINDS = ("sr", "gsps", "seg", "sc")
_LOG = "%(asctime)s %(levelname)s %(message)s"


def _read_config(ctx: click.Context, param: click.Parameter, path: Path | None) -> None:
    """Take the options of a TOML file for defaults."""
    if path is None:
        return
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise click.BadParameter(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    known = {name.lstrip("-").split("/")[0]: option for option in ctx.command.params for name in option.opts}
    defaults: dict[str, Any] = {}
    for name, value in content.items():
        if name not in known or name == "config":
            raise click.BadParameter(f"{path}: {name} is none of the options of kneebundle serve")
        option = known[name]
        if isinstance(value, list) and not getattr(option, "multiple", False):
            value = ",".join(map(str, value))
        defaults[str(option.name)] = value
    ctx.default_map = defaults


@click.command()
@click.argument("folder", metavar="QUEUE", type=PATH)
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    is_eager=True,
    expose_value=False,
    callback=_read_config,
    help="TOML file with these options by name, such as pacs = 'PACS@10.0.0.5:104'; the command line goes before it.",
)
@click.option("--pacs", metavar="AE@HOST:PORT", help="Where the results go by C-STORE.")
@click.option(
    "--allow",
    multiple=True,
    metavar="AE",
    help="AE title that may send films by C-STORE; several times for more. Without it the node has no DICOM port.",
)
@dicomweb_options
@click.option("--ae-title", default="KNEEBUNDLE", show_default=True, help="AE title of this node.")
@click.option("--listen", default="0.0.0.0", show_default=True, metavar="HOST", help="Address to receive films on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=11112, show_default=True, help="Port to receive films on."
)
@click.option(
    "--objects",
    type=Names(_KINDS),
    default=",".join(_KINDS),
    show_default=True,
    help="What to send: structured report, presentation state, segmentation (lateral films), secondary capture.",
)
@click.option(
    "--status-port",
    type=click.IntRange(0, 65535),
    default=8090,
    show_default=True,
    help="Port of the status page and the metrics, on 127.0.0.1; 0 takes any that is free.",
)
@click.option("--tls-certificate", type=PATH, help="This node's certificate, PEM. With it, films are received by TLS.")
@click.option("--tls-key", type=PATH, help="The key of the certificate, PEM.")
@click.option("--tls-authority", type=PATH, help="Certificates, PEM, that those of the others are signed by.")
@click.option("--pacs-tls/--no-pacs-tls", default=False, help="Send to the PACS by TLS, with the same files.")
@click.option("--largest", type=click.IntRange(1), default=256, show_default=True, metavar="MIB", help="Largest film.")
@click.option(
    "--most-waiting",
    type=click.IntRange(1),
    default=10_000,
    show_default=True,
    help="Number of films that may wait; then senders are told to come back later.",
)
@click.option(
    "--least-free",
    type=click.IntRange(0),
    default=1024,
    show_default=True,
    metavar="MIB",
    help="Room on the disk that is left free; below it, senders are told to come back later.",
)
@click.option(
    "--keep-films", is_flag=True, help="Keep the films in QUEUE/done and QUEUE/failed; else they are removed."
)
@click.option(
    "--retry-failed",
    is_flag=True,
    help="Try films again that the PACS refused results of, or that this program failed on.",
)
@device_option
@bundles_option
def serve(
    folder: Path,
    pacs: str | None,
    allow: tuple[str, ...],
    ae_title: str,
    listen: str,
    port: int,
    objects: tuple[str, ...],
    status_port: int,
    tls_certificate: Path | None,
    tls_key: Path | None,
    tls_authority: Path | None,
    pacs_tls: bool,
    largest: int,
    most_waiting: int,
    least_free: int,
    keep_films: bool,
    retry_failed: bool,
    device: str,
    bundles: Path | None,
    **dicomweb: Any,
) -> None:
    """Receive films from a PACS, or fetch them, and send it the results, into the same study.

    Films come by C-STORE (--allow) and by STOW-RS (--stow-port), or are looked for at a DICOMweb server (--dicomweb).
    Results go by C-STORE (--pacs) or else by STOW-RS to that server.

    QUEUE is a folder for the films that wait. What was acknowledged is on disk there, and a node that was killed goes
    on where it was. Stop it with Ctrl-C or SIGTERM: it finishes the film at work.

    Logs and files have nothing of the patient but the films that wait themselves, which are removed when they are done.
    """
    tls_files = (tls_certificate, tls_key, tls_authority)
    if any(tls_files) != all(tls_files):
        raise click.UsageError("TLS needs all of --tls-certificate, --tls-key and --tls-authority")
    if pacs_tls and not all(tls_files):
        raise click.UsageError("--pacs-tls needs --tls-certificate, --tls-key and --tls-authority")
    from kneebundle.dicom_node.node import DicomNode
    from kneebundle.dicom_node.node_settings import NodeSettings, Peer, TlsFiles
    from kneebundle.dicom_node.web_settings import FilmSearch
    from kneebundle.pipelines.by_view import PipelineOptions, PipelinesByView

    tls = TlsFiles(tls_certificate, tls_key, tls_authority) if tls_certificate and tls_key and tls_authority else None
    server, search, stow = read_dicomweb(dicomweb)
    destination = Peer.parse(pacs) if pacs is not None else server
    if destination is None:
        raise click.UsageError("results can go nowhere: give --pacs AE@HOST:PORT or --dicomweb URL")
    settings = NodeSettings(
        pacs=destination,
        allowed=allow,
        ae_title=ae_title,
        host=listen,
        port=port,
        stow=stow,
        source=None if search is None else server,
        search=search or FilmSearch(),
        objects=objects,
        tls=tls,
        pacs_tls=tls if pacs_tls else None,
        status_port=status_port,
        largest_mib=largest,
        most_waiting=most_waiting,
        least_free_mib=least_free,
    )
    _start_log()
    options = PipelineOptions(bundles, device)

    def load() -> PipelinesByView:
        pipelines = PipelinesByView.from_bundles(options)
        for kind in ("frontal", "lateral"):  # now, and not with the first film
            pipelines.load(kind)
        return pipelines

    node = DicomNode(folder, settings, load, keep_films, retry_failed)

    def say_ready(ways_in: WaysIn, page: str | None) -> None:
        ways = [] if ways_in.port is None else [f"{ae_title} receives films on port {ways_in.port}"]
        ways += [] if ways_in.stow_address is None else [f"films may be posted to {ways_in.stow_address}"]
        ways += [] if search is None else ["films are looked for at the DICOMweb server"]
        click.echo(f"{'; '.join([*ways, f'status at {page}'])} (stop with Ctrl-C)")

    if server is not None and server.shows_secret:
        click.echo("the password or token goes to the DICOMweb server over http, where others may read it", err=True)
    node.run(say_ready)
    click.echo("stopped; what waits is in the queue and goes on with the next start")


def _start_log() -> None:
    """Log to stderr what this program says, and nothing of other packages, which may quote films."""
    warnings.simplefilter("ignore")
    logger = logging.getLogger("kneebundle.dicom_node")
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter(_LOG))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
