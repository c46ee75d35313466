"""Recording and alert rules: about what the library emits, tested by promtool, and each explained."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest
import yaml

from agentcore_metering.telemetry.prometheus import emitted
from tests.grafana.documents import COLLECTOR, ROOT, RULE_FILES, Rule, parse, rules, selectors

RULES = rules()
RECORDED = {rule.name for rule in RULES if not rule.is_alert}
ALERTS = [rule for rule in RULES if rule.is_alert]
UNIT_TESTS = ROOT / "tests/grafana/rules/alerts_test.yaml"
EMITTED = emitted()

every_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
every_alert = pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule.name)
needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="needs promtool (Debian: apt-get install prometheus or promtool)"
)


@every_rule
def test_rule_parses(rule: Rule) -> None:
    parse(rule.expression)


@every_rule
def test_rule_asks_for_what_is_emitted_or_recorded(rule: Rule) -> None:
    for selector in selectors(rule.expression):
        if COLLECTOR.search(selector.name) or selector.name in RECORDED:
            continue
        assert selector.name in EMITTED, f"nobody emits {selector.name}"
        assert selector.labels <= EMITTED[selector.name]


@every_rule
def test_totals_do_not_use_increase(rule: Rule) -> None:
    assert "increase(" not in rule.expression


@every_rule
def test_a_sum_of_cost_keeps_the_currency(rule: Rule) -> None:
    if "agentcore_metering_cost_total" in rule.expression:
        assert "sum by" in rule.expression
        assert all("gen_ai_usage_cost_currency" in by for by in re.findall(r"sum by \(([^)]*)\)", rule.expression))


@every_alert
def test_alert_says_how_bad_it_is_and_what_it_is(rule: Rule) -> None:
    assert rule.document["labels"]["severity"] in ("warning", "critical")
    assert rule.document["annotations"]["summary"]


@every_alert
def test_alert_has_a_unit_test_in_which_it_fires(rule: Rule) -> None:
    tests = yaml.safe_load(UNIT_TESTS.read_text())["tests"]
    fired = {case["alertname"] for test in tests for case in test.get("alert_rule_test", ()) if case["exp_alerts"]}

    assert rule.name in fired


@every_alert
def test_alert_is_explained(rule: Rule) -> None:
    assert f"| `{rule.name}` |" in (ROOT / "docs/grafana.md").read_text()


@needs_promtool
def test_promtool_finds_the_rules_sound() -> None:
    subprocess.run(["promtool", "check", "rules", "--lint=all", *map(str, RULE_FILES)], check=True, timeout=60)


@needs_promtool
def test_alerts_fire_for_what_they_are_about() -> None:
    ended = subprocess.run(
        ["promtool", "test", "rules", str(UNIT_TESTS)], capture_output=True, text=True, timeout=60, check=False
    )

    assert ended.returncode == 0, ended.stdout + ended.stderr
