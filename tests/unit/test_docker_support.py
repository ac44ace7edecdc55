import pytest

from tests.support.docker import available, missing


def test_what_a_laptop_lacks_skips_a_test_with_the_reason() -> None:
    with pytest.raises(pytest.skip.Exception, match="no engine"):
        missing("no engine", {})


@pytest.mark.parametrize("ci", ["true", "1", "True"])
def test_what_ci_lacks_fails_it(ci: str) -> None:
    with pytest.raises(pytest.fail.Exception, match="no engine"):
        missing("no engine", {"CI": ci})


def test_a_silent_engine_is_told_with_what_to_do() -> None:
    environ = {"DOCKER_HOST": "unix:///nonexistent/docker.sock", "JARSHIP_SETUP": "never"}
    with pytest.raises(pytest.skip.Exception, match="DOCKER_HOST"):
        available(environ)
