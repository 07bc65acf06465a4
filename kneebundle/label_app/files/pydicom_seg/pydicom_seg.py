"""Stands in for the package pydicom-seg, which MONAI Label 0.8.5 imports, pydicom 3 breaks and this app never uses."""


def __getattr__(name: str) -> None:
    raise AttributeError(
        f"pydicom_seg.{name} is not here: the package does not work with pydicom 3; "
        "the format seg of kneebundle predict is a DICOM segmentation"
    )
