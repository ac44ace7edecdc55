from pathlib import Path

from deploy.profiles import EXAMPLE, load
from deploy.values.example import example

ROOT = Path(__file__).parents[2]


def test_the_committed_file_is_what_the_model_makes() -> None:
    assert (ROOT / EXAMPLE).read_text(encoding="utf-8") == example(), (
        "python -m deploy.values.example > .env.example"
    )


def test_it_describes_the_sandbox(tmp_path: Path) -> None:
    (tmp_path / EXAMPLE).write_text(example(), encoding="utf-8")

    settings = load(tmp_path, "dev", {})

    assert settings.hosts_sandbox
    assert settings.registry == "sandbox"
    assert settings.app_source == "examples/hello"
    assert settings.sandbox_hosts == 2
    assert EXAMPLE in settings.notes[0]
