"""Stands in for torchvision where only a CPU build of torch is to be had: what monailabel imports of it, and nothing else."""
