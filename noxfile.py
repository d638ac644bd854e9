"""What has to hold on more than one interpreter. `make test-all` runs `tests`."""

import tarfile
import zipfile
from pathlib import Path

import nox

nox.options.sessions = ["tests", "wheel", "lint", "docs"]
nox.options.default_venv_backend = "venv"
ROOT = Path(__file__).parent


@nox.session(python=["3.10", "3.11", "3.12", "3.13"])
def tests(session: nox.Session) -> None:
    """Install as a user does and run the tests against what was installed."""
    session.install(".[test]")
    session.run("pytest", *session.posargs)


@nox.session
def wheel(session: nox.Session) -> None:
    """Build the sdist, and the wheel from it; look into both, and use the wheel."""
    session.install("build")
    out = Path(session.create_tmp()).resolve() / "dist"
    for old in out.glob("*"):
        old.unlink()
    session.run("python", "-m", "build", "--outdir", str(out), str(ROOT))
    (sdist,), (built,) = out.glob("*.tar.gz"), out.glob("*.whl")
    with tarfile.open(sdist) as archive:
        packed = {name.partition("/")[2] for name in archive.getnames()}
    with zipfile.ZipFile(built) as archive:
        shipped = set(archive.namelist())
    sources = {p.relative_to(ROOT).as_posix() for p in ROOT.glob("src_cy/**/*.p[yx]*")}
    stubs = {p.relative_to(ROOT).as_posix() for p in ROOT.glob("routilux/**/*.pyi")}
    if missing := (sources | stubs) - packed:
        session.error(f"not in the sdist: {sorted(missing)}")
    if missing := (stubs | {"routilux/py.typed"}) - shipped:
        session.error(f"not in the wheel: {sorted(missing)}")
    generated = {n for n in packed if n.endswith((".c", ".so", ".pyd", ".html"))}
    strange = {n for n in shipped if n.endswith((".c", ".h", ".pyx", ".pxd", ".html"))}
    strange |= {n for n in shipped if not n.startswith("routilux")}
    if generated or strange:
        session.error(f"must not be packed: {sorted(generated | strange)}")
    session.install(f"routilux[test] @ {built.as_uri()}")
    session.run("pytest", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Run `make lint` with the tools of the `dev` extra, on what was installed."""
    session.install(".[dev]")
    session.run("make", "lint", f"BUILT={session.create_tmp()}", external=True)


@nox.session
def docs(session: nox.Session) -> None:
    """Build the pages; a warning is an error."""
    session.install(".[docs]")
    session.run("make", "docs", external=True)
