"""Finding an app by its name."""

import sys
from pathlib import Path
from uuid import uuid4

import pytest

from placet import errors
from placet.loading import load

APP = """
from placet import Context, Placet
app = Placet()
other = Placet()
number = 3
@app.workflow("flow")
async def flow(ctx: Context, input: int) -> int:
    return input
"""


class Project:
    """A directory with modules that nobody has imported before."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.name = f"project_{uuid4().hex}"

    def write(self, source: str) -> str:
        (self._path / f"{self.name}.py").write_text(source)
        return self.name


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return Project(tmp_path)


def test_an_app_in_the_current_directory_is_found(project: Project) -> None:
    """``module:attribute`` gives the app, without any set-up of paths."""
    module = project.write(APP)

    app = load(f"{module}:app")

    assert list(app.workflows) == [("flow", 1)]


@pytest.mark.parametrize("spec", ["workflows", "workflows:", ":app", ""])
def test_a_name_has_two_parts(spec: str) -> None:
    """A module and an attribute, with a colon between them."""
    with pytest.raises(errors.SpecInvalid, match=r"write module:attribute, e\.g\. myproject\.workflows:app"):
        load(spec)


def test_a_module_that_is_not_there_says_so() -> None:
    """Its name is in the message."""
    with pytest.raises(errors.ModuleNotImportable, match="ModuleNotFoundError: No module named 'nosuchmodule'"):
        load("nosuchmodule.workflows:app")


def test_a_module_that_raises_says_why(project: Project) -> None:
    """One line says what happened; the traceback is chained for those who need it."""
    module = project.write("1 / 0")

    with pytest.raises(errors.ModuleNotImportable, match=f"{module} does not import: ZeroDivisionError") as raised:
        load(f"{module}:app")

    assert isinstance(raised.value.__cause__, ZeroDivisionError)
    assert "\n" not in str(raised.value)


def test_a_missing_attribute_lists_the_apps(project: Project) -> None:
    """A misspelt name is answered with those that there are."""
    module = project.write(APP)

    with pytest.raises(errors.AppNotFound, match="has no 'ap'; the apps in it: app, other"):
        load(f"{module}:ap")


def test_something_else_is_not_an_app(project: Project) -> None:
    """Nor is something else taken for an app."""
    module = project.write(APP)

    with pytest.raises(errors.NotAnApp, match="number is a int, not a Placet; the apps in that module: app, other"):
        load(f"{module}:number")


def test_an_app_without_workflows_is_a_mistake(project: Project) -> None:
    """An executor with nothing to run does not start and wait for ever."""
    module = project.write(APP)

    with pytest.raises(errors.NoWorkflows):
        load(f"{module}:other")


def test_all_of_these_are_answered_in_one_line() -> None:
    """Commands print them without a traceback."""
    assert issubclass(errors.SpecInvalid, errors.AppError)
    assert issubclass(errors.AppError, errors.CommandError)
