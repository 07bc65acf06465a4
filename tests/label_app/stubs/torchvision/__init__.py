"""Stands in for torchvision where there is only a CPU build of torch: what monailabel imports of it, nothing else."""
