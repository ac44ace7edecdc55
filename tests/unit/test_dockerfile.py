"""What is known of a project's own Dockerfile before the engine builds it."""

import pytest

from deploy.artifact.dockerfile import Dockerfile, advice, parse_dockerfile, running

PIPELINE = """\
FROM openjdk:17
ARG JAR_FILE=build/libs/*.jar
COPY ${JAR_FILE} app.jar
CMD java -jar app.jar
"""
"""As those look that a pipeline of shell steps builds by."""

STAGES = """\
# escape=\\
ARG JAVA=21
ARG BASE_IMAGE=eclipse-temurin:${JAVA}-jre
FROM --platform=linux/amd64 debian:12 AS Files
RUN mkdir /out \\
    # the logs' own
    && mkdir /out/logs

from ${BASE_IMAGE} as runtime
COPY --from=files --chown=1:1 /out /
USER 10001
FROM runtime
ENTRYPOINT ["java", "-jar", "/app.jar"]
CMD --server.port=80
"""


def parse(text: str, **given: str) -> Dockerfile:
    return parse_dockerfile(text, given)


def told(text: str, *, base_user: str = "", run_as: str | None = None) -> tuple[str, ...]:
    return advice(parse(text), base_user=base_user, run_as=run_as)


def test_stages_arguments_and_lines_that_go_on_are_read() -> None:
    read = parse(STAGES)
    assert [(stage.line, stage.base, stage.name, stage.platform) for stage in read.stages] == [
        (4, "debian:12", "files", "linux/amd64"),
        (9, "eclipse-temurin:21-jre", "runtime", ""),
        (12, "runtime", "", ""),
    ]
    (run,) = read.stages[0].instructions
    assert (run.line, run.text) == (5, "mkdir /out && mkdir /out/logs")
    (copy, _) = read.stages[1].instructions
    assert copy.flags == {"from": "files", "chown": "1:1"}
    assert read.arguments == {"JAVA", "BASE_IMAGE"}
    assert [stage.base for stage in read.images()] == ["debian:12", "eclipse-temurin:21-jre"]
    assert [stage.line for stage in read.final()] == [12, 9]


def test_a_build_argument_wins_over_its_default_and_one_that_is_not_declared_does_not_count() -> None:
    assert parse(STAGES, JAVA="25").stages[1].base == "eclipse-temurin:25-jre"
    assert parse(STAGES, BASE_IMAGE="our/java:1").stages[1].base == "our/java:1"
    assert parse("FROM ${BASE_IMAGE:-debian:12}", BASE_IMAGE="our/java:1").stages[0].base == "debian:12"
    assert parse("FROM $NOBODY").stages[0].base == "$NOBODY"


def test_a_text_inside_of_an_instruction_is_none() -> None:
    read = parse("FROM debian:12\nRUN <<END\nUSER 0\nEND\nUSER 7\n")
    assert [one.name for one in read.stages[0].instructions] == ["RUN", "USER"]


@pytest.mark.parametrize("text", ["", "# nothing\n", "ARG A=1\nRUN true\n"])
def test_what_has_no_from_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="no FROM"):
        parse(text)


def test_the_pipeline_s_dockerfile_gets_all_advice() -> None:
    base, user, command = told(PIPELINE)
    assert base == "line 1: openjdk:17 gets no updates any more; take FROM eclipse-temurin:17-jre"
    assert user == "line 1: the application runs as root; write USER 10001:10001, or set RUN_AS"
    assert command.startswith("line 4: CMD in shell form")
    assert command.endswith('write CMD ["java", "-jar", "app.jar"]')


def test_what_is_in_order_gets_none() -> None:
    assert told('FROM eclipse-temurin:21-jre\nUSER 10001\nCMD ["java", "-jar", "app.jar"]\n') == ()
    assert told("FROM example.com/openjdk:17\nUSER app\nCMD exec java $OPTIONS -jar app.jar\n") == ()
    assert told("FROM scratch\n", run_as="10001") == ()


@pytest.mark.parametrize(
    ("command", "written"),
    [
        ("ENTRYPOINT java $OPTIONS -jar app.jar", "ENTRYPOINT exec java $OPTIONS -jar app.jar"),
        ("CMD java -Da='b c' -jar app.jar", 'CMD ["java", "-Da=b c", "-jar", "app.jar"]'),
        ("CMD java 'unclosed", "CMD exec java 'unclosed"),
    ],
)
def test_a_shell_form_is_told_how_to_be_written(command: str, written: str) -> None:
    (line,) = told(f"FROM debian:12\nUSER 1\n{command}\n")
    assert line.endswith(f"write {written}")


def test_a_command_that_counts_for_nothing_is_left_alone() -> None:
    assert told('FROM a AS b\nCMD java -jar old.jar\nFROM b\nUSER 1\nCMD ["java"]\n') == ()
    (line,) = told("FROM a\nUSER 1\nENTRYPOINT java -jar a.jar\nCMD more\n")
    assert "ENTRYPOINT" in line


@pytest.mark.parametrize(
    ("text", "user", "is_root"),
    [
        ("FROM a", "", True),
        ("FROM a", "10001:0", False),
        ("FROM a\nUSER root", "10001", True),
        ("FROM a\nUSER 0:0", "10001", True),
        ("FROM a AS b\nUSER 7\nFROM b", "", False),
    ],
)
def test_the_last_user_counts_or_the_base_s(text: str, user: str, is_root: bool) -> None:
    assert ["root" in line for line in told(text, base_user=user)] == ([True] if is_root else [])


def test_a_run_in_the_way_of_other_platforms_is_told_and_found() -> None:
    text = "FROM a\nUSER 1\nRUN true\n"
    (line,) = told(text)
    assert line.startswith("line 3: RUN stands in the way of hosts of another platform")
    assert [one.line for one in running(parse(text), "linux/arm64/v8", "linux/amd64")] == [3]
    assert running(parse(text), "linux/amd64", "linux/amd64") == ()


def test_a_stage_for_this_machine_s_platform_may_run_programs() -> None:
    assert not [line for line in told(STAGES) if "RUN" in line]
    assert running(parse(STAGES), "linux/arm64", "linux/amd64") == ()
