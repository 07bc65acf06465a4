"""Stands in for the package pydicom-seg, which MONAI Label 0.8.5 imports and pydicom 3 breaks; no answer of this app needs it."""


def __getattr__(name: str) -> None:
    raise AttributeError(
        f"pydicom_seg.{name} is not here: the package does not work with pydicom 3; "
        "kneebundle predict --formats seg writes DICOM segmentations"
    )
