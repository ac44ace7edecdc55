"""The tasks of `invoke --list`: each parses its options, calls one function and prints what came back."""

from invoke import Collection

from deploy.command import Run, changes, reads

PROFILE = "Settings to use: .env.PROFILE over .env."
JSON = "Print JSON."


@reads(help={"profile": PROFILE, "json": JSON})
def config(run: Run, profile: str = "dev", json: bool = False) -> None:
    """Show every setting and where it came from, secrets masked."""
    from dataclasses import asdict

    from deploy.values.describe import describe

    run.table([asdict(row) for row in describe(run.settings(profile))], json=json)


@changes()
def test(run: Run) -> None:
    """Check this repository: lint, types, unit, integration, end to end."""
    from deploy.checks import check

    check(run.root)


namespace = Collection(config, test)
