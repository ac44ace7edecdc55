import pytest

from deploy.values.reference import Reference, parse_reference

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nginx", Reference(registry="", path="nginx")),
        ("nginx:1.30", Reference(registry="", path="nginx", tag="1.30")),
        ("localhost:5000/team/app:1", Reference(registry="localhost:5000", path="team/app", tag="1")),
        ("r.example.com/app", Reference(registry="r.example.com", path="app")),
        (f"r:5000/app@{DIGEST}", Reference(registry="r:5000", path="app", digest=DIGEST)),
        (f"team/app:1@{DIGEST}", Reference(registry="", path="team/app", tag="1", digest=DIGEST)),
    ],
)
def test_parse_takes_apart_and_str_puts_together(text: str, expected: Reference) -> None:
    assert parse_reference(text) == expected
    assert str(expected) == text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Team/app", "lowercase"),
        ("team//app", "invalid repository"),
        ("app:-x", "invalid tag"),
        ("app:1.0+5", "invalid tag"),
        ("app:" + "a" * 129, "invalid tag"),
        ("a" * 256, "invalid repository"),
        ("app@sha256:12", "invalid digest"),
    ],
)
def test_parse_refuses_what_the_grammar_refuses(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_reference(text)
