"""From texts to Settings: every problem at once, or the settings."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pydantic import SecretStr

from deploy.values.addresses import WrongEntries, with_url
from deploy.values.dotenv import TYPOGRAPHIC_QUOTES, describe_character, is_invisible
from deploy.values.keys import APP_ENV, DEFAULT, ENVIRONMENT, PREFIX, SECRET, Problem, Setting, is_secret
from deploy.values.known import known_keys, nearest
from deploy.values.rules import Given, broken_rules
from deploy.values.settings import SANDBOX, Settings

_REQUIRED = ("APP_NAME", "REGISTRY", "HOSTS")
_PLACEHOLDER = re.compile(
    r"<.*>|change[-_ ]?me!?|replace[-_ ]?me!?|placeholder|todo|tbd|example|x{3,}|your[-_ ].*",
    re.IGNORECASE | re.DOTALL,
)


def check(
    profile: str,
    found: Mapping[str, Setting],
    *,
    home: str,
    mentioned: frozenset[str] = frozenset(),
    complete: bool = True,
) -> tuple[Settings | None, tuple[Problem, ...]]:
    """Make the settings of a profile out of what was found.

    Args:
        profile: name of the profile.
        found: the setting that counts, by key.
        home: the file to name when a required key is nowhere.
        mentioned: keys that somebody tried to set; they are not reported as missing.
        complete: whether everything was read; else nothing is reported as missing.

    Returns:
        The settings and no problem; or no settings and every problem besides those of `mentioned`.
    """
    problems = [problem for setting in found.values() for problem in _wrong_text(setting)]
    values: dict[str, Any] = {}
    for key in found.keys() - {problem.key.removeprefix(PREFIX) for problem in problems}:
        setting = found[key]
        try:
            values[key] = _parsed(setting)
        except ValueError as error:
            problems += _problems_of(setting, error)
    unseen = frozenset[str]() if complete else frozenset((*_REQUIRED, "APP_SOURCE"))
    given = Given(values=values, keys=frozenset(found) | mentioned | unseen)
    problems += _missing(given, home)
    problems += (_blame(found, key, text, home) for key, text in broken_rules(given))
    if problems or not all(key in values for key in _REQUIRED):
        return None, tuple(problems)
    return _settings(profile, found, values), ()


def unknown(setting: Setting) -> Problem:
    """What to say of a setting whose key is none.

    A name is shown only when it looks like a key: in a broken file it may be a piece of a secret.
    """
    key = setting.key
    near = nearest(key)
    if setting.origin == ENVIRONMENT:
        hint = (
            f"{PREFIX}{near}?" if near else f"the environment's {PREFIX} variables are the keys of README.md"
        )
        return Problem(origin=ENVIRONMENT, key=setting.shown, text=f"unknown {setting.shown}; {hint}")
    if near or re.fullmatch(r"[A-Z][A-Z0-9_]{0,40}", key):
        hint = f"{near}?" if near else f"to hand it to the application write {APP_ENV}{key}"
        return Problem(origin=setting.origin, key=key, text=f"unknown {key}; {hint}")
    return Problem(
        origin=setting.origin, text="unknown key, which is not shown as it may be part of a secret"
    )


def _parsed(setting: Setting) -> object:
    if setting.key.startswith(SECRET):
        return SecretStr(setting.value)
    if setting.key.startswith(APP_ENV):
        return setting.value
    value = known_keys()[setting.key].parse(setting.value)
    if not setting.value:
        raise ValueError("is empty, write a value or remove it")
    return value


def _problems_of(setting: Setting, error: ValueError) -> Iterator[Problem]:
    if not setting.value and setting.key in (*_REQUIRED, "APP_SOURCE"):
        reason = "required, empty entry" if isinstance(error, WrongEntries) else "required"
        example = known_keys()[setting.key].example
        yield Problem(
            origin=setting.origin, key=setting.shown, text=f"{reason}, write {setting.key}={example}"
        )
    elif isinstance(error, WrongEntries):
        for position, text in error.entries:
            yield Problem(origin=setting.origin, key=f"{setting.shown}[{position}]", text=text)
    else:
        yield Problem(origin=setting.origin, key=setting.shown, text=str(error))


def _missing(given: Given, home: str) -> Iterator[Problem]:
    for key in _REQUIRED:
        if key not in given.keys:
            yield Problem(origin=home, key=key, text=f"required, {_write(key)}")


def _write(key: str) -> str:
    """What to write, with the first entry of an example that is a list."""
    return f"write {key}={known_keys()[key].example.partition(',')[0]}"


def _blame(found: Mapping[str, Setting], key: str, text: str, home: str) -> Problem:
    setting = found.get(key.partition("[")[0])
    if setting is None:
        return Problem(origin=home, key=key, text=text)
    return Problem(origin=setting.origin, key=key.replace(setting.key, setting.shown, 1), text=text)


def _wrong_text(setting: Setting) -> Iterator[Problem]:
    """What is wrong with a text whatever its key means; at most one problem."""
    checks: tuple[Callable[[Setting], str], ...] = (_encoding, _characters, _quotes, _placeholder)
    wrong = next((text for one in checks if (text := one(setting))), "")
    if wrong:
        yield Problem(origin=setting.origin, key=setting.shown, text=wrong)


def _encoding(setting: Setting) -> str:
    surrogate = any(0xD800 <= ord(character) <= 0xDFFF for character in setting.value)
    return "not UTF-8" if surrogate else ""


def _is_free(setting: Setting) -> bool:
    """Whether the value is the application's business, so that we keep it as it is."""
    return setting.key.startswith((APP_ENV, SECRET))


def _characters(setting: Setting) -> str:
    for character in setting.value:
        if character in "\n\r" and not _is_free(setting):
            return "must be one line"
        if (ord(character) < 32 or 127 <= ord(character) < 160) and character not in "\n\r\t":
            return f"control character U+{ord(character):04X}"
        if character == "\t" and not _is_free(setting):
            return "control character U+0009, a tab"
    return ""


def _quotes(setting: Setting) -> str:
    """Typographic quotes are meant only inside of real ones, and only in what the application gets."""
    for character in setting.value:
        if is_invisible(character):
            return f"contains {describe_character(character)}, which cannot be seen; type it again"
        if character in TYPOGRAPHIC_QUOTES and not (setting.quoted and _is_free(setting)):
            return f"contains {describe_character(character)}; write ' or \""
    return ""


def _placeholder(setting: Setting) -> str:
    if not is_secret(setting.key):
        return ""
    if not setting.value:
        return "is empty, write the secret or remove it"
    known = known_keys().get(setting.key)
    example = known is not None and setting.value == known.example
    return "still a placeholder" if example or _PLACEHOLDER.fullmatch(setting.value.strip()) else ""


def _settings(profile: str, found: Mapping[str, Setting], values: Mapping[str, Any]) -> Settings:
    named = {key.lower(): value for key, value in values.items() if key in known_keys()}
    named.setdefault("image", named["app_name"])
    default_port = Settings.model_fields["app_port"].default
    for key in ("hosts", "balancers"):
        named[key] = tuple(with_url(host, named.get("app_port", default_port)) for host in named.get(key, ()))
    return Settings(
        profile=profile,
        hosts_sandbox=found["HOSTS"].value == SANDBOX,
        app_env=_by_name(values, APP_ENV),
        secrets=_by_name(values, SECRET),
        origins={
            **dict.fromkeys(known_keys(), DEFAULT),
            **{key: setting.origin for key, setting in found.items()},
        },
        **named,
    )


def _by_name(values: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    names = sorted(key.removeprefix(prefix) for key in values if key.startswith(prefix))
    return {name: values[prefix + name] for name in names}
