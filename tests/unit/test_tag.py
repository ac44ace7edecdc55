import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.artifact.tag import compute_tag, with_suffix
from deploy.values.build import Build, Jar, Source
from deploy.values.errors import InputError
from deploy.values.reference import TAG

COMMIT = "0123456789abcdef0123456789abcdef01234567"
CONTENT = "fedcba98" + "0" * 56


def a_build(*, version: str = "1.4.2", commit: str = COMMIT, dirty: bool = False) -> Build:
    source = Source(path="app", commit=commit, dirty=dirty, content_hash=CONTENT)
    jar = Jar(
        path="app.jar",
        sha256="0" * 64,
        size=1,
        version=version,
        boot_version="3.5.0",
        start_class="com.example.App",
        layers=(),
        actuator=False,
    )
    return Build(app="app", source=source, jar=jar)


@pytest.mark.parametrize(
    ("build", "number", "expected"),
    [
        (a_build(), "", "1.4.2-0123456"),
        (a_build(), "17", "1.4.2-0123456-b17"),
        (a_build(dirty=True), "", "1.4.2-0123456-dirty.fedcba98"),
        (a_build(dirty=True), "17", "1.4.2-0123456-b17-dirty.fedcba98"),
        (a_build(commit=""), "", "1.4.2-src.fedcba98"),
        (a_build(commit="", dirty=True), "17", "1.4.2-src.fedcba98-b17"),
        (a_build(version=""), "", "0123456"),
        (a_build(version="1.0+5"), "", "1.0-5-0123456"),
        (a_build(version="-SNAPSHOT "), "", "SNAPSHOT-0123456"),
        (a_build(version="ü"), "", "0123456"),
        (a_build(version="v" * 200), "17", "v" * 116 + "-0123456-b17"),
    ],
)
def test_a_tag_tells_version_commit_build_and_dirt(build: Build, number: str, expected: str) -> None:
    assert compute_tag(build, number, "") == expected


def test_a_given_tag_is_taken_as_it_is() -> None:
    assert compute_tag(a_build(dirty=True), "17", "v2") == "v2"


@pytest.mark.input(32)
@pytest.mark.parametrize("wrong", ["-x", ".x", "1.0+5", "a" * 129, "a b", "a/b", "ü"])
def test_a_given_tag_that_does_not_fit_is_refused(wrong: str) -> None:
    with pytest.raises(InputError, match="invalid tag"):
        compute_tag(a_build(), "", wrong)


@given(version=st.text(), number=st.text(max_size=200), dirty=st.booleans())
def test_every_computed_tag_fits_the_grammar(version: str, number: str, dirty: bool) -> None:
    assert TAG.fullmatch(compute_tag(a_build(version=version, dirty=dirty), number, ""))


@pytest.mark.parametrize(
    ("tag", "expected"), [("1.0-abc", "1.0-abc-12345678"), ("t" * 128, "t" * 119 + "-12345678")]
)
def test_a_suffix_fits_too(tag: str, expected: str) -> None:
    assert with_suffix(tag, "12345678") == expected
