"""What a plan is decided on, and whether that is still so when it is carried out."""

import hashlib
import hmac
import json
import secrets
from collections.abc import Iterator
from dataclasses import asdict, fields

from deploy.rollout.found import Found
from deploy.rollout.survey import Rollout, Survey
from deploy.values import labels
from deploy.values.addresses import format_host
from deploy.values.confinement import Confinement
from deploy.values.errors import HostError, InputError
from deploy.values.facts import HostFacts
from deploy.values.plan import Plan
from deploy.values.planned import Basis, Planned, PlannedHost, Seen
from deploy.values.sizes import format_cpus, format_memory

ADVICE = "Make and read a new plan: `invoke plan --out=FILE`"


def basis(rollout: Rollout) -> Basis:
    """What the settings of a rollout are, secrets only as a part of the hash."""
    key = secrets.token_hex(16)
    return Basis(shown=_shown(rollout), key=key, hash=_hash(rollout, key))


def refuse_other_settings(planned: Planned, rollout: Rollout) -> None:
    """Refuse a plan that was made with other settings than today's; no host has been contacted.

    Raises:
        InputError: names the settings, with their values where these may be shown.
    """
    then, now = planned.settings, _shown(rollout)
    if hmac.compare_digest(_hash(rollout, then.key), then.hash):
        return
    moved = [
        f"{key} was {then.shown.get(key) or 'not set'}, is {now.get(key) or 'not set'}"
        for key in {**then.shown, **now}
        if then.shown.get(key, "") != now.get(key, "")
    ]
    raise InputError(
        "The settings are not those that the plan was made with; nothing was changed.",
        why="; ".join(moved) or "values of environment variables have changed, which are not shown",
        advice=ADVICE,
    )


def refuse_moved(planned: Planned, survey: Survey) -> None:
    """Refuse a plan when a host is not any more as it was planned on; nothing has been changed.

    Raises:
        HostError: names what has moved on each host.
    """
    then = {host.host: host for host in planned.hosts}
    moved = [
        (name, words)
        for name, facts in survey.facts.items()
        for words in _moved(then.get(name), seen(facts, survey.found[name]), survey.plan, name)
    ]
    moved += _moved_balancers(planned, survey)
    if moved:
        raise HostError(
            "What the plan was decided on has moved; nothing was changed.",
            details=[f"{host}: {words}" for host, words in moved],
            advice=ADVICE,
            host=", ".join(dict.fromkeys(host for host, _ in moved)),
            step="facts",
        )


def _moved_balancers(planned: Planned, survey: Survey) -> list[tuple[str, str]]:
    then = {each.host: each for each in planned.balancers}
    moved = []
    for each in survey.balancing.balancers:
        was = then.get(each.host)
        if was is None or was.container != each.container:
            moved.append((each.host, "its balancer is another one than the plan was made with."))
        elif was.members != tuple(sorted(each.members)):
            now, before = ", ".join(sorted(each.members)), ", ".join(was.members)
            moved.append((each.host, f"it sends to {now or 'nobody'}, not to {before or 'nobody'}."))
    return moved


def seen(facts: HostFacts, found: Found) -> Seen:
    """What a plan is decided on, on one host."""
    adopts = found.adoption if found.adopts else None
    serving = adopts.item if adopts else found.serving
    tag = adopts.adopted.tag if adopts else serving.labels.get(labels.TAG, "") if serving else ""
    return Seen(
        engine=facts.engine_id,
        platform=facts.platform,
        memory=facts.memory_total,
        cpus=facts.cpus,
        serving=serving.id if serving else "",
        serving_tag=tag,
        running=bool(serving and serving.running),
        proxy=found.proxy.id if found.proxy else "",
        sends_to=found.sends_to,
    )


def _moved(then: PlannedHost | None, now: Seen, plan: Plan, host: str) -> Iterator[str]:
    if then is None:
        yield "it is not in the plan."
        return
    was = then.seen
    if was.serving != now.serving:
        yield f"it serves {_serves(now)}, and the plan was made when it served {_serves(was)}."
    elif was.running != now.running:
        yield f"{_serves(now)} {'runs' if now.running else 'does not run any more'}."
    elif was.sends_to != now.sends_to:
        yield f"its proxy sends to {now.sends_to or 'nothing'}, not to {was.sends_to or 'nothing'}."
    for field, words in WORDS.items():
        if getattr(was, field) != getattr(now, field):
            yield f"{words} was {_short(getattr(was, field))}, is {_short(getattr(now, field))}."
    way = next((each for each in plan.hosts if each.host == host), None)
    if way and way.strategy != then.strategy:
        yield f"it would be replaced by {way.strategy} ({way.why}), not by {then.strategy}."
    elif (steps := tuple(step.name for step in plan.steps(host))) != then.steps and was == now:
        yield f"the steps would be {', '.join(steps) or 'none'}, not {', '.join(then.steps) or 'none'}."


WORDS = {
    "engine": "its engine's ID",
    "platform": "its platform",
    "memory": "its memory (bytes)",
    "cpus": "its number of CPUs",
    "proxy": "its proxy's container",
}


def _short(value: object) -> str:
    """An id as far as people compare it."""
    text = str(value or "none")
    return text[:12] if len(text) == 64 else text


def _serves(one: Seen) -> str:
    return f"{one.serving_tag or 'a release'} ({one.serving[:12]})" if one.serving else "nothing"


def _shown(rollout: Rollout) -> dict[str, str]:
    """Settings that a plan may show, as their keys write them."""
    release, wishes, inventory = rollout.wanted.release, rollout.wishes, rollout.inventory
    spec, health = release.spec, release.health
    texts = {
        "APP_PORT": str(wishes.app_port),
        "CONTAINER_PORT": str(spec.port),
        "MEMORY": format_memory(spec.memory) if spec.memory else "",
        "CPUS": format_cpus(spec.cpus) if spec.cpus else "",
        "MOUNTS": ",".join(map(str, spec.mounts)),
        "LOG_FILE": spec.log_file or "",
        "RUN_AS": spec.user or "",
        **_confinement_shown(spec.confinement),
        "HEALTH_PATH": "" if health.by_image else health.path,
        "HEALTH_TIMEOUT": f"{health.timeout:g}",
        "MONITOR": f"{health.monitor:g}",
        "STOP_TIMEOUT": str(spec.stop_timeout),
        "DRAIN_TIMEOUT": f"{wishes.drain_timeout:g}",
        "STRATEGY": rollout.wanted.strategy,
        "BATCH": str(wishes.batch),
        "KEEP_RELEASES": str(wishes.keep_releases),
        "HOSTS": ",".join(map(format_host, inventory.hosts)),
        "BALANCERS": ",".join(map(format_host, inventory.balancers)),
        "variables": ",".join(sorted(spec.variables())),
        "secrets as files": ",".join(spec.in_files),
    }
    return {key: text for key, text in texts.items() if text}


def _hash(rollout: Rollout, key: str) -> str:
    """All that the settings bring to a rollout; by scrypt: a short secret is guessed from a fast hash."""
    release, wanted = rollout.wanted.release, rollout.wanted
    shape = {
        "release": [release.image, release.proxy_image, asdict(release.spec), asdict(release.health)],
        "wanted": {
            field.name: getattr(wanted, field.name) for field in fields(wanted) if field.name != "release"
        },
        "wishes": asdict(rollout.wishes),
        "hosts": [asdict(host) for host in (*rollout.inventory.hosts, *rollout.inventory.balancers)],
    }
    text = json.dumps(shape, sort_keys=True, default=str)
    return hashlib.scrypt(text.encode(), salt=bytes.fromhex(key), n=2**14, r=8, p=1, dklen=32).hex()


def _confinement_shown(one: Confinement | None) -> dict[str, str]:
    if one is None:
        return {}
    return {
        "PIDS_LIMIT": str(one.pids_limit),
        "TMP_SIZE": format_memory(one.tmp_size) if one.tmp_size else "0",
        "CAP_ADD": ",".join(one.cap_add),
        "NO_NEW_PRIVILEGES": str(one.no_new_privileges).lower(),
        "READ_ONLY": str(one.read_only).lower(),
    }
