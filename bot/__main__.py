"""Entry point. Imports nothing heavy: the fork server's children pass through here, too."""


def main() -> None:
    """Run the command line."""
    from bot.cli import run

    run()


if __name__ == "__main__":
    main()
