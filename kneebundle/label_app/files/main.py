"""A MONAI Label app; what it does stands in the installed package, kneebundle.label_app."""

from kneebundle.label_app.app import KneeLabelApp

__all__ = ["KneeLabelApp"]
