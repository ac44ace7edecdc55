"""What counts as a secret in a jar, and what is a word like any other."""

import io
import zipfile
from pathlib import Path

import pytest
from pydantic import SecretStr

from deploy.artifact.secret_scan import named_secrets, scan_jar, scan_text
from tests.support.settings import make_settings

KEY = "-----BEGIN RSA PRIVATE KEY-----\n" + ("MIIEowIBAAKCAQEA" * 4 + "\n") * 3  # gitleaks:allow
NAMED = {"SECRET_PASSWORD": "correct-horse-battery", "SECRET_SHORT": "tiger", "SECRET_WORD": "database1"}


def a_jar(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def library(files: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return content.getvalue()


def found(path: Path) -> list[str]:
    return [str(finding) for finding in scan_jar(path, NAMED)[0]]


@pytest.mark.security(10)
def test_values_and_keys_are_found_in_the_application_and_its_libraries(tmp_path: Path) -> None:
    jar = a_jar(
        tmp_path / "app.jar",
        {
            "BOOT-INF/classes/application-prod.yml": b"password: correct-horse-battery\n",
            "BOOT-INF/classes/com/example/App.class": b"\xca\xfe\0\x15correct-horse-battery\0",
            "BOOT-INF/classes/server.pem": KEY.encode(),
            "BOOT-INF/classes/clean.txt": b"tigers; -----BEGIN PRIVATE KEY----- is how it begins",
            "BOOT-INF/lib/team-1.jar": library({"keys/id.key": KEY.replace("\n", "\\n").encode()}),
            "BOOT-INF/lib/broken-1.jar": b"no zip",
        },
    )
    assert found(jar) == [
        "BOOT-INF/classes/application-prod.yml: the value of SECRET_PASSWORD",
        "BOOT-INF/classes/com/example/App.class: the value of SECRET_PASSWORD",
        "BOOT-INF/classes/server.pem: a private key",
        "BOOT-INF/lib/team-1.jar!/keys/id.key: a private key",
    ]


def test_a_short_value_counts_where_it_stands_alone(tmp_path: Path) -> None:
    jar = a_jar(
        tmp_path / "app.jar", {"a.yml": b"animal: tiger", "b.yml": b"tigers", "c.class": b"\0tiger\0"}
    )
    assert found(jar) == ["a.yml: the value of SECRET_SHORT"]


def test_a_word_in_somebody_else_s_library_is_none(tmp_path: Path) -> None:
    jar = a_jar(tmp_path / "app.jar", {"lib/driver.jar": library({"x.properties": b"tiger database1"})})
    assert found(jar) == []


def test_a_certificate_is_public_and_a_class_that_reads_keys_is_none() -> None:
    assert not list(scan_text("a.pem", KEY.replace("PRIVATE KEY", "CERTIFICATE").encode(), {}))
    assert not list(scan_text("Pem.class", KEY.encode(), {}))


def test_secrets_are_named_by_their_keys_and_the_shortest_are_not_looked_for() -> None:
    settings = make_settings(
        secrets={"A": SecretStr("abcd"), "B": SecretStr("abc")},
        app_env={"X_TOKEN": "efgh", "Y": "ijkl"},
        registry_password=SecretStr("mnop"),
    )
    assert named_secrets(settings) == {
        "SECRET_A": "abcd",
        "APP_ENV_X_TOKEN": "efgh",
        "REGISTRY_PASSWORD": "mnop",
    }


def test_libraries_that_were_clean_are_not_read_again(tmp_path: Path) -> None:
    clean, dirty = library({"a": b"nothing"}), library({"b": b"correct-horse-battery"})
    jar = a_jar(tmp_path / "app.jar", {"lib/clean.jar": clean, "lib/dirty.jar": dirty})
    findings, known = scan_jar(jar, NAMED)
    assert [finding.place for finding in findings] == ["lib/dirty.jar!/b"]
    assert [entry.split()[0] for entry in known] == ["lib/clean.jar"]
    other = {"SECRET_OTHER": "nothing-at-all", **NAMED}
    assert scan_jar(jar, other, known) == (findings, known)
