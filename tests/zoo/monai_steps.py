"""What somebody does with a packed bundle who has MONAI and not kneebundle: fetch, load, build the workflow, run it.

python monai_steps.py NAME URL FOLDER IMAGES OUT; stdout says where kneebundle was imported from.
"""

import sys
from pathlib import Path
from typing import Any

from monai.bundle import create_workflow, download, load


def main(name: str, url: str, folder: str, images: str, output: str) -> None:
    download(name=name, url=url, bundle_dir=folder, progress=False)
    root = Path(folder) / name
    sys.path.insert(0, str(root))  # as the Model Zoo's own tests do
    network: Any = load(name, bundle_dir=folder, workflow_type="inference")
    assert any(bool(value.any()) for value in network.state_dict().values())
    flow = create_workflow(
        config_file=str(root / "configs" / "inference.json"),
        workflow_type="inference",
        bundle_root=str(root),
        dataset_dir=images,
        output_dir=output,
    )
    assert flow.check_properties() == []
    flow.run()
    flow.finalize()
    import kneebundle

    print("imported from", Path(kneebundle.__file__).parent)


if __name__ == "__main__":
    main(*sys.argv[1:])
