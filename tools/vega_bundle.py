"""Make `bbo/reporting/data/vega.js`: Vega, Vega-Lite and vega-embed as one script, which pages embed.

Needs the package vl-convert-python (not a dependency of this project): `pip install vl-convert-python`, then run this script. It needs
no network: the package holds the libraries. They are under the BSD 3-clause licence; `data/LICENSE-vega` is its text.
"""

from __future__ import annotations

from pathlib import Path

TARGET = Path(__file__).parents[1] / "bbo" / "leaderboard" / "data" / "vega.js"


def main() -> None:
    import vl_convert

    script = vl_convert.javascript_bundle()
    if "</script" in script:
        raise SystemExit("the bundle would end the element that it is embedded in")
    TARGET.write_text(script)
    lite, embed = vl_convert.get_vegalite_versions()[-1], vl_convert.get_vega_embed_version()
    versions = f"Vega {vl_convert.get_vega_version()}, Vega-Lite {lite}, vega-embed {embed}"
    print(f"{TARGET}: {versions}, {len(script)} characters")


if __name__ == "__main__":
    main()
