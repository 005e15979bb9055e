"""Save configs anew with the installed Transformers library, as a fine-tune or a conversion would: not with the
project's own Python, which does not have that library.

    python hack/oracle/resave.py CONFIGS RESAVED

CONFIGS is a folder of `config.json` files of any name; RESAVED gets one of the same name for each that the library
knows. `hack/oracle/resaved` compares what is read from both.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main() -> int:
    import transformers
    from transformers import CONFIG_MAPPING

    transformers.logging.set_verbosity_error()
    source, target = Path(sys.argv[1]), Path(sys.argv[2])
    target.mkdir(parents=True, exist_ok=True)
    saved, unknown = 0, 0
    for path in sorted(source.glob("*.json")):
        config = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(config, dict) or config.get("model_type") not in CONFIG_MAPPING:
            unknown += 1
            continue
        again = CONFIG_MAPPING[config["model_type"]].from_dict(config)
        (target / path.name).write_text(again.to_json_string(use_diff=True), encoding="utf-8")
        saved += 1
    print(f"transformers {transformers.__version__}: {saved} configs saved, {unknown} not of its own")
    return 0


if __name__ == "__main__":
    sys.exit(main())
