"""README.md against the program: its tables, its examples, its commands."""

import re
from pathlib import Path

import pytest

import noxfile
import tasks
from deploy.profiles import load
from deploy.values import errors
from tests.support.clone import ROOT
from tests.support.readme import key_table, readme, task_table

README = readme()


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def test_the_table_of_keys_is_that_of_the_settings() -> None:
    assert key_table() in README, "run: python -m tests.support.readme"


def test_the_table_of_tasks_is_that_of_the_program() -> None:
    assert task_table() in README, "run: python -m tests.support.readme"


def test_the_exit_codes_are_those_of_the_errors() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    codes = {kind.exit_code for kind in kinds if issubclass(kind, errors.Failure)}
    listed = {
        int(code) for row in re.findall(r"^\| ([\d, ]+) \|", README, re.MULTILINE) for code in row.split(",")
    }
    assert listed == codes | {0, errors.PENDING, 130, 143}


def test_the_example_settings_are_right_once_the_secrets_are_put_in(tmp_path: Path) -> None:
    committed, local, _ = _blocks("dotenv")
    (tmp_path / ".env.prod").write_text(committed)
    (tmp_path / ".env.prod.local").write_text(re.sub(r"<\w+>", "a-real-one", local))
    (tmp_path / ".env.prod.local").chmod(0o600)
    settings = load(tmp_path, "prod", {"HOME": "/home/deployer"})
    assert settings.app_name == "momo-app"
    assert [host.address for host in settings.hosts] == ["192.0.2.10", "192.0.2.11"]
    assert settings.memory == 700 * 1024**2


def test_the_example_settings_are_refused_as_they_stand(tmp_path: Path) -> None:
    committed, local, _ = _blocks("dotenv")
    (tmp_path / ".env.prod").write_text(committed)
    (tmp_path / ".env.prod.local").write_text(local)
    (tmp_path / ".env.prod.local").chmod(0o600)
    with pytest.raises(errors.InputError) as caught:
        load(tmp_path, "prod", {})
    assert sum("placeholder" in line for line in caught.value.details) == local.count("<")


def test_the_example_of_balancers_is_right(tmp_path: Path) -> None:
    committed, _, balanced = _blocks("dotenv")
    (tmp_path / ".env.prod").write_text(re.sub(r"^HOSTS=.*$", balanced, committed, flags=re.MULTILINE))
    inventory = load(tmp_path, "prod", {"HOME": "/home/deployer"}).inventory()
    assert [host.reached_at for host in inventory.hosts] == ["192.0.2.110", "192.0.2.111"]
    assert [host.address for host in inventory.balancers] == ["192.0.2.20"]


def test_every_task_and_session_it_names_is_there() -> None:
    prose = re.sub(r"^```.*?^```$", "", README, flags=re.MULTILINE | re.DOTALL)
    code = "\n".join([*re.findall(r"`([^`\n]+)`", prose), *_blocks("sh")])
    named = set(re.findall(r"\binvokew? (?:--\S+ )*([a-z][\w.]*)", code))
    assert {"deploy", "test"} <= named
    assert named - set(tasks.namespace.task_names) == set()
    sessions = set(re.findall(r"nox -s (\w+)", README))
    assert {name for name in sessions if not hasattr(noxfile, name)} == set()


def test_every_file_it_links_to_is_there() -> None:
    links = [link for link in re.findall(r"\]\(([^)]+)\)", README) if not link.startswith("https://")]
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
