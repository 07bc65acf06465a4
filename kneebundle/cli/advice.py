"""What a user of the command line does about an error."""

__all__ = ["ADVICE"]

ADVICE = {
    "spacing_mm": "give it with --spacing MM, or in the manifest's column spacing_mm",
    "side": "give it with --side, or in the manifest's column side",
    "view": "say what the radiographs show with --view, or in the manifest's column view",
    "output": "give another folder with -o",
    "device": "use --device cpu",
    "runtime": "choose another with --runtime",
    "formats": "leave them out of --formats",
    "engine": "--engine local needs no Ray",
    "actors": "say how many with --actors",
    "reference": "give one with --reference",
    "predictions": "run kneebundle predict with --formats json,csv,png and give its folder",
    "format": "say which with --from",
    "mean_std": "say where it is with --mean-std",
    "port": "give another with --port, or leave it out",
    "images": "name it with --images",
    "drawn_size": "see --size, --spacing and --pixels",
    "grid": "choose --size and --pixel so",
    "picture_formats": "leave dicom out of --formats",
    "when_busy": "use --when-busy wait to go on after it, or give another folder with -o",
    "full": "make room or give another folder with -o, and run it again to go on",
    "bundles": "give the folder of the bundles with --bundles, or leave it out",
    "trust": "look at them, and give --trust once if you do",
    "allow": "name them with --allow",
    "pacs": "give it with --pacs",
    "listen": "choose others with --listen and --port",
    "status_port": "give another with --status-port",
    "tls": "see --tls-certificate, --tls-key and --tls-authority",
    "overwrite": "use --overwrite for that",
}
"""What a user of the command line does about an error, by its field."""
