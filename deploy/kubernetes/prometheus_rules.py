"""Prometheus' rules as the Prometheus Operator takes them: `make rules`.

The rules themselves are in deploy/prometheus/rules, for any Prometheus; here they are
put behind the head that a cluster asks for, letter by letter, and a test says that the
committed file is still what comes of them.
"""

from pathlib import Path
from textwrap import indent

RULES = Path(__file__).parents[1] / "prometheus/rules"
FILE = Path(__file__).parent / "components/monitoring/prometheusrule.yaml"
NOTE = "# Made by `make rules` of deploy/prometheus/rules: change those.\n"
HEAD = """apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: servery-{name}
spec:
"""


def build() -> str:
    """One resource for each file of rules."""
    resources = [
        HEAD.format(name=file.stem) + indent(file.read_text("utf-8"), "  ")
        for file in sorted(RULES.glob("*.yml"))
    ]
    return NOTE + "---\n".join(resources)


if __name__ == "__main__":
    FILE.write_text(build(), "utf-8")
