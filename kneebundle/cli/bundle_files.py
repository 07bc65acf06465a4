"""Commands about bundles: bundles, pack, export and label-app."""

from __future__ import annotations

from pathlib import Path

import click

from kneebundle.cli.options import PATH, Names, check_bundle, trust_option

_RUNTIMES = ("torchscript", "onnx")


@click.command()
@click.option("--bundles", "folder", type=PATH, help="List the bundles of this folder, not the installed ones.")
def bundles(folder: Path | None) -> None:
    """List the bundles with their versions and the sha256 of their weights."""
    from kneebundle.bundles import list_bundles

    for bundle in list_bundles(folder):
        click.echo(f"{bundle.name} {bundle.version}")
        for name, digest in bundle.weights:
            click.echo(f"  models/{name}  sha256 {digest}")
        if not bundle.weights:
            click.echo("  no weights: train it, or install a release that carries them")


@click.command()
@click.argument("names", metavar="BUNDLE...", nargs=-1, required=True)
@click.option("-o", "--output", type=PATH, required=True, help="Folder for the files; it is made if it is not there.")
@click.option(
    "--url",
    help="Address that the files will be put at; by default that of the Model Zoo. With --pull-request: that of the "
    "weights, which large_files.yml then names.",
)
@click.option("--overwrite", is_flag=True, help="Pack a version again even if its content has changed.")
@click.option(
    "--pull-request",
    is_flag=True,
    help="Write models/<name>/ and ci/unit_tests/ as a pull request to the Model Zoo has them; OUT may be its clone.",
)
@click.option(
    "--requires-package",
    is_flag=True,
    help="With --pull-request: leave kneebundle out and name it among the packages that the bundle requires; the Model "
    "Zoo takes it from PyPI.",
)
@click.option(
    "--check", is_flag=True, help="Run the Model Zoo's checks and unit tests over it, which takes minutes a bundle."
)
def pack(
    names: tuple[str, ...],
    output: Path,
    url: str | None,
    overwrite: bool,
    pull_request: bool,
    requires_package: bool,
    check: bool,
) -> None:
    """Pack bundles as the MONAI Model Zoo publishes them.

    BUNDLE is the name of an installed bundle, or a folder. OUT gets <name>_v<version>.zip, which runs without this
    package installed, and its entry in model_info.json.
    """
    from kneebundle.zoo.pack import MODEL_ZOO, find_bundle, pack_bundle

    if (check or requires_package) and not pull_request:
        raise click.UsageError("--check and --requires-package are for --pull-request")
    for name in names:
        if pull_request:
            _write_pull_request(find_bundle(name), output, url, requires_package, check)
            continue
        packed = pack_bundle(find_bundle(name), output, url or MODEL_ZOO, overwrite)
        click.echo(f"{packed.path}  sha256 {packed.sha256}  ({packed.package_files} files of kneebundle inside)")


def _write_pull_request(root: Path, output: Path, url: str | None, requires_package: bool, check: bool) -> None:
    from kneebundle.zoo.pull_request import write_pull_request

    request = write_pull_request(root, output, url, requires_package)
    inside = f"{request.package_files} files of kneebundle inside" if request.package_files else "requires kneebundle"
    click.echo(f"{request.folder}  ({inside})")
    for path in request.tests:
        click.echo(f"  {path}")
    for path in request.uploads:
        click.echo(f"  to upload: {path}")
    if check:
        from kneebundle.zoo.zoo_checks import check_pull_request

        check_pull_request(request, lambda line: click.echo(f"  {line}"))


@click.command()
@click.argument("names", metavar="BUNDLE...", nargs=-1, required=True)
@click.option("-o", "--output", type=PATH, required=True, help="Folder for the files; it is made if it is not there.")
@click.option(
    "--formats",
    type=Names(_RUNTIMES),
    default=",".join(_RUNTIMES),
    show_default=True,
    help="What to write; onnx needs onnx and onnxruntime.",
)
@click.option("--weights", type=PATH, help="Export these weights, not models/model.pt of the bundle.")
@click.option("--folds", is_flag=True, help="Export the networks of cross-validation, too: models/model_fold*.pt.")
@click.option(
    "--opset", type=click.IntRange(17, 20), default=18, show_default=True, help="Version of the ONNX operators."
)
@trust_option
def export(
    names: tuple[str, ...], output: Path, formats: tuple[str, ...], weights: Path | None, folds: bool, opset: int
) -> None:
    """Write the networks of bundles for other runtimes, as TorchScript and ONNX.

    BUNDLE is the name of an installed bundle, a folder, or all, which leaves out the bundle of forests; they have no
    graph. OUT gets <bundle>.ts and <bundle>.onnx, whose input is called image and whose output pred. A file whose
    output differs from that of the network is not written.
    """
    if weights is not None and (len(names) > 1 or names == ("all",)):
        raise click.UsageError("--weights are those of one bundle; give its name")
    from kneebundle.bundles import list_bundles
    from kneebundle.zoo.export import export_bundle
    from kneebundle.zoo.pack import find_bundle

    trained = [b.root for b in list_bundles() if (b.root / "configs" / "train.json").is_file()]  # forests have no graph
    for root in trained if names == ("all",) else [find_bundle(name) for name in names]:
        check_bundle(click.get_current_context(), root)
        for file in export_bundle(root, output, formats, weights, folds, opset):
            click.echo(f"{file.path}  differs from the network by {file.difference:.1e}")


@click.command("label-app")
@click.option("-o", "--output", type=PATH, required=True, help="Folder for the app; it must be new.")
@click.option("--overwrite", is_flag=True, help="Bring an app up to date; the weights that it trained stay.")
def label_app(output: Path, overwrite: bool) -> None:
    """Write an app for MONAI Label, with the bundles it serves.

    README.md in the app's folder says what to install and how to start it.
    """
    from kneebundle.label_app.folder import write_app

    write_app(output, overwrite)
    click.echo(f"app in {output}; {output / 'README.md'} says how to start it")
