"""What the proxy is told at a switch."""

from deploy.rollout.proxy import NOWHERE, read_upstream, upstream


def test_it_sends_to_an_alias_that_is_resolved_again_and_again() -> None:
    text = upstream("r1", 8080)
    assert "server r1:8080 resolve" in text
    assert "default r1;" in text
    assert "return 200 r1;" in text


def test_connections_to_the_application_are_used_once() -> None:
    assert "keepalive_requests 1;" in upstream("r1", 8080)


def test_what_comes_next_is_resolved_and_reached_while_users_go_where_they_went() -> None:
    text = upstream("r1", 8080, ("r2", 9090))
    assert "server r2:9090 resolve" in text
    assert "proxy_pass http://r2/;" in text
    assert "default r1;" in text
    assert "return 200 r1;" in text


def test_before_the_first_switch_it_sends_nowhere() -> None:
    text = upstream(NOWHERE, 0)
    assert "unix:" in text
    assert "resolve " not in text


def test_what_was_written_is_read_back() -> None:
    assert read_upstream(upstream("r1", 8080, ("r2", 9090))) == ("r1", 8080)
    assert read_upstream("upstream application {}\n") is None
    assert read_upstream("") is None
