import re
from pathlib import Path

import pytest

from tests.support.jenkinsfile import Step, UnknownFormError, parameters, shell_steps

TEXT = (Path(__file__).parents[2] / "Jenkinsfile").read_text()
BRANCH = "JARSHIP_APP_GIT_REF"


def _pipeline(body: str) -> str:
    return f"pipeline {{ agent any stages {{ {body} }} }}"


def test_the_stages_are_those_of_the_pipeline_that_it_replaces() -> None:
    assert [(step.stage, step.command) for step in shell_steps(TEXT)] == [
        ("Settings", 'rm -f build/result.json build/junit-*.xml; ./invokew config --profile="$PROFILE"'),
        ("Check", ".venv/bin/nox"),
        ("Jar", './invokew jar --profile="$PROFILE"'),
        ("Docker image", './invokew image --profile="$PROFILE"'),
        ("Tag", './invokew tag --profile="$PROFILE"'),
        ("Push", './invokew push --profile="$PROFILE"'),
        ("Deploy", './invokew deploy --profile="$PROFILE" --build=build/build.json'),
    ]


def test_each_step_has_the_credentials_it_needs_and_no_others() -> None:
    registry = ("JARSHIP_REGISTRY_USER", "JARSHIP_REGISTRY_PASSWORD")
    assert {step.stage: step.credentials for step in shell_steps(TEXT)} == {
        "Settings": (),
        "Check": (),
        "Jar": ("JARSHIP_APP_GIT_TOKEN",),
        "Docker image": ("JARSHIP_SSH_KEY",),
        "Tag": registry,
        "Push": registry,
        "Deploy": (*registry, "JARSHIP_SSH_KEY"),
    }


def test_profile_and_branch_are_parameters() -> None:
    assert parameters(TEXT) == {"PROFILE": "dev", BRANCH: "main"}


def test_builds_do_not_overlap_and_their_results_are_kept() -> None:
    assert "disableConcurrentBuilds()" in TEXT
    assert re.search(r"archiveArtifacts artifacts: 'build/\*\*'", TEXT)
    assert re.search(r"junit testResults: 'build/junit-\*\.xml", TEXT)


def test_a_step_is_read_with_what_is_bound_around_it() -> None:
    bound = "withCredentials([string(credentialsId: 'x', variable: 'A')])"
    text = _pipeline(f"stage('One') {{ steps {{ {bound} {{ sh 'echo \"$A\"' }} }} }}")
    assert shell_steps(text) == [Step(stage="One", command='echo "$A"', credentials=("A",))]


@pytest.mark.parametrize(
    "body",
    [
        "stage('One') { steps { sh \"echo ${params.PROFILE}\" } }",
        "stage('One') { steps { sh '''echo''' } }",
        'stage(\'One\') { steps { sh """echo""" } }',
        "stage('One') { steps { sh 'echo \\'x\\'' } }",
        "stage('One') { steps { sh(script: 'echo') } }",
        "stage('One') { steps { sh script: 'echo' } }",
        "stage('One') { steps { sh 'echo ' + params.X } }",
        "stage('One') { steps { sh 'one' sh 'two' } }",
        "stage('One') { steps { bat 'echo' } }",
        "stage('One') { steps { script { sh 'echo' } } }",
        "stage('One') { steps { echo 'no shell step' } }",
        "stage('One') { steps { } }",
        "stage('One') { steps { /* sh 'hidden' */ sh 'echo' } }",
        "stage('One') { steps { sh $/echo/$ } }",
        "stage('One') { when { branch 'x' } steps { sh 'echo' } }",
        "stage('One') { steps { timeout(time: 1) { sh 'echo' } } }",
        "stage('One') { steps { sh 'echo' } ",
        "stage('One') { steps { sh 'echo' } } } }",
    ],
)
def test_any_other_form_is_refused(body: str) -> None:
    with pytest.raises(UnknownFormError):
        shell_steps(_pipeline(body))


def test_a_shell_step_after_the_stages_is_refused() -> None:
    with pytest.raises(UnknownFormError, match="outside"):
        shell_steps("pipeline { agent any post { always { sh 'echo' } } }")
