"""An agent of Jenkins as far as a shell step sees it."""

import os
import re
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.jenkinsfile import Step


@dataclass(frozen=True, kw_only=True)
class Job:
    """One build of a job in its workspace."""

    workspace: Path
    parameters: Mapping[str, str]
    credentials: Mapping[str, str]
    """Environment variable -> value; a step sees those alone that are bound around it."""
    agent: Mapping[str, str] = field(default_factory=dict)
    """What the agent has in its environment for every step."""
    number: int = 7

    def run(self, step: Step) -> "subprocess.CompletedProcess[str]":
        """Run a shell step as the durable task plugin does: `sh -xe` on a script, no input, no terminal.

        The environment is handed over as `env -i` would make it, but not in the arguments of a process, where
        everybody could read the credentials.
        """
        script = self.workspace / ".git" / "invoke-step.sh"
        script.write_text(step.command + "\n")
        return subprocess.run(
            ["sh", "-xe", str(script)],
            cwd=self.workspace,
            env=self._environment(step),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            start_new_session=True,
            check=False,
        )

    def _environment(self, step: Step) -> dict[str, str]:
        return {
            "PATH": path_without_environments(os.environ["PATH"]),
            "HOME": os.environ["HOME"],
            "LANG": "C.UTF-8",
            "CI": "true",
            "JENKINS_URL": "https://jenkins.example.com/",
            "JENKINS_NODE_COOKIE": "a-cookie",
            "BUILD_NUMBER": str(self.number),
            "BUILD_ID": str(self.number),
            "BUILD_TAG": f"jenkins-hello-{self.number}",
            "BUILD_URL": f"https://jenkins.example.com/job/hello/{self.number}/",
            "JOB_NAME": "hello",
            "NODE_NAME": "built-in",
            "EXECUTOR_NUMBER": "0",
            "STAGE_NAME": step.stage,
            "WORKSPACE": str(self.workspace),
            "WORKSPACE_TMP": f"{self.workspace}@tmp",
            **self.agent,
            **self.parameters,
            **{name: self.credentials[name] for name in step.credentials},
        }


def path_without_environments(path: str) -> str:
    """PATH without the virtual environment that these tests run in: an agent has none."""
    return os.pathsep.join(part for part in path.split(os.pathsep) if not re.search(r"/\.?(nox|venv)/", part))


def run_steps(steps: Sequence[Step], run: Callable[[Step], "subprocess.CompletedProcess[str]"]) -> str:
    """Run steps in order, as Jenkins does: the first that fails ends the build.

    Returns:
        What the last one printed as data.

    Raises:
        AssertionError: a step failed; with its stage, exit code and the end of its output.
    """
    output = ""
    for step in steps:
        done = run(step)
        said = done.stdout[-4000:] + done.stderr[-4000:]
        assert done.returncode == 0, f"stage {step.stage}: exit code {done.returncode}\n{said}"
        output = done.stdout
    return output
