"""The committed dashboards: made by the generator, sound as Grafana reads them, and asking for nothing that nobody sends."""

from __future__ import annotations

import copy
import json
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest

from agentcore_metering.telemetry.prometheus import RESOURCE_LABELS, emitted
from grafana.generate.__main__ import FOLDER, rendered
from tests.grafana.documents import (
    COLLECTOR,
    DASHBOARDS,
    VARIABLE,
    Target,
    default_values,
    filled_in,
    panels,
    parse,
    result_labels,
    selectors,
    targets,
    walk,
)

EMITTED = emitted()
UIDS = {"${datasource}": "prometheus", "${db}": "grafana-postgresql-datasource", "${tempo}": "tempo"}
OF_EVERYWHERE = {"__range", "__interval", "__rate_interval", "__timeFilter", "__url_time_range", "__all"}
TOTALS_OF_AN_ERROR = ("Failed", "failed", "Dropped", "Quarantined", "Unpriced", "Retries", "Interrupted", "refused")

every_dashboard = pytest.mark.parametrize("name", DASHBOARDS)
every_expression = pytest.mark.parametrize("target", targets("prometheus"), ids=lambda target: target.name)


def expression(target: Target) -> str:
    return filled_in(target.query["expr"], default_values(DASHBOARDS[target.dashboard]))


def real_panels(dashboard: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [panel for panel in panels(dashboard) if panel["type"] != "row"]


def test_committed_files_are_what_the_generator_writes() -> None:
    committed = {path.name: path.read_text() for path in FOLDER.glob("*.json")}

    assert committed == rendered(), "run: python -m grafana.generate"


def test_the_five_dashboards_are_there() -> None:
    assert set(DASHBOARDS) == {"overview", "cost", "reliability", "traces", "reconciliation"}


@every_dashboard
def test_dashboard_has_its_own_uid_and_cannot_be_edited_in_place(name: str) -> None:
    dashboard = DASHBOARDS[name]

    assert (dashboard["uid"], dashboard["editable"]) == (f"agentcore-metering-{name}", False)
    assert len(dashboard["uid"]) <= 40  # Grafana's limit
    assert dashboard["title"]
    assert dashboard["description"]
    assert "__inputs" not in dashboard  # files that are provisioned are not asked for inputs


@every_dashboard
def test_panels_have_ids_of_their_own(name: str) -> None:
    counts = Counter(panel["id"] for panel in panels(DASHBOARDS[name]))

    assert {number for number, count in counts.items() if count > 1} == set()


@every_dashboard
def test_panels_do_not_overlap_nor_reach_out_of_the_grid(name: str) -> None:
    cells: Counter[tuple[int, int]] = Counter()
    for panel in panels(DASHBOARDS[name]):
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24, panel["title"]
        cells.update(
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        )

    assert [cell for cell, count in cells.items() if count > 1] == []


@every_dashboard
def test_panels_say_what_they_show_and_in_which_unit(name: str) -> None:
    assert [panel["title"] for panel in real_panels(DASHBOARDS[name]) if not is_explained(panel)] == []


def is_explained(panel: Mapping[str, Any]) -> bool:
    """Whether it has a title, a sentence about itself and a unit."""
    return bool(panel["title"] and panel["description"].endswith(".") and panel["fieldConfig"]["defaults"].get("unit"))


@pytest.mark.parametrize("lost", ["title", "description", "unit"])
def test_a_panel_that_lost_its_words_or_unit_is_told(lost: str) -> None:
    panel = copy.deepcopy(real_panels(DASHBOARDS["overview"])[0])
    assert is_explained(panel)

    (panel["fieldConfig"]["defaults"] if lost == "unit" else panel)[lost] = ""  # type: ignore[index]

    assert not is_explained(panel)


@every_dashboard
def test_titles_are_not_repeated(name: str) -> None:
    counts = Counter(panel["title"] for panel in panels(DASHBOARDS[name]))

    assert {title for title, count in counts.items() if count > 1} == set()


@every_dashboard
def test_data_sources_are_variables(name: str) -> None:
    dashboard = DASHBOARDS[name]
    used = [target.query["datasource"] for target in targets() if target.dashboard == name]
    used += [variable["datasource"] for variable in dashboard["templating"]["list"] if "datasource" in variable]
    used += [annotation["datasource"] for annotation in dashboard["annotations"]["list"]]
    offered = {
        f"${{{variable['name']}}}": variable["query"]
        for variable in dashboard["templating"]["list"]
        if variable["type"] == "datasource"
    }

    assert all(offered.get(source["uid"]) == source["type"] == UIDS[source["uid"]] for source in used)
    for panel in real_panels(dashboard):
        own = {target["datasource"]["uid"] for target in panel["targets"]}
        assert panel["datasource"]["uid"] in (own if len(own) == 1 else {"-- Mixed --"}), panel["title"]


@every_dashboard
def test_variables_are_read_anew_when_the_time_changes(name: str) -> None:
    queries = [variable for variable in DASHBOARDS[name]["templating"]["list"] if variable["type"] == "query"]

    assert {variable["refresh"] for variable in queries} == {2}


@every_dashboard
def test_every_variable_that_is_used_exists_and_the_other_way_round(name: str) -> None:
    dashboard = DASHBOARDS[name]
    known = {variable["name"] for variable in dashboard["templating"]["list"]}
    text = json.dumps([dashboard["panels"], dashboard["templating"], dashboard["annotations"]])
    used = {match[1] or match[3] for match in VARIABLE.finditer(text)} - OF_EVERYWHERE
    used = {variable for variable in used if not variable.startswith(("__value", "__field", "__timeF"))}

    assert used == known


@pytest.mark.parametrize("wanted", ["datasource", "service", "environment", "model", "operation"])
@every_dashboard
def test_every_dashboard_can_be_narrowed_down(name: str, wanted: str) -> None:
    assert wanted in {variable["name"] for variable in DASHBOARDS[name]["templating"]["list"]}


@pytest.mark.parametrize("name", ["overview", "cost", "reconciliation"])
def test_amounts_are_of_one_currency_that_is_chosen(name: str) -> None:
    variable = next(each for each in DASHBOARDS[name]["templating"]["list"] if each["name"] == "currency")

    assert (variable["includeAll"], variable["multi"]) == (False, False)


@every_expression
def test_expression_parses(target: Target) -> None:
    parse(expression(target))


@every_expression
def test_expression_asks_for_what_the_library_emits(target: Target) -> None:
    assert faults(expression(target)) == []


def faults(promql: str) -> list[str]:
    """What an expression asks for and nobody emits: series, and labels of them."""
    found = []
    for selector in selectors(promql):
        if COLLECTOR.fullmatch(selector.name):
            continue
        named = [labels for series, labels in EMITTED.items() if selector.matches(series)]
        if not named:
            found.append(f"nobody emits {selector.name}")
        elif not selector.labels <= frozenset.union(*named):
            found.append(f"{selector.name} has no {', '.join(selector.labels - frozenset.union(*named))}")
    return found


@pytest.mark.parametrize(
    ("promql", "told"),
    [
        ('agentcore_metering_call_total{service_name="x"}', "nobody emits agentcore_metering_call_total"),
        ('agentcore_metering_calls_total{telemetry_sdk_name="x"}', "agentcore_metering_calls_total has no telemetry"),
        (
            "rate(gen_ai_client_inference_duration_bucket[5m])",
            "nobody emits gen_ai_client_inference_duration_bucket",
        ),
    ],
    ids=["a renamed metric", "a label of somebody else's", "a unit that is not in the name"],
)
def test_a_fault_in_an_expression_is_told(promql: str, told: str) -> None:
    assert [fault.startswith(told) for fault in faults(promql)] == [True]


@every_expression
def test_labels_of_the_result_are_the_librarys_too(target: Target) -> None:
    found = selectors(expression(target))
    if all(COLLECTOR.fullmatch(selector.name) for selector in found):
        return
    known = frozenset().union(*(EMITTED.get(selector.name, frozenset()) for selector in found))

    for node in walk(parse(expression(target))):
        if type(node).__name__ == "AggregateExpr" and node.modifier is not None:
            assert set(node.modifier.labels) <= known


@every_expression
def test_legend_names_labels_that_the_result_has(target: Target) -> None:
    wanted = set(re.findall(r"\{\{\s*(\w+)\s*\}\}", target.query["legendFormat"]))

    assert wanted <= (result_labels(parse(expression(target))) or wanted)


@every_expression
def test_totals_never_use_increase_and_rates_the_rate_interval(target: Target) -> None:
    raw = target.query["expr"]

    assert "increase(" not in raw
    assert all(
        window in ("$__rate_interval", "5m", "1h", "6h") for window in re.findall(r"rate\([^\[]*\[([^\]]*)\]", raw)
    )


@every_expression
def test_a_sum_of_cost_is_of_one_currency(target: Target) -> None:
    costs = re.findall(r"agentcore_metering_cost_total\{[^}]*\}", target.query["expr"])

    assert all('gen_ai_usage_cost_currency="$currency"' in part for part in costs)


@every_expression
def test_resources_are_selected_by_promoted_labels(target: Target) -> None:
    for selector in selectors(expression(target)):
        assert not selector.labels & {"job", "instance", "telemetry_sdk_name"}
        if not COLLECTOR.fullmatch(selector.name):
            assert set(RESOURCE_LABELS) - {"service_instance_id"} <= selector.labels


@pytest.mark.parametrize(
    "target",
    [target for target in targets("prometheus") if any(word in target.panel["title"] for word in TOTALS_OF_AN_ERROR)],
    ids=lambda target: target.name,
)
def test_panels_about_errors_are_not_empty_without_errors(target: Target) -> None:
    raw = target.query["expr"]

    assert "vector(0)" in raw or "* 0" in raw


def test_token_classes_are_disjoint_and_whole() -> None:
    """Per class: the sign with which each counter counts; summed up, input and output count once and no part of them is left."""
    panel = next(panel for panel in DASHBOARDS["overview"]["panels"] if panel["title"] == "Tokens by class")
    signs: Counter[str] = Counter()
    for query in panel["targets"]:
        for sign, counter in re.findall(r"(^|- )sum \(rate\((\w+)\{", query["expr"]):
            signs[counter] += -1 if sign else 1

    assert {counter: sign for counter, sign in signs.items() if sign} == {
        "gen_ai_client_inference_usage_input_tokens_total": 1,
        "gen_ai_client_inference_usage_output_tokens_total": 1,
    }


def test_links_lead_to_dashboards_and_variables_that_exist() -> None:
    text = json.dumps(list(DASHBOARDS.values()))

    for uid, variable in re.findall(r"/d/([\w-]+)\?var-(\w+)=", text):
        target = next(each for each in DASHBOARDS.values() if each["uid"] == uid)
        assert variable in {each["name"] for each in target["templating"]["list"]}


@pytest.mark.parametrize("target", targets("grafana-postgresql-datasource"), ids=lambda target: target.name)
def test_sql_reads_the_views_for_reports_alone(target: Target) -> None:
    read = set(re.findall(r"\b(?:FROM|JOIN) ([a-z_]+)", target.query["rawSql"], re.IGNORECASE))

    assert read <= {
        "metering_usage",
        "metering_usage_hourly",
        "metering_prices",
        "days",
        "weekdays",
        "now",
        "created_at",
    }
    assert (
        "cost" not in target.query["rawSql"]
        or "currency" in target.query["rawSql"]
        or "cost_status" in target.query["rawSql"]
    )
