"""`python -m birdnet_cli` is `fbn`."""

from birdnet_cli.cli.app import main

if __name__ == "__main__":
    main()
