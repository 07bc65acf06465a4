"""What somebody does with a packed bundle who has MONAI and not kneebundle: fetch, load, build the workflow, run it.

python monai_steps.py NAME URL FOLDER IMAGES OUT; the answer on stdout is where kneebundle was imported from.
"""

import sys
from pathlib import Path

from monai.bundle import create_workflow, download, load

name, url, folder, images, output = sys.argv[1:]
download(name=name, url=url, bundle_dir=folder, progress=False)
root = Path(folder) / name
sys.path.insert(0, str(root))  # as the Model Zoo's own tests do
network = load(name, bundle_dir=folder, workflow_type="inference")
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
import kneebundle  # noqa: E402

print("imported from", Path(kneebundle.__file__).parent)
