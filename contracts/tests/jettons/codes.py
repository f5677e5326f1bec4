"""Prints the jetton contracts' code that the `ton-core` package carries, as JSON: name to BoC.

The package itself is not imported: it would want packages that nothing here needs.
"""

import ast
import importlib.util
import json
import pathlib

package = pathlib.Path(importlib.util.find_spec("ton_core").origin).parent
tree = ast.parse((package / "contrib/contracts/codes.py").read_text())
(table,) = [
    node.value
    for node in tree.body
    if isinstance(node, ast.AnnAssign) and node.target.id == "CONTRACT_CODES"
]
codes = {key.attr: value.value for key, value in zip(table.keys, table.values, strict=True)}
print(json.dumps({name: code for name, code in codes.items() if name.startswith("Jetton")}))
