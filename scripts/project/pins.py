"""The pins of pip and conda, made from the requirements that backends and codecs declare.

`pyproject.toml` names by hand what the workflow itself needs. A declared package that it doesn't name goes into the
extra `all`. The same two sets have the same names for pip and conda: the core is what a plain run needs, in
`requirements/run.txt` and `envs/core.yaml`; all is what every backend and codec needs, in `requirements/all.txt` and
`envs/all.yaml`. The versions of the other environments are those of `pyproject.toml`.
"""

import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

from scripts import backends, codecs
from scripts.common import digests
from scripts.common.errors import UserError
from scripts.common.requirements import distribution, pins
from scripts.plan.available import CONDA_PYTHON

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
CONDA_NAMES = {"lmdb": "python-lmdb", "matplotlib": "matplotlib-base"}
"""What conda-forge calls distributions that have another name there."""
ENVIRONMENT = f"""channels:
  - conda-forge
  - nodefaults
dependencies:
  - python={CONDA_PYTHON}
"""
EXTRA_LIST = re.compile(rf"(?<=^{EXTRA} = \[\n).*?(?=^\]$)", re.MULTILINE | re.DOTALL)
CONDA_PIN = re.compile(r"(?<=^  - )([a-z0-9-]+)=[^=\s]+$", re.MULTILINE)


def declared() -> dict[str, str]:
    """Return the requirement of each distribution that a backend or codec declares, sorted by name.

    Raises UserError where two of them declare different requirements of one distribution.
    """
    found: dict[str, str] = {}
    packages = [backends.load(name).packages for name in backends.names()]
    packages += [codecs.load(name).packages for name in codecs.names()]
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
    extra = {name: one for name, one in requirements.items() if name not in core}
    project = EXTRA_LIST.sub("".join(f'    "{requirement}",\n' for requirement in extra.values()), project)
    core_lines = ENVIRONMENT
    for name in ("numpy", *(name for name in requirements if name in core)):
        core_lines += f"  - {CONDA_NAMES.get(name, name)}={core[name].split('==')[1]}\n"
    all_lines = core_lines + "  - pip\n  - pip:\n" + "".join(f"      - {one}\n" for one in extra.values())
    texts = {PROJECT: project, "envs/core.yaml": core_lines, "envs/all.yaml": all_lines}
    for path in sorted((digests.CHECKOUT / "envs").glob("*.yaml")):
        name = str(path.relative_to(digests.CHECKOUT))
        if name not in texts:
            texts[name] = _with_versions(path.read_text(), core)
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


def _with_versions(environment: str, core: dict[str, str]) -> str:
    """An environment's text with the versions of the project's own dependencies."""
    pip_names = {conda: name for name, conda in CONDA_NAMES.items()}

    def pinned(found: re.Match[str]) -> str:
        requirement = core.get(pip_names.get(found[1], found[1]))
        return f"{found[1]}={requirement.split('==')[1]}" if requirement else found[0]

    return CONDA_PIN.sub(pinned, environment)


def _holds(path: str, project: str) -> bool:
    """Whether a requirement file has every version that the project pins for it."""
    pinned = {(name, version) for name, version, _ in pins(digests.CHECKOUT / path)}
    extras = tomllib.loads(project)["project"]["optional-dependencies"]
    needed = [*_dependencies(project), *(one for extra in REQUIREMENTS[path] for one in extras[extra])]
    return {tuple(requirement.partition(";")[0].strip().split("==")) for requirement in needed} <= pinned


def _dependencies(project: str) -> list[str]:
    dependencies: list[str] = tomllib.loads(project)["project"]["dependencies"]
    return dependencies


def _read(path: str) -> str:
    return (digests.CHECKOUT / Path(path)).read_text()
