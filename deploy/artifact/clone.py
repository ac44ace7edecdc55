"""A clone of the application's repository, kept at one commit with its submodules."""

import difflib
import re
import shutil
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from deploy import child
from deploy.artifact import git
from deploy.output.mask import Mask
from deploy.values.errors import BuildError
from deploy.values.events import Stream

STEP = "source"
USER = "oauth2"
"""The user name that goes with a token when none is set: GitLab's; GitHub takes any."""

_ASKPASS = Path(__file__).with_name("askpass.sh")
_PORTS = {"https": ":443", "http": ":80"}
_COMMIT = re.compile(r"[0-9a-f]{40}")
_SHORT = re.compile(r"[0-9a-f]{7,39}")
_LAST_LINES = 30
_OPTIONS = (
    # An empty value empties the list of helpers: none may answer with, or keep, what is not its own.
    *("-c", "credential.helper="),
    *("-c", "credential.useHttpPath=false"),
    *("-c", "core.hooksPath=/dev/null"),
    *("-c", "gc.autoDetach=false"),
    *("-c", "advice.detachedHead=false"),
    # A server that has sent nothing for a minute is given up.
    *("-c", "http.lowSpeedLimit=1"),
    *("-c", "http.lowSpeedTime=60"),
)


@dataclass(frozen=True, kw_only=True)
class Remote:
    """A repository elsewhere, and what to take from it."""

    url: str
    ref: str
    """A branch or a tag, also as `refs/heads/…` or `refs/tags/…`, or a commit; HEAD: the default branch."""
    user: str = USER
    token: str | None = field(default=None, repr=False)

    @property
    def place(self) -> str:
        """Where the token may go: scheme, host and port; empty when the URL is not of HTTP."""
        parts = urlsplit(self.url)
        scheme = parts.scheme.lower()
        host = parts.netloc.rpartition("@")[2].lower()
        return f"{scheme}://{host.removesuffix(_PORTS[scheme])}" if scheme in _PORTS else ""


def update(remote: Remote, folder: Path, stream: Stream) -> None:
    """Bring a clone to what the remote's ref names now, submodules included, recursively.

    What git tracks or does not ignore in it is as in the commit afterwards; what git ignores, such as the
    outputs of the last build, stays. A clone of another URL, or a broken one, is made anew.

    Raises:
        BuildError: the remote does not answer or refuses, the ref is not there, or it is a tag that has
            moved since the clone was last brought to it.
    """
    clone = _Clone(remote=remote, folder=folder.resolve(), stream=stream)
    clone.prepare()
    commit = clone.resolve()
    clone.check_out(commit)


@dataclass(frozen=True, kw_only=True)
class _Clone:
    remote: Remote
    folder: Path
    stream: Stream

    def prepare(self) -> None:
        """Leave a repository whose origin is the remote, and no lock of a run that was killed."""
        if self._is_of_remote():
            for lock in (self.folder / ".git").rglob("*.lock"):
                lock.unlink(missing_ok=True)
            return
        if self.folder.is_dir() and not self.folder.is_symlink():
            shutil.rmtree(self.folder)
        self.folder.unlink(missing_ok=True)
        self.folder.mkdir(parents=True)
        self._git("init", "--quiet")
        self._git("config", "remote.origin.url", self.remote.url)

    def resolve(self) -> str:
        """Fetch what the remote has, and find the commit that the ref names."""
        ref = self.remote.ref
        if _COMMIT.fullmatch(ref) and (commit := self._peel(ref)):
            return commit  # it never changes
        self._fetch()
        if ref == "HEAD":
            return self._must_be(self._peel("refs/jarship/head"))
        branch = self._named("refs/remotes/origin/", ref, "refs/heads/")
        tag = self._named("refs/tags/", ref, "refs/tags/")
        if branch and tag:
            raise BuildError(
                f"APP_GIT_REF={ref} is both a branch and a tag of {self.remote.url}.",
                advice=f"Write APP_GIT_REF=refs/heads/{ref} or APP_GIT_REF=refs/tags/{ref}",
            )
        if tag:
            self._must_not_have_moved(ref.removeprefix("refs/tags/"), tag)
        return self._must_be(branch or tag or self._by_id(ref))

    def check_out(self, commit: str) -> None:
        """Make the work tree the commit's, and the submodules those of the commit."""
        self._git("checkout", "--quiet", "--force", "--detach", commit)
        self._git("clean", "-ffdq")
        if (self.folder / ".gitmodules").exists():
            self._git("submodule", "--quiet", "sync", "--recursive")
            self._ask_remote(
                ("submodule", "update", "--init", "--recursive", "--force"), "A submodule cannot be fetched."
            )
            self._git("submodule", "--quiet", "foreach", "--recursive", "git clean -ffdq")
        ref = self.remote.ref.removeprefix("refs/tags/")
        if self._show(f"refs/tags/{ref}"):
            self._git("update-ref", f"refs/jarship/tags/{ref}", commit)

    def _is_of_remote(self) -> bool:
        folder = self.folder
        if folder.is_symlink() or not (folder / ".git").is_dir():
            return False
        is_whole = self._find("rev-parse", "--absolute-git-dir") == str(folder / ".git")
        return is_whole and self._find("config", "remote.origin.url") == self.remote.url

    def _fetch(self) -> None:
        refspecs = ["+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*"]
        if self.remote.ref == "HEAD":
            refspecs.append("+HEAD:refs/jarship/head")
        self._ask_remote(
            ("fetch", "--prune", "--no-recurse-submodules", "origin", *refspecs),
            f"{self.remote.url} cannot be fetched.",
        )

    def _named(self, namespace: str, ref: str, full: str) -> str:
        """The commit of a branch or a tag, given by its own or its full name; empty when there is none."""
        if ref.startswith("refs/") and not ref.startswith(full):
            return ""
        return self._peel(namespace + ref.removeprefix(full))

    def _by_id(self, ref: str) -> str:
        if _COMMIT.fullmatch(ref) and not self._peel(ref):  # of no branch, as that of a merge request
            missing = self._missing()
            self._ask_remote(
                ("fetch", "--no-recurse-submodules", "origin", ref), missing.what, advice=missing.advice
            )
        return self._peel(ref) if _COMMIT.fullmatch(ref) or _SHORT.fullmatch(ref) else ""

    def _must_not_have_moved(self, tag: str, commit: str) -> None:
        before = self._show(f"refs/jarship/tags/{tag}")
        if before and before != commit:
            raise BuildError(
                f"The tag {tag} (APP_GIT_REF) has moved since it was last built.",
                why=f"It was {before[:12]} and is {commit[:12]} now in {self.remote.url}",
                advice=f"Set APP_GIT_REF to the commit that is meant; to accept the new: rm -r {self.folder}",
            )

    def _must_be(self, commit: str) -> str:
        if commit:
            return commit
        raise self._missing()

    def _missing(self) -> BuildError:
        ref = self.remote.ref
        if ref == "HEAD":
            return BuildError(
                f"{self.remote.url} has no default branch.",
                advice="Name a branch, tag or commit in APP_GIT_REF",
            )
        names = self._git("for-each-ref", "--format=%(refname)", "refs/remotes/origin", "refs/tags").split()
        short = [name.removeprefix("refs/remotes/origin/").removeprefix("refs/tags/") for name in names]
        near = difflib.get_close_matches(ref.rpartition("/")[2], short, n=3)
        return BuildError(
            f"{self.remote.url} has no branch, tag or commit {ref!r} (APP_GIT_REF).",
            why=f"Near it: {', '.join(near)}" if near else "",
            advice="Correct APP_GIT_REF, or push what it names",
        )

    def _peel(self, name: str) -> str:
        """The commit that a full ref name or an object's id leads to; empty when there is none."""
        found = self._show(name) if name.startswith("refs/") else name
        if not found:
            return ""
        return self._find("rev-parse", "--verify", "--quiet", f"{found}^{{commit}}")

    def _show(self, ref: str) -> str:
        return self._find("show-ref", "--verify", "--hash", ref)

    def _git(self, *arguments: str) -> str:
        """A call that stays on this machine, without the token."""
        return git.ask(self.folder, *_OPTIONS, *arguments, changes=self._ceiling())

    def _find(self, *arguments: str) -> str:
        return git.find(self.folder, *_OPTIONS, *arguments, changes=self._ceiling())

    def _ask_remote(self, arguments: tuple[str, ...], what: str, advice: str = "") -> None:
        """A call that talks to the remote, its output passed on and the token offered."""
        last: deque[str] = deque(maxlen=_LAST_LINES)
        mask = Mask([self.remote.token] if self.remote.token else [])

        def tell(line: str) -> None:
            last.append(mask(line))
            self.stream.output(last[-1], step=STEP)

        argv = ("git", *_OPTIONS, *arguments)
        code = child.run(argv, cwd=self.folder, env=git.git_environment(self._credentials()), line=tell)
        if code != 0:
            why = next((line for line in last if line.startswith(("fatal:", "error:"))), f"exit code {code}")
            raise BuildError(what, why=why, advice=advice or self._advice(), details=tuple(last))

    def _credentials(self) -> Mapping[str, str]:
        changes = {**self._ceiling(), "GIT_ASKPASS": str(_ASKPASS)}
        if self.remote.token and self.remote.place:
            changes |= {
                "ASKPASS_PLACE": self.remote.place,
                "ASKPASS_USER": self.remote.user,
                "ASKPASS_TOKEN": self.remote.token,
            }
        return changes

    def _ceiling(self) -> Mapping[str, str]:
        # With a broken repository here, git must not take the one around it, and clean that.
        return {"GIT_CEILING_DIRECTORIES": str(self.folder.parent)}

    def _advice(self) -> str:
        if not self.remote.place:
            return f"Try it by hand: git ls-remote {self.remote.url}"
        if not self.remote.token:
            return "If it is private, set APP_GIT_TOKEN in .env.<profile>.local"
        return (
            "Check that APP_GIT_TOKEN is valid for the repository and its submodules; "
            f"it is offered to {self.remote.place} only"
        )
