"""Names the repository that a release is built in: a fork's wheels name the fork, and a build elsewhere names none."""

from __future__ import annotations

import os
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface


class RepositoryUrls(MetadataHookInterface):
    """Fills in project.urls where GitHub Actions builds."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Add the addresses of the repository, its documentation, changelog and issues."""
        repository = os.environ.get("GITHUB_REPOSITORY")
        if not repository:
            return
        address = f"{os.environ.get('GITHUB_SERVER_URL', 'https://github.com')}/{repository}"
        owner, _, name = repository.partition("/")
        metadata["urls"] = {
            "Repository": address,
            "Documentation": f"https://{owner.lower()}.github.io/{name}/",
            "Changelog": f"{address}/blob/main/CHANGELOG.md",
            "Issues": f"{address}/issues",
        }
