"""The command import-kneel."""

from __future__ import annotations

from pathlib import Path

import click

from kneebundle.cli.options import PATH


@click.command("import-kneel")
@click.argument("snapshots", metavar="SNAPSHOT_DIR", type=PATH)
@click.option("-o", "--output", type=PATH, required=True, help="Folder of the bundle; it must be new.")
@click.option("--mean-std", type=PATH, help="mean_std.npy, if it lies neither in SNAPSHOT_DIR nor in the folder above.")
@click.option("--overwrite", is_flag=True, help="Replace the bundle that is there.")
def import_kneel(snapshots: Path, output: Path, mean_std: Path | None, overwrite: bool) -> None:
    """Make a bundle of the weights that the authors of KNEEL published.

    SNAPSHOT_DIR has fold_*.pth of one training: the one for joint centres or the one for 16 landmarks. Give the folder
    that holds the bundle to kneebundle predict with --bundles; what it does not hold is taken from the installed
    bundles. These weights are not for commercial use.
    """
    from kneebundle.trust import trust_bundles
    from kneebundle.zoo.import_kneel import import_kneel

    made = import_kneel(snapshots, output, mean_std, overwrite)
    trust_bundles(made.root)
    folds = "1 fold" if made.folds == 1 else f"{made.folds} folds"
    click.echo(f"{made.root}: {folds} of the generation {made.generation}, in place of {made.takes_place_of}")
    click.echo("these weights are not for any commercial use, including research for commercial purposes; see LICENSE")
