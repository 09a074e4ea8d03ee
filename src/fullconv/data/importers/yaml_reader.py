"""YAML of a labelling tool, as text, lists and mappings."""

from pathlib import Path
from typing import Any

from fullconv.data.checks.findings import DataError


def read_yaml(file: Path) -> Any:
    """The content of a YAML file; every scalar is text, so a class called 'no' stays one.

    No tag makes an object. Raises UserError (DataError) naming the file where it is broken.
    """
    import yaml

    try:
        text = file.read_bytes().decode("utf-8-sig")
        return yaml.load(text, yaml.BaseLoader)  # builds text, lists and mappings only
    except OSError as error:
        raise DataError(file, f"cannot be read: {error.strerror}", code="FC-FILE-001") from error
    except UnicodeDecodeError:
        raise DataError(file, "is not UTF-8 text", "", "save it as UTF-8",
                        "FC-IMPORT-066") from None  # fmt: skip
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        said = " ".join(str(error).split())[:200]
        raise DataError(file, f"is not valid YAML: {said}", "a truncated or damaged file",
                        "export it again", "FC-IMPORT-066") from None  # fmt: skip
