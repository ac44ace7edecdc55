"""The tasks of `invoke --list`: each parses its options, calls one function and prints what came back."""

from invoke import Collection

from deploy.command import Run, changes, option, reads

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


@changes(
    help={"profile": PROFILE, "hosts": "How many hosts, kept until SANDBOX_HOSTS changes.", "json": JSON}
)
def up(run: Run, profile: str = "dev", hosts: str = "", json: bool = False) -> None:
    """Bring the sandbox up: a registry and hosts in containers of this machine."""
    from deploy.sandbox import life
    from deploy.values.sizes import whole_number

    settings = run.settings(profile)
    number = option("--hosts", hosts, whole_number(1, 16)) if hosts else None
    life.up(settings, run.root, stream=run.stream, hosts=number)
    run.table(life.status(run.root, stream=run.stream), json=json)


@reads(help={"json": JSON})
def status(run: Run, json: bool = False) -> None:
    """Show the state of the sandbox's parts and where they are reached."""
    from deploy.sandbox import life

    run.table(life.status(run.root, stream=run.stream), json=json)


@changes(help={"images": "Remove the images that were built for sandboxes too."})
def down(run: Run, images: bool = False) -> None:
    """Remove every trace of the sandbox: containers, networks, volumes, keys."""
    from deploy.sandbox import life

    life.down(run.root, stream=run.stream, images_too=images)


namespace = Collection(config, test)
sandbox = Collection("sandbox", up, status, down)
namespace.add_collection(sandbox)
