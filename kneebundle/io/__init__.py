"""Readers of radiographs (a file a format), the refusals they give, and the writing of files whole or not at all."""
