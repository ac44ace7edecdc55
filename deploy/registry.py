"""The HTTP API of a registry v2: what it holds, asked by the build side and by the rollout.

As the OCI distribution specification 1.1 and Docker's registry API have it. Plain HTTP is spoken to
loopback and to registries that the local engine lists as insecure, and to no other.
"""

import hashlib
import json
import os
import ssl
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies
from urllib3.util.retry import Retry

from deploy import credentials, plain_http, registry_auth
from deploy.causes import explain
from deploy.values.errors import BuildError
from deploy.values.manifest import INDEXES, MANIFESTS, Manifest
from deploy.values.settings import Settings

CONNECT_SECONDS = 5.0
READ_SECONDS = 30.0


class Registry:
    """A registry, by its address.

    Safe to use from several threads: its session only reads what it is given here, and tokens are locked.

    Args:
        address: `host[:port]`.
        login: sent when the registry asks for them, to it and to its token service only.
        ca: path of a file with the certificates to trust besides the system's.
        insecure: whether plain HTTP is allowed besides TLS.
        connect_seconds, read_seconds: bounds on each connection and each wait for an answer.

    Every method raises BuildError, naming the registry and the cause in its own words.
    """

    def __init__(
        self,
        address: str,
        *,
        login: credentials.Credentials | None = None,
        ca: str | None = None,
        insecure: bool = False,
        connect_seconds: float = CONNECT_SECONDS,
        read_seconds: float = READ_SECONDS,
    ) -> None:
        self.address = address
        self._host = "registry-1.docker.io" if address in ("docker.io", "index.docker.io") else address
        self._insecure = insecure and not ca
        self._timeout = (connect_seconds, read_seconds)
        self._ca = ca
        self._session = requests.Session()
        # No ~/.netrc and no REQUESTS_CA_BUNDLE: credentials and trust are those of the settings.
        self._session.trust_env = False
        self._session.mount("http://", _Adapter())
        self._scheme_lock = threading.Lock()
        self._scheme = ""
        self._answers = registry_auth.Answers(login, self._fetch_token)

    def ping(self) -> None:
        """Check that it is a registry v2 and takes the credentials.

        Raises:
            BuildError: it is not reachable, refuses the credentials, or is something else.
        """
        response = self._request("GET", "", "")
        if response.status_code != 200:
            raise self._failure("is not a registry v2 server", _words(response))

    def manifest(self, repository: str, reference: str) -> Manifest:
        """The manifest of a tag or digest.

        Raises:
            BuildError: it is not there, or its bytes do not fit the digest that was asked for.
        """
        path = f"{repository}/manifests/{reference}"
        response = self._request("GET", path, repository, {"Accept": ", ".join(INDEXES + MANIFESTS)})
        self.check(response, f"the manifest {repository}:{reference}")
        digest = "sha256:" + hashlib.sha256(response.content).hexdigest()
        if reference.startswith("sha256:") and digest != reference:
            raise self._failure(
                f"sent a manifest that does not fit {reference}", f"its content has digest {digest}"
            )
        content = self._json(response, f"{repository}:{reference}")
        media_type = content.get("mediaType") or response.headers.get("Content-Type", "").partition(";")[0]
        return Manifest(media_type=media_type, digest=digest, content=content, size=len(response.content))

    def image_manifest(self, repository: str, reference: str, platform: str = "") -> Manifest:
        """The manifest of one image; of an index, the one for `platform` (`os/architecture`).

        Raises:
            BuildError: it is not there, or the index has no such platform.
        """
        manifest = self.manifest(repository, reference)
        if not manifest.is_index:
            return manifest
        digest = manifest.platforms.get(platform)
        if digest is None:
            has = ", ".join(sorted(manifest.platforms)) or "nothing"
            raise self._failure(f"has {repository}:{reference} not for {platform or 'this'}", f"it has {has}")
        return self.manifest(repository, digest)

    def digest(self, repository: str, reference: str) -> str | None:
        """The digest that a tag or digest stands for; None when the registry does not have it."""
        path = f"{repository}/manifests/{reference}"
        response = self._request("HEAD", path, repository, {"Accept": ", ".join(INDEXES + MANIFESTS)})
        if response.status_code == 404:
            return None
        self.check(response, f"{repository}:{reference}")
        return response.headers.get("Docker-Content-Digest") or self.manifest(repository, reference).digest

    def config(self, repository: str, digest: str) -> dict[str, Any]:
        """The configuration of an image, by its own digest (`Manifest.config`)."""
        response = self._request("GET", f"{repository}/blobs/{digest}", repository)
        self.check(response, f"the configuration {digest} of {repository}")
        if "sha256:" + hashlib.sha256(response.content).hexdigest() != digest:
            raise self._failure(f"sent a configuration that does not fit {digest}", "its storage is damaged")
        return self._json(response, digest)

    def blob_size(self, repository: str, digest: str) -> int | None:
        """Bytes of a blob as the registry states them; None when it does not have it."""
        response = self._request("HEAD", f"{repository}/blobs/{digest}", repository)
        if response.status_code == 404:
            return None
        self.check(response, f"the blob {digest}")
        return int(response.headers.get("Content-Length", 0))

    def blob_exists(self, repository: str, digest: str) -> bool:
        """Whether a blob can be read: its first byte is asked for.

        A HEAD is not enough: registry 2.8 answers it from a cache that does not notice a garbage collection.
        """
        headers = {"Range": "bytes=0-0"}
        response = self._request("GET", f"{repository}/blobs/{digest}", repository, headers, stream=True)
        with response:
            if response.status_code == 404:
                return False
            self.check(response, f"the blob {digest}")
            try:
                return bool(next(response.iter_content(1), b""))
            except requests.RequestException:
                # The header was promised from the cache, then there was no content to send.
                return False

    def tags(self, repository: str) -> tuple[str, ...]:
        """The tags of a repository, sorted; none when it does not exist."""
        return tuple(sorted(self._pages(f"{repository}/tags/list?n=1000", repository, "tags")))

    def repositories(self) -> tuple[str, ...]:
        """Every repository that the registry has, or shows to these credentials, sorted."""
        return tuple(sorted(self._pages("_catalog?n=1000", "", "repositories")))

    def delete(self, repository: str, digest: str) -> bool:
        """Delete a manifest by its digest, and with it every tag on it; whether it was there.

        Raises:
            BuildError: the registry does not delete (405: off by default), or is read-only.
        """
        path = f"{repository}/manifests/{digest}"
        response = self._request("DELETE", path, repository, actions="pull,push,delete")
        if response.status_code == 404:
            return False
        if response.status_code == 405:
            raise BuildError(
                f"The registry {self.address} does not delete.",
                why=_words(response),
                advice="It is off by default: set REGISTRY_STORAGE_DELETE_ENABLED=true for its container. If "
                "it is set, the registry is read-only at the moment.",
                step="registry",
            )
        self.check(response, f"to delete {repository}@{digest}")
        return True

    def write(
        self, method: str, where: str, repository: str, *, content: bytes | None = None, media_type: str = ""
    ) -> requests.Response:
        """A request that changes a repository, to a path or to an address that an answer gave."""
        headers = {"Content-Type": media_type} if media_type else {}
        return self._request(method, where, repository, headers, actions="pull,push", data=content)

    def relay(self, method: str, path: str, repository: str, headers: Mapping[str, str]) -> requests.Response:
        """An answer as it comes, whatever its status; its content is still to be read."""
        return self._request(method, path, repository, headers, stream=True)

    def check(self, response: requests.Response, wanted: str) -> None:
        """Refuse an answer that is none.

        Raises:
            BuildError: says what was asked for, and what it answered.
        """
        if response.status_code >= 400:
            words = f"{response.status_code} {response.reason}: {_words(response)}".rstrip(": ")
            raise self._failure("", f"asked for {wanted}, it answered {words}")

    def _pages(self, path: str, repository: str, key: str) -> Iterator[str]:
        """The entries of a list that comes in pages; none when it does not exist."""
        while path:
            response = self._request("GET", path, repository)
            if response.status_code == 404:
                return
            self.check(response, f"the {key} of {repository or 'it'}")
            yield from self._json(response, key).get(key) or ()
            _, _, path = response.links.get("next", {}).get("url", "").partition("/v2/")

    def _request(
        self,
        method: str,
        path: str,
        repository: str,
        headers: Mapping[str, str] | None = None,
        *,
        stream: bool = False,
        actions: str = "pull",
        data: Any = None,
    ) -> requests.Response:
        """One request, with an answer to the registry's challenge when it makes one."""
        base = self._base()
        url = path if "://" in path else f"{base}/v2/{path}"
        catalog = "registry:catalog:*" if path.startswith("_catalog") else ""
        scope = f"repository:{repository}:{actions}" if repository else catalog
        own = url.startswith(f"{base}/")
        sent = {**(headers or {}), **(self._answers.header(scope) if own else {})}
        response = self._send(method, url, sent, stream=stream, data=data)
        if response.status_code != 401 or not own:
            return response
        challenge = response.headers.get("WWW-Authenticate", "")
        answer = self._answers.answer(challenge, scope)
        if answer and answer.get("Authorization") != sent.get("Authorization"):
            response.close()
            response = self._send(method, url, {**(headers or {}), **answer}, stream=stream, data=data)
        if response.status_code == 401:
            raise self._failure("", f"401 unauthorized: {_words(response)}")
        return response

    def _send(
        self, method: str, url: str, headers: Mapping[str, str], *, stream: bool = False, data: Any = None
    ) -> requests.Response:
        # The engine never uses a proxy for loopback, whatever the environment says.
        proxies = {} if plain_http.is_loopback(self._host) else get_environ_proxies(url)
        try:
            return self._session.request(
                method,
                url,
                headers=dict(headers),
                data=data,
                proxies=proxies,
                timeout=self._timeout,
                stream=stream,
                allow_redirects=True,
            )
        except requests.exceptions.ConnectTimeout as error:
            raise self._failure(f"did not take a connection within {self._timeout[0]:g} s", "") from error
        except requests.exceptions.Timeout as error:
            raise self._failure(f"did not answer within {self._timeout[1]:g} s", "") from error
        except requests.RequestException as error:
            raise self._failure("", _root_cause(error)) from error

    def _fetch_token(self, method: str, url: str, headers: Mapping[str, str], data: Any) -> dict[str, Any]:
        """An answer of the token service that a challenge names."""
        if not url.startswith("https://") and self._base().startswith("https://"):
            raise self._failure("names a token service without TLS", url)
        response = self._send(method, url, headers, data=data)
        if response.status_code in (400, 401, 403):
            raise self._failure("", f"{response.status_code} unauthorized: {_words(response)}")
        self.check(response, f"a token from {url}")
        return self._json(response, "a token")

    def _base(self) -> str:
        with self._scheme_lock:
            if not self._scheme:
                self._scheme = self._find_scheme() if self._insecure else "https"
                if self._scheme == "https":
                    # Only now: reading the system's authorities takes 40 ms.
                    self._session.mount("https://", _Adapter(self._tls()))
            return f"{self._scheme}://{self._host}"

    def _find_scheme(self) -> str:
        """HTTP where it is allowed and spoken; asked without credentials.

        A TLS server refuses plain HTTP by an answer 400 (Go, nginx) or by closing the connection.
        """
        try:
            response = self._session.get(
                f"http://{self._host}/v2/", timeout=self._timeout, allow_redirects=False
            )
        except (requests.exceptions.ChunkedEncodingError, requests.exceptions.ConnectionError) as error:
            words = _root_cause(error).lower()
            if "refused" in words or isinstance(error, requests.exceptions.ConnectTimeout):
                raise self._failure("", words) from error
            return "https"
        except requests.exceptions.Timeout as error:
            raise self._failure(f"did not answer within {self._timeout[1]:g} s", "") from error
        moved_to_tls = response.headers.get("Location", "").startswith("https://")
        return "https" if response.status_code == 400 or moved_to_tls else "http"

    def _json(self, response: requests.Response, name: str) -> dict[str, Any]:
        try:
            content = json.loads(response.content)
        except ValueError as error:
            raise self._failure(f"sent something else than JSON for {name}", str(error)) from error
        if not isinstance(content, dict):
            raise self._failure(f"sent something else than a JSON object for {name}", "")
        return content

    def _tls(self) -> ssl.SSLContext:
        """The system's authorities, as Docker uses them, and REGISTRY_CA's."""
        context = ssl.create_default_context()
        try:
            if self._ca:
                context.load_verify_locations(cafile=self._ca)
        except (OSError, ssl.SSLError) as error:
            raise BuildError(
                f"REGISTRY_CA={self._ca} is not a file of certificates.",
                why=str(error),
                advice="Give it the certificate of the authority that signed the registry's, as PEM.",
                step="registry",
            ) from error
        return context

    def _failure(self, what: str, why: str) -> BuildError:
        cause = explain(f"{what} {why}", self.address)
        return BuildError(
            f"The registry {self.address} {what or cause.what}.",
            why=why,
            advice=cause.advice,
            step="registry",
        )


class _Adapter(HTTPAdapter):
    """Connections that trust what the context trusts, kept for several threads."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self._context = context
        # A restarted registry or a proxy before it: worth one more try, unlike a wait that ran out.
        retries = Retry(
            total=2, connect=0, other=0, read=False, status=2, status_forcelist=(502, 503, 504),
            backoff_factor=0.3, raise_on_status=False,
        )  # fmt: skip
        super().__init__(max_retries=retries, pool_maxsize=16)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs, ssl_context=self._context)

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        return super().proxy_manager_for(*args, **kwargs, ssl_context=self._context)


def _words(response: requests.Response) -> str:
    """What a registry says of a failure: the errors of its JSON, else the text's first line."""
    try:
        errors = response.json()["errors"]
        return "; ".join(f"{e['code']}: {e.get('message', '')}{_detail(e.get('detail'))}" for e in errors)
    except (ValueError, KeyError, TypeError):
        return response.text.strip().partition("\n")[0][:200]


def _detail(detail: object) -> str:
    """What stands beside an error; registry 2.8 gives its system's errors there, as numbers of Linux."""
    enclosed = detail.get("Enclosed") if isinstance(detail, dict) else None
    if isinstance(enclosed, dict) and isinstance(enclosed.get("Err"), int):
        return f" ({enclosed.get('Op')} {enclosed.get('Path')}: {os.strerror(enclosed['Err']).lower()})"
    return f" ({str(detail)[:200]})" if detail else ""


def _root_cause(error: BaseException) -> str:
    """The words of the innermost exception: requests and urllib3 wrap it in two or three others."""
    inner: object = error
    while isinstance(inner, BaseException):
        text = str(inner)
        following = getattr(inner, "reason", None) or next(iter(inner.args), None)
        inner = following if isinstance(following, BaseException) else inner.__cause__
    return text


def open_registry(settings: Settings, info: Mapping[str, Any] | None) -> Registry:
    """The settings' registry, with their credentials or those of `docker login`.

    Args:
        info: the local engine's `info`, for what it lists as insecure; None when there is no engine.

    Raises:
        InputError: the Docker configuration or its credential helper cannot be read.
    """
    password = settings.registry_password.get_secret_value() if settings.registry_password else None
    return Registry(
        settings.registry,
        login=credentials.find(settings.registry, settings.registry_user, password),
        ca=settings.registry_ca,
        insecure=plain_http.allowed(settings.registry, info),
    )
