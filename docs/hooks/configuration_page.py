"""The reference of the configuration, written from what the program itself reads.

MkDocs runs this as a hook. Groups, options, values and their comments come from ``conf/``; what a
setting may be comes from the types of ``pipeline.config``. A setting without a comment in either
place stops the build, so none is forgotten.
"""

import inspect
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from pydantic import BaseModel

from pipeline import config as typed
from pipeline.commands.arguments import CommandLine
from pipeline.commands.compose import CONF, plain
from pipeline.commands.explain import kinds_of
from pipeline.config import Config

PAGE = "reference/configuration.md"
_HEAD = """\
# Configuration

Every command composes its settings from the YAML files in `conf/` and checks them once; a setting
that breaks its rule is one sentence and exit status 2, before anything is written. Behind a command
(with `make`, in `ARGS="…"`):

- `group=option` takes another file of a group: `data=mnist`, `space/depth=deep`;
- `setting=value` changes one value: `search.trials=30`, `space.filters.choices=[8,16]`;
- `--cfg job` prints what would be used, `--help` lists all of it.

This page is written from those files and from the types that check them.
"""
_DIMENSION_KEYS = """\
A dimension has five settings: `choices`, a list of values, or else a range from `low` to `high`,
both included, drawn evenly on a logarithmic scale with `log=true`, or only every `step`. What is
not used is null; on the command line, whoever sets the list means no range, and the other way
round: `space.filters.choices=[8,16]`, or `space.filters.low=8 space.filters.high=32`.
"""
Schema = Mapping[str, Any]


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the page to the site."""
    files.append(File.generated(config, PAGE, content=page()))
    return files


def page() -> str:
    """Return the page as Markdown."""
    values = plain(CommandLine(command="sweep"))
    return "\n".join([_HEAD, *_root(values), *_groups(values)])


def _root(values: Mapping[str, Any]) -> Iterator[str]:
    comments = _comments(CONF / "config.yaml")
    settings = {name: value for name, value in values.items() if not (CONF / name).is_dir()}
    yield "## The sweep as a whole\n"
    yield from _settings_table(Config, settings, comments, prefix="")


def _groups(values: Mapping[str, Any]) -> Iterator[str]:
    """Yield a section for each group of the defaults list, which tells the story in order."""
    for entry in yaml.safe_load((CONF / "config.yaml").read_text())["defaults"]:
        for group, default in entry.items() if isinstance(entry, dict) else ():
            if not group.startswith("override "):
                yield from _group(group, default, values.get(group, {}))


def _group(group: str, default: str | None, values: Mapping[str, Any]) -> Iterator[str]:
    section = Config.model_fields.get(group)
    yield f"## `{group}`\n"
    if section is None:  # complete settings for a purpose, on top of the others
        yield f"Settings on top of all others; none by default, `{group}=…` takes one.\n"
        yield from _options_table(group, None)
        return
    kinds = kinds_of(group)
    model: Any = section.annotation
    if kinds:
        model = kinds[values["kind"]]
    assert inspect.isclass(model) and issubclass(model, BaseModel)
    yield f"{_markdown(inspect.cleandoc(model.__doc__ or ''))}\n"
    yield from _options_table(group, default)
    dimensions = {name: value for name, value in values.items() if (CONF / group / name).is_dir()}
    comments = _comments(CONF / group / f"{default}.yaml")
    own = {name: value for name, value in values.items() if name not in dimensions}
    if not kinds:  # what only another file of the group sets is a setting all the same
        for path in sorted((CONF / group).glob("*.yaml")):
            further = {
                k: v
                for k, v in _values(path).items()
                if k in model.model_fields and k not in own | dimensions
            }
            own |= further
            comments |= {name: text for name, text in _comments(path).items() if name in further}
    yield from _settings_table(model, own, comments, prefix=f"{group}.")
    for kind, other in kinds.items():
        if other is not model:
            path = CONF / group / f"{kind}.yaml"
            yield f"### `{group}={kind}`\n"
            yield f"{_markdown(inspect.cleandoc(other.__doc__ or ''))}\n"
            yield from _settings_table(other, _values(path), _comments(path), prefix=f"{group}.")
    if dimensions:
        yield _DIMENSION_KEYS
        chosen = _defaults(CONF / group / f"{default}.yaml")
        for name in dimensions:
            yield f"### `{group}/{name}`\n"
            yield from _options_table(f"{group}/{name}", chosen[name])


def _options_table(group: str, default: str | None) -> Iterator[str]:
    usual = {} if default is None else _values(CONF / group / f"{default}.yaml")
    files = sorted((CONF / group).glob("*.yaml"), key=lambda path: (path.stem != default, path))
    rows = []
    for path in files:
        values = _values(path)
        if "choices" in values:
            sets = _drawn(values)
        else:
            sets = _told({k: v for k, v in values.items() if usual.get(k, values) != v})
        mark = " (default)" if path.stem == default else ""
        rows.append((f"`{group}={path.stem}`{mark}", _what(path), sets))
    columns = 3 if any(sets for *_, sets in rows) else 2
    yield _row(("choose", "what it is", "values" if "choices" in usual else "sets")[:columns])
    yield _row(("---",) * columns)
    yield from (_row(row[:columns]) for row in rows)
    yield ""


def _drawn(values: Mapping[str, Any]) -> str:
    """Return in words what can be drawn of a dimension."""
    if values["choices"] is not None:
        return ", ".join(_code(value) for value in values["choices"])
    words = f"{_code(values['low'])} to {_code(values['high'])}"
    if values["step"] is not None:
        words += f" in steps of {_code(values['step'])}"
    return f"{words}, evenly on a log scale" if values["log"] else words


def _settings_table(
    model: type[BaseModel], values: Mapping[str, Any], comments: Mapping[str, str], prefix: str
) -> Iterator[str]:
    rows = list(_setting_rows(model, values, comments, prefix))
    if rows:
        yield _row(("setting", "default", "may be", "meaning"))
        yield _row(("---",) * 4)
        yield from rows
        yield ""


def _setting_rows(
    model: type[BaseModel], values: Mapping[str, Any], comments: Mapping[str, str], prefix: str
) -> Iterator[str]:
    schema = model.model_json_schema()
    remarks = _remarks(model)
    for name, value in values.items():
        field = model.model_fields[name].annotation
        about = comments.get(name) or remarks.get(name)
        if isinstance(value, dict) and inspect.isclass(field) and issubclass(field, BaseModel):
            below = {
                key.removeprefix(f"{name}."): comment
                for key, comment in comments.items()
                if key.startswith(f"{name}.")
            }
            inherited = dict.fromkeys(value, about) if about else {}
            yield from _setting_rows(
                field, value, inherited | _remarks(field) | below, f"{prefix}{name}."
            )
            continue
        if not about:
            raise PluginError(
                f"the setting {prefix}{name} has no comment, neither in conf/ nor in {model}"
            )
        rule = _rule(schema["properties"][name], schema)
        yield _row((f"`{prefix}{name}`", _code(value), rule, _markdown(about)))


def _rule(schema: Schema, root: Schema) -> str:
    """Return in words what a setting may be."""
    if "$ref" in schema:
        return _rule(root["$defs"][schema["$ref"].rpartition("/")[2]], root)
    if "anyOf" in schema:
        parts = dict.fromkeys(_rule(part, root) for part in schema["anyOf"])
        return (", or " if any(" of " in part for part in parts) else " or ").join(parts)
    if "const" in schema or "enum" in schema:
        return ", ".join(_code(value) for value in schema.get("enum", [schema.get("const")]))
    match schema.get("type"):
        case "null":
            return "null"
        case "boolean":
            return "true, false"
        case "integer":
            return f"whole number{_bounds(schema)}"
        case "number":
            return f"number{_bounds(schema)}"
        case "array":
            items = schema.get("items", {"type": "string"})
            return f"list of {_rule(items, root)}"
        case _:
            return "path" if schema.get("format") == "path" else "text"


def _bounds(schema: Schema) -> str:
    words = {
        "exclusiveMinimum": "above",
        "minimum": "from",
        "exclusiveMaximum": "below",
        "maximum": "to",
    }
    found = [f"{word} {schema[key]:g}" for key, word in words.items() if key in schema]
    return f" {' '.join(found)}" if found else ""


def _comments(path: Path) -> dict[str, str]:
    """Return the comments of a YAML file by dotted key.

    A comment stands behind its key; lines of comment below it go on with it.
    """
    found: dict[str, str] = {}
    key, above = "", list[tuple[int, str]]()
    for line in path.read_text(encoding="utf-8").splitlines():
        if entry := re.match(r"( *)([\w-]+):(?: .*?)??(?:\s+# (.*))?$", line):
            indent, name, comment = entry.groups()
            above = [*(item for item in above if item[0] < len(indent)), (len(indent), name)]
            key = ".".join(item[1] for item in above)
            if comment:
                found[key] = comment
        elif (more := re.match(r"\s*# (.*)$", line)) and key in found:
            found[key] += f" {more[1]}"
    return found


def _remarks(model: type[BaseModel]) -> dict[str, str]:
    """Return the ``#:`` comments of a model's fields, those of its bases included."""
    found: dict[str, str] = {}
    for base in reversed(model.__mro__):
        if base.__module__.startswith(typed.__name__):
            pattern = r"^    (\w+): .*#: (.*)$"
            found |= dict(re.findall(pattern, inspect.getsource(base), flags=re.MULTILINE))
    return found


def _what(path: Path) -> str:
    """Return the comment that a file opens with; its indented lines are commands."""
    words: list[str] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("# @package"):
            continue
        if not line.startswith("#"):
            break
        words.append(_code(line[1:].strip()) if line.startswith("#  ") else line[1:].strip())
    return _markdown(" ".join(words))


def _values(path: Path) -> dict[str, Any]:
    """Return an option's settings by dotted key, and its choices of other groups' options."""
    values: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    chosen = {f"{group}=": option for group, option in _defaults(path).items()}
    values.pop("defaults", None)
    values.pop("name", None)
    return chosen | dict(_flat(values))


def _defaults(path: Path) -> dict[str, str]:
    values = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    entries = [entry for entry in values.get("defaults", ()) if isinstance(entry, dict)]
    return {
        group.removeprefix("override /"): option
        for entry in entries
        for group, option in entry.items()
    }


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _told(values: Mapping[str, Any]) -> str:
    """Return an option's settings in one cell; nulls say nothing."""
    known = {name: value for name, value in values.items() if value is not None}
    return ", ".join(
        f"`{name}{'' if name.endswith('=') else '='}{_text(value)}`"
        for name, value in known.items()
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _code(value: Any) -> str:
    return f"`{_text(value)}`"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _markdown(text: str) -> str:
    """Return text for a cell: RST's double backticks become Markdown's single ones."""
    return text.replace("``", "`").replace("|", "\\|")
