"""``python -m kneebundle`` is ``kneebundle``."""

from kneebundle.cli import main

if __name__ == "__main__":
    main()
