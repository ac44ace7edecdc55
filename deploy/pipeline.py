"""The road from source to the hosts, as the tasks walk it: one function a task, each in its words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deploy.command import Run, who
from deploy.values.build import Build
from deploy.values.errors import BuildError, InputError, LeftDifferent
from deploy.values.settings import Settings

if TYPE_CHECKING:
    from deploy.rollout.survey import Manner, Rollout
    from deploy.values.planned import Planned
    from deploy.values.result import Result


def jar(run: Run, settings: Settings, *, force: bool) -> str:
    """Fetch the source and build the jar."""
    build = _jar(run, settings, force=force)
    _write(run, build)
    return f"{build.jar.path} ({build.jar.size / 1e6:.1f} MB, Spring Boot {build.jar.boot_version})"


def image(run: Run, settings: Settings) -> str:
    """Build the image of the jar at hand."""
    build = _image(run, ready_settings(run, settings), build_at_hand(run, settings))
    _write(run, build)
    return _image_line(build)


def tag(run: Run, settings: Settings, *, given: str) -> str:
    """Tag the image at hand."""
    build = _tag(run, build_at_hand(run, settings), given=given)
    _write(run, build)
    return build.tag


def push(run: Run, settings: Settings) -> str:
    """Push the image at hand."""
    build = _push(run, ready_settings(run, settings), build_at_hand(run, settings))
    _write(run, build)
    return _pushed_line(build)


def build(run: Run, settings: Settings, *, force: bool, tag: str) -> str:
    """Jar, image, tag and push, one after the other."""
    return _pushed_line(_build(run, settings, ready_settings(run, settings), force=force, given=tag))


@dataclass(frozen=True, kw_only=True)
class DeployOptions:
    """The options of `deploy`, as they were typed."""

    build: str = ""
    force: bool = False
    tag: str = ""
    adopt: bool = False
    plan: str = ""
    wait: str = ""
    on_failure: str = ""
    skip_unreachable: bool = False

    def manner(self) -> "Manner":
        """How to go about locks, silent hosts and failures.

        Raises:
            InputError: an option has a value that it cannot have.
        """
        from deploy.command import option
        from deploy.rollout.survey import Manner
        from deploy.values.sizes import whole_number

        if self.on_failure not in {"", "back", "pause"}:
            raise InputError(
                f"--on-failure: {self.on_failure!r} is neither `back` nor `pause`.",
                advice="Leave it out to go back, or write --on-failure=pause.",
            )
        return Manner(
            wait=option("--wait", self.wait, whole_number(0, 86400)) if self.wait else 0,
            skip_unreachable=self.skip_unreachable,
            pause=self.on_failure == "pause",
        )


def deploy(run: Run, settings: Settings, options: DeployOptions) -> None:
    """Everything, or only the rollout of a build that was made before, or of one that was planned."""
    from deploy.build_file import read

    manner = options.manner()
    if options.plan:
        _deploy_planned(run, settings, options, manner)
        return
    ready = ready_settings(run, settings)
    if options.build:
        made = read(Path(options.build))
        tell_of(run, made)
    else:
        made = _build(run, settings, ready, force=options.force, given=options.tag)
    rollout = rollout_of(run, ready, made, force=options.force, adopt=options.adopt, manner=manner)
    _roll_out(run, rollout)


def rollout_of(
    run: Run,
    ready: Settings,
    build: Build,
    *,
    force: bool,
    adopt: bool = False,
    manner: "Manner | None" = None,
) -> "Rollout":
    """What a build and the settings are to bring to the hosts."""
    from deploy.rollout.order import order

    return order(
        build,
        ready,
        info=engine_info(run),
        now=datetime.now(UTC),
        deployed_by=who(),
        force=force,
        adopt=adopt,
        manner=manner,
    )


def status(
    run: Run, settings: Settings, *, usage: bool = False, numbers: bool = False
) -> Sequence[dict[str, object]]:
    """One row a host."""
    from deploy.rollout.status import status as ask

    ready = ready_settings(run, settings)
    return ask(ready.app_name, ready.inventory(), usage=usage, numbers=numbers)


def ready_settings(run: Run, settings: Settings) -> Settings:
    """The settings with the sandbox's addresses in them, when they ask for it; it is brought up first."""
    if settings.registry != "sandbox" and not settings.hosts_sandbox:
        return settings
    from deploy.sandbox.life import up

    return up(settings, run.root, stream=run.stream).apply(settings)


def _build(run: Run, settings: Settings, ready: Settings, *, force: bool, given: str) -> Build:
    made = _jar(run, settings, force=force)
    _write(run, made)
    made = _tag(run, _image(run, ready, made), given=given)
    _write(run, made)
    made = _push(run, ready, made)
    _write(run, made)
    return made


def _jar(run: Run, settings: Settings, *, force: bool) -> Build:
    from deploy.artifact.jar import build_jar

    if settings.registry == "sandbox":
        from deploy.setup.machine import ensure_jdk

        ensure_jdk(run.stream, settings.setup)
    return build_jar(settings, run.root, force=force, stream=run.stream)


def _image(run: Run, ready: Settings, build: Build) -> Build:
    from deploy.artifact.bom import write_bom
    from deploy.artifact.image import build_image
    from deploy.engine import local

    # A sandbox's hosts are this machine's own.
    if not ready.platform and not ready.hosts_sandbox:
        from deploy.hosts.platform import ask_platforms

        ready = ready.model_copy(update={"platform": ask_platforms(ready.inventory(), run.stream)})
    built = build_image(build, ready, run.root, local(run.stream), run.stream)
    write_bom(built, run.root, run.stream)
    return built


def _tag(run: Run, build: Build, *, given: str) -> Build:
    from deploy.artifact.tag import compute_tag

    tag = compute_tag(build, run.environ.get("BUILD_NUMBER", ""), given)
    return build.model_copy(update={"tag": tag, "tag_given": bool(given), "pushed": None})


def _push(run: Run, ready: Settings, build: Build) -> Build:
    from deploy.artifact.push import push as push_image
    from deploy.artifact.secret_scan import refuse_secrets
    from deploy.engine import local

    client = local(run.stream)
    refuse_secrets(build, ready, run.root, client, run.stream)
    return push_image(build, ready, client, run.stream)


def _deploy_planned(run: Run, settings: Settings, options: DeployOptions, manner: "Manner") -> None:
    """Do what was planned, as long as what it was decided on has not moved."""
    from deploy.plan_file import read_for
    from deploy.rollout.basis import refuse_other_settings

    if options.build or options.force or options.tag or options.adopt:
        raise InputError(
            "--plan goes without --build, --force, --tag and --adopt.",
            why="The plan has its own build, and says whether it was made with --force or --adopt.",
        )
    planned = read_for(settings, options.plan)
    tell_of(run, planned.build)
    ready = ready_settings(run, settings)
    rollout = rollout_of(run, ready, planned.build, force=planned.force, adopt=planned.adopt, manner=manner)
    refuse_other_settings(planned, rollout)
    _roll_out(run, rollout, planned)


def _roll_out(run: Run, rollout: "Rollout", planned: "Planned | None" = None) -> None:
    from deploy.rollout.site import Bench
    from deploy.rollout.transaction import roll_out

    tell(run, roll_out(rollout, Bench(root=run.root, mask=run.mask), run.stream, planned=planned))


def tell(run: Run, result: "Result") -> None:
    """Show what a rollout came to.

    Raises:
        LeftDifferent: it went on without some hosts.
    """
    from deploy.output.summary import summary

    run.show(summary(result))
    if result.skipped:
        raise LeftDifferent(
            f"Left out, as they did not answer: {', '.join(result.skipped)}.",
            why="The others are on the new release.",
            advice="When they answer again: invoke repair",
            host=", ".join(result.skipped),
        )


def engine_info(run: Run) -> Mapping[str, Any] | None:
    """What this machine's engine says of itself; a rollout of a build that is pushed needs none."""
    from deploy.engine import EngineError, local

    try:
        info: Mapping[str, Any] = local(run.stream).info()
    except EngineError:
        return None
    return info


def build_at_hand(run: Run, settings: Settings) -> Build:
    """The build at hand, which must be of this application and of the source as it lies."""
    from deploy.artifact.source import look
    from deploy.build_file import PATH, read

    build = read(run.root / PATH)
    if build.app != settings.app_name:
        raise InputError(
            f"{PATH} is of {build.app}, the settings are of {settings.app_name}.",
            advice="Run `invoke jar` with this profile first.",
        )
    if look(settings, run.root).content_hash != build.source.content_hash:
        raise InputError(
            f"The source has changed since {PATH} was written.",
            advice="Run `invoke jar` again, then what follows it.",
        )
    return build


def _write(run: Run, build: Build) -> None:
    from deploy.build_file import PATH, write

    write(run.root / PATH, build)
    tell_of(run, build)


def tell_of(run: Run, build: Build) -> None:
    """Let it be known what this is about."""
    digest = build.pushed.digest if build.pushed else ""
    run.stream.fact(release=build.tag, digest=digest, commit=build.source.commit)


def _image_line(build: Build) -> str:
    if not build.images:
        raise BuildError("The image was not built.")
    return "\n".join(f"{image.id} for {image.platform}" for image in build.images)


def _pushed_line(build: Build) -> str:
    if build.pushed is None:
        raise BuildError("The image was not pushed.")
    pushed = build.pushed
    return f"{pushed.registry}/{pushed.repository}:{pushed.tag}@{pushed.digest}"
