"""Install pip into the environment of this interpreter from its wheel on PyPI, where there is no ensurepip."""

import json
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path
from urllib.parse import urljoin

INDEX = "https://pypi.org/pypi/pip/json"

with urllib.request.urlopen(INDEX, timeout=60) as answer:
    files = json.load(answer)["urls"]
wheel_url = urljoin(INDEX, next(file["url"] for file in files if file["packagetype"] == "bdist_wheel"))
with tempfile.TemporaryDirectory() as folder:
    wheel = Path(folder) / wheel_url.rsplit("/", 1)[1]
    with urllib.request.urlopen(wheel_url, timeout=60) as answer:
        wheel.write_bytes(answer.read())
    # A wheel of pip runs from the file itself
    subprocess.run([sys.executable, str(wheel / "pip"), "install", "--quiet", str(wheel)], check=True)
