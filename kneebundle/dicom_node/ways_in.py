"""The ways on which films come to a node, as its settings say: C-STORE, STOW-RS, and a server that is looked at."""

from __future__ import annotations

import threading
from contextlib import ExitStack

from kneebundle.dicom_node.intake import Intake
from kneebundle.dicom_node.node_settings import NodeSettings
from kneebundle.dicom_node.receiver import Receiver
from kneebundle.dicom_node.stow import StowServer

__all__ = ["WaysIn"]


class WaysIn:
    """Opens them, and closes them together.

    Args:
        settings: of the node.
        intake: takes the films.

    Attributes:
        port: of C-STORE; None: films do not come so.
        stow_address: of STOW-RS; None as well.

    Raises:
        KneeBundleError: if one of them cannot be opened.
    """

    def __init__(self, settings: NodeSettings, intake: Intake) -> None:
        self.port: int | None = None
        self.stow_address: str | None = None
        self._lock = threading.Lock()
        with ExitStack() as opened:
            if settings.allowed:
                receiver = Receiver(settings, intake)
                opened.callback(receiver.stop)
                self.port = receiver.port
            if settings.stow is not None:
                stow = StowServer(settings.stow, settings, intake)
                opened.callback(stow.stop)
                stow.start()
                self.stow_address = stow.address
            if settings.source is not None:
                from kneebundle.dicom_node.finder import Finder

                finder = Finder(settings.source, settings.search, settings, intake)
                opened.callback(finder.stop)
                finder.start()
            self._opened = opened.pop_all()

    def stop(self) -> None:
        """Take no more films."""
        with self._lock:
            self._opened.close()
