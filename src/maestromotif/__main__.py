"""``python -m maestromotif``: the same as the ``maestromotif`` command."""

from maestromotif.cli import main

if __name__ == "__main__":
    main()
