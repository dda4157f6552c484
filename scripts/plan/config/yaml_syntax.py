"""The syntax of config.yaml, checked before Snakemake reads the file: Snakemake's own errors are long."""

import json
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from scripts.common.errors import UserError, shown


def check(path: Path) -> None:
    """Raise UserError when a config file isn't a mapping of keys in YAML or JSON, or names a key twice."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        content = yaml.load(text.replace("\t", " ") if _is_json(text) else text, _Loader)
    except FileNotFoundError:
        return
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not in UTF-8 (byte {error.start + 1}); save it in that encoding") from None
    except OSError as error:
        raise UserError(f"{path} can't be read: {error.strerror}; put a readable file there") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f", line {mark.line + 1}" if mark else ""
        remedy = "indent with spaces" if "'\\t'" in str(error.problem) else "write keys as in `cutoffs: [10, 100]`"
        raise UserError(f"{path}{place}: {error.problem}; {remedy}") from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise UserError(f"{path} is no YAML ({shown(str(error).splitlines()[0])}); write it again") from None
    if not isinstance(content, dict):
        raise UserError(
            f"{path} holds no keys; write them as in `cutoffs: [10, 100]`, or get the file from the checkout"
        )


def _is_json(text: str) -> bool:
    """Whether Snakemake reads the text as JSON, which may be indented by tabs."""
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


class _Loader(yaml.SafeLoader):
    """A loader that refuses a repeated key, of which the usual loader takes the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key, _ in node.value:
            name = getattr(key, "value", None)
            if isinstance(name, str) and name in seen:
                raise yaml.constructor.ConstructorError(None, None, f"{shown(name)} is there twice", key.start_mark)
            seen.add(name if isinstance(name, str) else None)
        return super().construct_mapping(node, deep)
