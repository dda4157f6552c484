"""The pins of pip and conda, made from the requirements that backends, codecs and `scripts.stores.quality` declare.

`pyproject.toml` names by hand what the workflow itself needs. A declared package that it doesn't name goes into the
extra `all`, and into the packages that pip installs in `envs/all.yaml`. The environments name their other packages by
hand, of the versions in `pyproject.toml`.
"""

import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from scripts import backends, codecs
from scripts.common import digests
from scripts.common.errors import UserError
from scripts.common.requirements import distribution, pins
from scripts.dataset import sources
from scripts.stores import quality

PROJECT = "pyproject.toml"
EXTRA = "all"
REQUIREMENTS = {
    "requirements/run.txt": (),
    "requirements/all.txt": ("all",),
    "requirements/slurm.txt": ("slurm",),
    "requirements/test.txt": ("all", "slurm", "test"),
}
"""The extras of each requirement file; all have the dependencies of the project."""
COMPILE = (
    *("uv", "pip", "compile", "--quiet", "--universal", "--generate-hashes", "--python-version", "3.11"),
    *("--no-header", "--no-annotate", PROJECT),
)
EXTRA_LIST = re.compile(rf"(?<=^{EXTRA} = \[\n).*?(?=^\]$)", re.MULTILINE | re.DOTALL)
PIP_LIST = re.compile(r"(?<=^  - pip:\n).+", re.MULTILINE | re.DOTALL)
CONDA_PIN = re.compile(r"(?<=^  - )([a-z0-9-]+)=[^=\s]+$", re.MULTILINE)


def declared() -> dict[str, str]:
    """Return the requirement of each distribution that a backend, a codec, a source or `quality` declares, sorted by
    name.

    Raises UserError where two of them declare different requirements of one distribution.
    """
    found: dict[str, str] = {}
    packages = [backends.load(name).packages for name in backends.names()]
    packages += [codecs.load(name).packages for name in codecs.names()]
    packages += [sources.load(name).packages for name in sources.names()]
    packages.append(quality.packages)
    for requirement in (requirement for one in packages for requirement in one.values()):
        name = distribution(requirement)
        if found.setdefault(name, requirement) != requirement:
            raise UserError(
                f"backends or codecs declare {found[name]} and {requirement}; declare the same requirement in all"
            )
    return dict(sorted(found.items()))


def behind() -> list[str]:
    """Return the files that aren't what the declarations make of them, as paths from the checkout."""
    texts = made(_read(PROJECT))
    outdated = [path for path, text in texts.items() if text != _read(path)]
    return outdated + [path for path in REQUIREMENTS if not _holds(path, texts[PROJECT])]


def made(project: str) -> dict[str, str]:
    """Return the text that each file must have but those with hashes, by its path from the checkout.

    `project` is the present text of pyproject.toml.
    """
    requirements = declared()
    for requirement in requirements.values():
        project = re.sub(rf'^    "{distribution(requirement)}==[^"]*",$', f'    "{requirement}",', project, flags=re.M)
    core = {distribution(one): one for one in _dependencies(project)}
    extra = [one for name, one in requirements.items() if name not in core]
    texts = {PROJECT: EXTRA_LIST.sub("".join(f'    "{one}",\n' for one in extra), project)}
    for path in sorted((digests.CHECKOUT / "envs").glob("*.yaml")):
        environment = PIP_LIST.sub("".join(f"      - {one}\n" for one in extra), path.read_text())
        texts[str(path.relative_to(digests.CHECKOUT))] = CONDA_PIN.sub(partial(_pinned, core), environment)
    return texts


def write() -> Iterator[str]:
    """Write each file that is behind, those with hashes by uv, and yield its path. Raises UserError where uv fails."""
    texts = made(_read(PROJECT))
    if not shutil.which("uv"):
        raise UserError(
            "uv, which finds the hashes of the pins, is not on the PATH; install it: python -m pip install uv"
        )
    for path, text in texts.items():
        if text != _read(path):
            (digests.CHECKOUT / path).write_text(text)
            yield path
    for path, extras in REQUIREMENTS.items():
        before = _read(path)
        # uv keeps the versions that stand in the file already, wherever they fit.
        command = [*COMPILE, *(f"--extra={extra}" for extra in extras), "--output-file", path]
        done = subprocess.run(command, cwd=digests.CHECKOUT, capture_output=True, text=True)
        if done.returncode:
            raise UserError(f"uv could not make {path}: {' '.join(done.stderr.split())}")
        if _read(path) != before:
            yield path


def _pinned(core: dict[str, str], found: re.Match[str]) -> str:
    """A package of an environment with the version that the project has of it, where it has one."""
    # At conda-forge some distributions are called python-NAME or NAME-base.
    requirement = core.get(found[1].removeprefix("python-").removesuffix("-base"))
    return f"{found[1]}={requirement.split('==')[1]}" if requirement else found[0]


def _holds(path: str, project: str) -> bool:
    """Whether a requirement file has every version that the project pins for it."""
    pinned = {(name, version) for name, versions in pins(digests.CHECKOUT / path).items() for version in versions}
    extras = tomllib.loads(project)["project"]["optional-dependencies"]
    needed = [*_dependencies(project), *(one for extra in REQUIREMENTS[path] for one in extras[extra])]
    return {tuple(requirement.partition(";")[0].strip().split("==")) for requirement in needed} <= pinned


def _dependencies(project: str) -> list[str]:
    dependencies: list[str] = tomllib.loads(project)["project"]["dependencies"]
    return dependencies


def _read(path: str) -> str:
    return (digests.CHECKOUT / Path(path)).read_text()
