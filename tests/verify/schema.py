"""schemathesis over the document of the HTTP interface, with tokens of every role, of none, and of the roles that are asked for."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Final

from controller.daemon.access import Role
from tests.controller.api.schemathesis_runs import run_over_document

#: Examples of each operation with a token that it is for, and with any token.
EXAMPLES: Final = 2000
EXAMPLES_OF_ROLE: Final = 100
#: The word for a token that nobody knows.
NOBODY: Final = "nobody"


def conforms(out: Path, examples: int = EXAMPLES, of_role: int = EXAMPLES_OF_ROLE) -> dict[str, str]:
    """Return whether nothing was found, by whose token it was, with what was said in ``OUT/schema-WHOSE.txt``."""
    found, counted = {}, {}
    for role in ("", *Role, NOBODY):
        whose = role or "fitting"
        with tempfile.TemporaryDirectory() as folder:
            seen = run_over_document(Path(folder), "--max-examples", str(of_role if role else examples), role=role)
        (out / f"schema-{whose}.txt").write_text(seen.said)
        counted[whose] = {"cases": seen.cases, "operations": seen.operations, "left_out": seen.left_out}
        found[whose] = "passed" if seen.passed else "failed"
    (out / "schema.json").write_text(json.dumps(counted, indent=2) + "\n")
    return found
