"""Small jars with what Spring Boot writes into one, for tests that need not run them."""

import zipfile
from collections.abc import Mapping
from pathlib import Path

LAUNCHER = "org.springframework.boot.loader.launch.JarLauncher"

LAYERS = """\
- "dependencies":
  - "BOOT-INF/lib/"
- "spring-boot-loader":
  - "org/"
- "snapshot-dependencies":
- "application":
  - "BOOT-INF/classes/"
  - "BOOT-INF/classpath.idx"
  - "BOOT-INF/layers.idx"
  - "META-INF/"
"""


def write_jar(
    path: Path, manifest: Mapping[str, str] | None, files: Mapping[str, bytes] | None = None
) -> Path:
    """A jar with that manifest (None: without one) and those files."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        if manifest is not None:
            lines = "".join(f"{name}: {value}\r\n" for name, value in manifest.items())
            archive.writestr("META-INF/MANIFEST.MF", f"Manifest-Version: 1.0\r\n{lines}\r\n")
        for name, content in (files or {}).items():
            archive.writestr(name, content)
    return path


def write_boot_jar(
    path: Path,
    *,
    version: str = "1.0.0",
    launcher: str = LAUNCHER,
    boot_version: str = "3.5.0",
    layers: str | None = LAYERS,
    actuator: bool = True,
    page: str = "hello",
) -> Path:
    """An executable Spring Boot jar, as far as its manifest, index and names go."""
    manifest = {
        "Implementation-Version": version,
        "Main-Class": launcher,
        "Start-Class": "com.example.Application",
        "Spring-Boot-Version": boot_version,
        "Spring-Boot-Classes": "BOOT-INF/classes/",
        "Spring-Boot-Lib": "BOOT-INF/lib/",
    }
    files = {"BOOT-INF/classes/page.txt": page.encode(), "BOOT-INF/lib/spring-web-6.2.0.jar": b"web"}
    if actuator:
        files["BOOT-INF/lib/spring-boot-actuator-3.5.0.jar"] = b"actuator"
    if layers is not None:
        manifest["Spring-Boot-Layers-Index"] = "BOOT-INF/layers.idx"
        files["BOOT-INF/layers.idx"] = layers.encode()
    return write_jar(path, manifest, files)
