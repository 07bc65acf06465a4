"""What a user of the command line does about an error."""

__all__ = ["ADVICE"]

ADVICE = {
    "spacing_mm": "give it with --spacing MM, or in the manifest's column spacing_mm",
    "side": "give it with --side, or in the manifest's column side",
    "view": "say what the radiographs show with --view, or in the manifest's column view",
    "output": "give another folder with -o",
    "device": "use --device cpu",
    "formats": "leave them out of --formats",
    "engine": "--engine local needs no Ray",
    "actors": "say how many with --actors",
    "reference": "give one with --reference",
    "predictions": "run kneebundle predict with --formats json,csv,png and give its folder",
    "overwrite": "use --overwrite for that",
}
"""What a user of the command line does about an error, by its field."""
