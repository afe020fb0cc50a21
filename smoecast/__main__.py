"""``python -m smoecast``: the command, where its script is not on the path."""

from smoecast.cli.entry import main

if __name__ == "__main__":
    main()
