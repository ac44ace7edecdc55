"""The tasks of `invoke --list`: each parses its options, calls one function and prints what came back."""

from invoke import Collection

from deploy.command import Run, changes, option, pending, reads

PROFILE = "Settings to use: .env.PROFILE over .env."
BUILD = "A build file to deploy as it is, instead of building."
FORCE = "Build even when nothing has changed."
TAG = "The tag to give instead of the computed one."
JSON = "Print JSON."
SERVER = "The registry's host: by its name in `status`, or as user@host."
HOST = "Only this host, by its name in `status`."
WAIT = "Seconds to wait for whoever holds a host's lock."
ADOPT = "Take over what was started otherwise by our name or on our port."
ON_FAILURE = "`pause` leaves a failed fleet as it is, for a look; else it goes back."
SKIP = "Go on without hosts that do not answer; `repair` brings them up later."


@changes(help={"profile": PROFILE, "force": FORCE})
def jar(run: Run, profile: str = "dev", force: bool = False) -> None:
    """Fetch the source and build its Spring Boot jar."""
    from deploy import pipeline

    run.show(pipeline.jar(run, run.settings(profile), force=force))


@changes(help={"profile": PROFILE})
def image(run: Run, profile: str = "dev") -> None:
    """Build the image, a layer for each part of the jar."""
    from deploy import pipeline

    run.show(pipeline.image(run, run.settings(profile)))


@changes(help={"profile": PROFILE, "tag": TAG}, name="tag")
def tag_(run: Run, profile: str = "dev", tag: str = "") -> None:
    """Give the image its tag: version, commit, build number."""
    from deploy import pipeline

    run.show(pipeline.tag(run, run.settings(profile), given=tag))


@changes(help={"profile": PROFILE})
def push(run: Run, profile: str = "dev") -> None:
    """Push the image; see the registry has all of it."""
    from deploy import pipeline

    run.show(pipeline.push(run, run.settings(profile)))


@changes(help={"profile": PROFILE, "force": FORCE, "tag": TAG})
def build(run: Run, profile: str = "dev", force: bool = False, tag: str = "") -> None:
    """Make the jar, the image and the tag, and push them."""
    from deploy import pipeline

    run.show(pipeline.build(run, run.settings(profile), force=force, tag=tag))


@changes(
    help={
        "profile": PROFILE,
        "build": BUILD,
        "force": "Build and replace even when nothing has changed.",
        "tag": TAG,
        "adopt": ADOPT,
        "plan": "A file of `plan --out` to carry out, if the hosts and settings are still as it found them.",
        "wait": WAIT,
        "on-failure": ON_FAILURE,
        "skip-unreachable": SKIP,
    }
)
def deploy(
    run: Run,
    profile: str = "dev",
    build: str = "",
    force: bool = False,
    tag: str = "",
    adopt: bool = False,
    plan: str = "",
    wait: str = "",
    on_failure: str = "",
    skip_unreachable: bool = False,
) -> None:
    """Release to every host, or put every host back."""
    from deploy import pipeline

    options = pipeline.DeployOptions(
        build=build,
        force=force,
        tag=tag,
        adopt=adopt,
        plan=plan,
        wait=wait,
        on_failure=on_failure,
        skip_unreachable=skip_unreachable,
    )
    pipeline.deploy(run, run.settings(profile), options)


@reads(
    help={
        "profile": PROFILE,
        "build": "A build file to plan with, instead of the build at hand.",
        "force": "Plan to replace even when nothing has changed.",
        "adopt": ADOPT,
        "out": "A file to keep the plan in, for `deploy --plan=FILE`.",
        "json": JSON,
    }
)
def plan(
    run: Run,
    profile: str = "dev",
    build: str = "",
    force: bool = False,
    adopt: bool = False,
    out: str = "",
    json: bool = False,
) -> None:
    """Show what `deploy` would do to each host, and do nothing."""
    from deploy import planning

    wish = planning.Wish(build_file=build, force=force, adopt=adopt, out=out)
    planned = planning.plan(run, run.settings(profile), wish)
    run.show(planning.as_json(planned, run.mask) if json else planning.as_text(planned, run.mask))
    if planned.changes:
        raise pending()


@reads(
    help={
        "profile": PROFILE,
        "usage": "Also memory and CPU against the limits, OOM kills and restarts; takes a second or two.",
        "json": JSON,
    }
)
def status(run: Run, profile: str = "dev", usage: bool = False, json: bool = False) -> None:
    """Show what runs on each host, since when, and its health."""
    from deploy import pipeline

    run.table(pipeline.status(run, run.settings(profile), usage=usage, numbers=json), json=json)


@reads(help={"profile": PROFILE, "json": JSON})
def releases(run: Run, profile: str = "dev", json: bool = False) -> None:
    """List what each host could go back to."""
    from deploy import backward

    run.table(backward.releases(run, run.settings(profile)), json=json)


@changes(
    help={
        "profile": PROFILE,
        "to": "The release to go back to, by its tag or id; left out, the one before.",
        "current-settings": "With today's settings instead of those that it ran with.",
        "wait": WAIT,
        "on-failure": ON_FAILURE,
        "skip-unreachable": SKIP,
    }
)
def rollback(
    run: Run,
    profile: str = "dev",
    to: str = "",
    current_settings: bool = False,
    wait: str = "",
    on_failure: str = "",
    skip_unreachable: bool = False,
) -> None:
    """Go back to an earlier release on every host."""
    from deploy import backward
    from deploy.pipeline import DeployOptions

    options = DeployOptions(wait=wait, on_failure=on_failure, skip_unreachable=skip_unreachable)
    backward.rollback(run, run.settings(profile), options, to=to, current_settings=current_settings)


@changes(help={"profile": PROFILE, "wait": WAIT, "on-failure": ON_FAILURE, "skip-unreachable": SKIP})
def repair(
    run: Run, profile: str = "dev", wait: str = "", on_failure: str = "", skip_unreachable: bool = False
) -> None:
    """Bring hosts left half done to the fleet's release."""
    from deploy import backward
    from deploy.pipeline import DeployOptions

    options = DeployOptions(wait=wait, on_failure=on_failure, skip_unreachable=skip_unreachable)
    backward.repair(run, run.settings(profile), options)


@reads(
    help={
        "profile": PROFILE,
        "host": HOST,
        "lines": "How many of the last lines.",
        "since": "Only lines since then: 90s, 10m, 2h, 1d ago, or a moment as 2026-01-31T12:00:00Z.",
        "follow": "Go on with every line as it comes, of all hosts, until Ctrl-C.",
        "json": JSON,
    }
)
def logs(
    run: Run,
    profile: str = "dev",
    host: str = "",
    lines: str = "100",
    since: str = "",
    follow: bool = False,
    json: bool = False,
) -> None:
    """Show the application's log of each host."""
    from deploy import reading

    wish = reading.LogOptions(host=host, lines=lines, since=since, follow=follow, json=json)
    reading.logs(run, run.settings(profile), wish)


@reads(help={"profile": PROFILE, "json": JSON})
def config(run: Run, profile: str = "dev", json: bool = False) -> None:
    """Show every setting and where it came from, secrets masked."""
    from dataclasses import asdict

    from deploy.values.describe import describe

    run.table([asdict(row) for row in describe(run.settings(profile))], json=json)


@reads(help={"profile": PROFILE, "json": JSON})
def doctor(run: Run, profile: str = "dev", json: bool = False) -> None:
    """Look at all that a release needs, here and on every host."""
    from deploy import host_tasks

    host_tasks.doctor(run, run.settings(profile), json=json)


@changes()
def test(run: Run) -> None:
    """Run every check of this repository."""
    from deploy.checks import check

    check(run.root)


@changes(
    name="up",
    help={
        "profile": PROFILE,
        "host": SERVER,
        "image": "The image to run; left out, registry:2.",
        "address": "The host's address to listen on; left out, all, which needs a password.",
        "certificate": "File of a certificate for REGISTRY; left out, one of the own authority's.",
        "key": "File of its key.",
        "json": JSON,
    },
)
def registry_up(
    run: Run,
    profile: str = "dev",
    host: str = "",
    image: str = "",
    address: str = "",
    certificate: str = "",
    key: str = "",
    json: bool = False,
) -> None:
    """Start a registry on a host, with TLS and a password."""
    from deploy import registry_tasks

    wanted = registry_tasks.Wanted(host=host, image=image, address=address, certificate=certificate, key=key)
    run.table(registry_tasks.up(run, run.settings(profile), wanted), json=json)


@changes(
    name="down",
    help={"profile": PROFILE, "host": SERVER, "data": "Remove what it stored, too."},
)
def registry_down(run: Run, profile: str = "dev", host: str = "", data: bool = False) -> None:
    """Stop a host's registry and remove it; keep what it stored."""
    from deploy import registry_tasks

    registry_tasks.down(run, run.settings(profile), host=host, data=data)


@reads(name="status", help={"profile": PROFILE, "host": SERVER, "json": JSON})
def registry_status(run: Run, profile: str = "dev", host: str = "", json: bool = False) -> None:
    """Show a registry's version, TLS, disk and repositories."""
    from deploy import registry_tasks

    run.table(registry_tasks.status(run, run.settings(profile), host=host), json=json)


@reads(
    name="list",
    help={"profile": PROFILE, "repository": "Only this one, by its path.", "json": JSON},
)
def registry_list(run: Run, profile: str = "dev", repository: str = "", json: bool = False) -> None:
    """Show what the registry holds, and which hosts use it."""
    from deploy import stock_tasks

    run.table(stock_tasks.list_(run, run.settings(profile), repository=repository, json=json), json=json)


@changes(
    name="prune",
    help={
        "profile": PROFILE,
        "keep": "How many of the newest of each repository stay in any case.",
        "host": SERVER,
        "dry_run": "Only say what would be deleted.",
        "json": JSON,
    },
)
def registry_prune(
    run: Run, profile: str = "dev", keep: str = "5", host: str = "", dry_run: bool = False, json: bool = False
) -> None:
    """Delete old images that no host runs or keeps."""
    from deploy import stock_tasks
    from deploy.values.sizes import whole_number

    number = option("--keep", keep, whole_number(1, 1000))
    rows = stock_tasks.prune(run, run.settings(profile), keep=number, host=host, dry_run=dry_run)
    run.table(rows, json=json)


@changes(
    name="setup",
    help={
        "profile": PROFILE,
        "host": HOST,
        "local": "Set up this machine instead: Docker's group, and the registry's trust.",
        "json": JSON,
    },
)
def host_setup(
    run: Run, profile: str = "dev", host: str = "", local: bool = False, json: bool = False
) -> None:
    """Bring hosts what they lack: Docker, groups, trust."""
    from deploy import host_tasks

    settings = run.settings(profile)
    rows = host_tasks.set_up_here(run, settings) if local else host_tasks.set_up(run, settings, host=host)
    run.table(rows, json=json)


@changes(
    name="trust",
    help={
        "profile": PROFILE,
        "host": HOST,
        "fingerprint": "Pin the keys with these fingerprints, as `SHA256:…`, comma separated.",
        "yes": "Pin every key that is not known yet, as it is shown.",
        "json": JSON,
    },
)
def host_trust(
    run: Run,
    profile: str = "dev",
    host: str = "",
    fingerprint: str = "",
    yes: bool = False,
    json: bool = False,
) -> None:
    """Show the hosts' keys; pin those you agree to."""
    from deploy import host_tasks

    settings = run.settings(profile)
    run.table(host_tasks.trust(run, settings, host=host, fingerprint=fingerprint, yes=yes), json=json)


@changes(
    name="up",
    help={"profile": PROFILE, "hosts": "How many hosts, kept until SANDBOX_HOSTS changes.", "json": JSON},
)
def sandbox_up(run: Run, profile: str = "dev", hosts: str = "", json: bool = False) -> None:
    """Bring up a registry and hosts in containers."""
    from deploy.sandbox import life
    from deploy.values.sizes import whole_number

    settings = run.settings(profile)
    number = option("--hosts", hosts, whole_number(1, 16)) if hosts else None
    life.up(settings, run.root, stream=run.stream, hosts=number)
    run.table(life.status(run.root, stream=run.stream), json=json)


@reads(name="status", help={"json": JSON})
def sandbox_status(run: Run, json: bool = False) -> None:
    """Show the sandbox's parts, and where they are."""
    from deploy.sandbox import life

    run.table(life.status(run.root, stream=run.stream), json=json)


@changes(name="down", help={"images": "Remove the images that were built for sandboxes too."})
def sandbox_down(run: Run, images: bool = False) -> None:
    """Remove every trace of the sandbox."""
    from deploy.sandbox import life

    life.down(run.root, stream=run.stream, images_too=images)


namespace = Collection(
    jar,
    image,
    tag_,
    push,
    build,
    deploy,
    plan,
    rollback,
    repair,
    status,
    releases,
    logs,
    config,
    doctor,
    test,
)
namespace.add_collection(
    Collection("registry", registry_up, registry_down, registry_status, registry_list, registry_prune)
)
namespace.add_collection(Collection("host", host_setup, host_trust))
namespace.add_collection(Collection("sandbox", sandbox_up, sandbox_status, sandbox_down))

for name in namespace.task_names:
    namespace[name].full_name = name
