"""The parts of README.md that follow from the program; run as a module it prints them for pasting."""

from deploy.values.describe import text_of
from deploy.values.keys import APP_ENV, SECRET
from deploy.values.known import known_keys
from deploy.values.settings import Settings
from tests.support.clone import ROOT

REQUIRED = {"APP_NAME", "REGISTRY", "HOSTS"}


def key_table() -> str:
    """Every key, with its meaning and its default."""
    rows = [f"| `{name}` | {key.doc} | {_default(name)} |" for name, key in known_keys().items()]
    free = [
        f"| `{APP_ENV}X` | Reaches the container as X. | |",
        f"| `{SECRET}X` | Reaches the container as X too, and is masked everywhere. | |",
    ]
    return "\n".join(["| Key | Meaning | Default |", "|---|---|---|", *rows, *free])


def _default(name: str) -> str:
    if name in REQUIRED:
        return "required"
    default = Settings.model_fields[name.lower()].default
    text = text_of(name, default)
    return f"`{text}`" if text else ""


def task_table() -> str:
    """Every task, with the first line of its help."""
    import tasks

    names = tasks.namespace.task_names
    lines = {name: (tasks.namespace[name].__doc__ or "").strip().partition("\n")[0] for name in names}
    rows = [f"| `{name}` | {line} |" for name, line in lines.items()]
    return "\n".join(["| Task | |", "|---|---|", *rows])


def readme() -> str:
    """The text of README.md."""
    return (ROOT / "README.md").read_text()


if __name__ == "__main__":
    print(task_table(), key_table(), sep="\n\n")
