"""The stack's files fit together: what compose mounts exists, ports are loopback's, images are pinned, no secret is in a file."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from agentcore_metering.telemetry import semconv
from agentcore_metering.telemetry.prometheus import RESOURCE_LABELS, emitted, label
from example.seed import config_id
from tests.grafana.documents import DASHBOARDS, ROOT, selectors

COMPOSE: Mapping[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: Mapping[str, Mapping[str, Any]] = COMPOSE["services"]
SOURCES = yaml.safe_load((ROOT / "grafana/provisioning/datasources/datasources.yaml").read_text())["datasources"]
WITHOUT_A_SHELL = ("otel-collector", "tempo")

every_service = pytest.mark.parametrize("name", SERVICES)


def has_compose() -> bool:
    if shutil.which("docker") is None:
        return False
    return (
        subprocess.run(["docker", "compose", "version"], capture_output=True, timeout=30, check=False).returncode == 0
    )


@every_service
def test_mounted_files_exist(name: str) -> None:
    mounted = [volume.split(":")[0] for volume in SERVICES[name].get("volumes", ()) if volume.startswith("./")]

    assert [path for path in mounted if not (ROOT / path).exists()] == []


@every_service
def test_named_volumes_are_declared(name: str) -> None:
    named = [volume.split(":")[0] for volume in SERVICES[name].get("volumes", ()) if not volume.startswith("./")]

    assert set(named) <= set(COMPOSE["volumes"])


@every_service
def test_ports_are_open_on_this_machine_alone(name: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name].get("ports", ()))


@every_service
def test_images_are_pinned(name: str) -> None:
    service = SERVICES[name]

    assert "build" in service or re.search(r":v?\d+\.\d+(\.\d+)?(-alpine)?$", service["image"])


@every_service
def test_secrets_come_from_the_environment(name: str) -> None:
    environment = SERVICES[name].get("environment", {})
    secret = {key: value for key, value in environment.items() if re.search("PASSWORD|SECRET|KEY", key)}
    example = (ROOT / ".env.example").read_text()

    for value in secret.values():
        asked = re.fullmatch(r"\$\{(\w+):\?[^}]+\}", value)
        assert asked, value
        assert re.search(rf"^{asked[1]}=", example, re.MULTILINE)


@every_service
def test_nobody_waits_for_the_health_of_what_cannot_tell_it(name: str) -> None:
    for other, how in SERVICES[name].get("depends_on", {}).items():
        if how["condition"] == "service_healthy":
            assert "healthcheck" in SERVICES[other]
            assert other not in WITHOUT_A_SHELL


def test_the_app_does_not_run_as_root() -> None:
    assert re.search(r"^USER (?!root)\w+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)


def test_the_image_gets_what_the_dockerfile_copies() -> None:
    copied = re.findall(r"^COPY (.+) \S+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    allowed = re.findall(r"^!(\S+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE)

    assert {name for names in copied for name in names.split()} == set(allowed)


def test_the_traffic_names_configurations_that_the_seed_makes() -> None:
    assert str(config_id("cny")) == "d749b266-1118-5ce9-a73a-30b450cdfd00"
    assert config_id("cny") != config_id("unpriced")


def test_data_sources_have_the_uids_that_links_name() -> None:
    uids = {source["uid"]: source["type"] for source in SOURCES}
    linked = re.findall(
        r"datasourceUid: (\S+?)[\s}]", (ROOT / "grafana/provisioning/datasources/datasources.yaml").read_text()
    )

    assert uids == {"prometheus": "prometheus", "tempo": "tempo", "metering-db": "grafana-postgresql-datasource"}
    assert set(linked) <= set(uids)


def test_data_sources_offer_every_kind_that_a_dashboard_asks_for() -> None:
    kinds = {source["type"] for source in SOURCES}
    asked = {
        variable["query"]
        for dashboard in DASHBOARDS.values()
        for variable in dashboard["templating"]["list"]
        if variable["type"] == "datasource"
    }

    assert asked <= kinds


def test_data_sources_take_what_varies_from_the_environment_that_compose_gives() -> None:
    text = (ROOT / "grafana/provisioning/datasources/datasources.yaml").read_text()
    asked = set(re.findall(r"(?<!\$)\$\{(\w+)\}", text))

    assert asked <= set(SERVICES["grafana"]["environment"])


def test_the_interval_of_the_data_source_is_the_processes() -> None:
    interval_ms = int(COMPOSE["x-host"]["environment"]["OTEL_METRIC_EXPORT_INTERVAL"])

    assert SERVICES["grafana"]["environment"]["METRIC_EXPORT_INTERVAL"] == f"{interval_ms // 1000}s"


def test_exemplars_lead_to_the_traces() -> None:
    prometheus = next(source for source in SOURCES if source["uid"] == "prometheus")

    assert prometheus["jsonData"]["exemplarTraceIdDestinations"] == [{"name": "trace_id", "datasourceUid": "tempo"}]


def test_queries_beside_the_dashboards_ask_for_what_is_emitted() -> None:
    tempo = next(source for source in SOURCES if source["uid"] == "tempo")

    for query in tempo["jsonData"]["tracesToMetrics"]["queries"]:
        for selector in selectors(query["query"].replace("$$__tags", 'service_name="x"')):
            assert selector.name in emitted()


def test_dashboards_are_provisioned_from_where_they_are_mounted() -> None:
    provider = yaml.safe_load((ROOT / "grafana/provisioning/dashboards/dashboards.yaml").read_text())["providers"][0]
    mounted = dict(volume.split(":")[:2] for volume in SERVICES["grafana"]["volumes"])

    assert mounted["./grafana/dashboards"] == provider["options"]["path"]
    assert provider["allowUiUpdates"] is False


def test_prometheus_promotes_the_labels_that_are_selected_by() -> None:
    configured = yaml.safe_load((ROOT / "otel/prometheus.yaml").read_text())["otlp"]

    assert tuple(map(label, configured["promote_resource_attributes"])) == RESOURCE_LABELS
    assert configured["translation_strategy"] == "UnderscoreEscapingWithSuffixes"


def test_collector_takes_contents_out_of_spans_by_the_names_that_the_library_gives() -> None:
    """What is left of spans behind it is held against real ones in tests/interop."""
    overlay = yaml.safe_load((ROOT / "otel/collector-without-contents.yaml").read_text())
    actions = overlay["processors"]["attributes/without_contents"]["actions"]
    deleted = {action["key"] for action in actions if action["action"] == "delete" and "key" in action}
    contents = {attribute.name for attribute in semconv.CONTENT_ATTRIBUTES} - {semconv.CONTENT_TRUNCATED}

    assert contents <= deleted
    assert overlay["service"]["pipelines"]["traces"]["processors"][0] == "memory_limiter"


def test_collector_tries_again_and_keeps_to_its_memory() -> None:
    collector = yaml.safe_load((ROOT / "otel/collector.yaml").read_text())

    for pipeline in collector["service"]["pipelines"].values():
        assert pipeline["processors"][0] == "memory_limiter"
    for exporter in collector["exporters"].values():
        assert exporter["retry_on_failure"]["enabled"] is True
        assert exporter["sending_queue"]["enabled"] is True


TEMPO = yaml.safe_load((ROOT / "otel/tempo.yaml").read_text())
TEMPO_3_KNOWS = {
    "server": {"http_listen_port"},
    "distributor": {"receivers"},
    "memberlist": {"bind_addr"},
    "querier": {"frontend_worker"},
    "storage": {"trace"},
    "metrics_generator": {"storage"},
    "overrides": {"defaults"},
    "usage_report": {"reporting_enabled"},
}
"""The blocks of the manifest of Tempo 3.0's documentation that are in use. Those that it dropped, such as `ingester`, keep it from starting."""


def test_tempo_is_configured_by_blocks_that_its_third_release_knows() -> None:
    assert {block: set(settings) for block, settings in TEMPO.items()} == TEMPO_3_KNOWS


def test_tempo_listens_where_the_collector_and_grafana_look_for_it() -> None:
    collector = (ROOT / "otel/collector.yaml").read_text()
    http = TEMPO["distributor"]["receivers"]["otlp"]["protocols"]["http"]["endpoint"]

    assert f"http://tempo:{http.rsplit(':', 1)[1]}/v1/traces" in collector
    assert SERVICES["grafana"]["environment"]["TEMPO_URL"] == f"http://tempo:{TEMPO['server']['http_listen_port']}"


def test_tempo_writes_where_it_may_and_prometheus_takes_its_metrics() -> None:
    (mounted,) = (mount.split(":")[0] for mount in SERVICES["tempo"]["tmpfs"])
    trace, generator = TEMPO["storage"]["trace"], TEMPO["metrics_generator"]["storage"]
    paths = [trace["wal"]["path"], trace["local"]["path"], generator["path"]]

    assert [path for path in paths if not path.startswith(f"{mounted}/")] == []
    assert [target["url"] for target in generator["remote_write"]] == ["http://prometheus:9090/api/v1/write"]
    assert "--web.enable-remote-write-receiver" in SERVICES["prometheus"]["command"]


def test_the_collector_finds_prometheus_own_receiver() -> None:
    assert "http://prometheus:9090/api/v1/otlp/v1/metrics" in (ROOT / "otel/collector.yaml").read_text()
    assert "--web.enable-otlp-receiver" in SERVICES["prometheus"]["command"]


@pytest.mark.skipif(
    not has_compose(), reason="needs docker compose (Debian: apt-get install docker-compose), no engine"
)
def test_compose_finds_the_file_sound() -> None:
    command = ["docker", "compose", "--env-file", ".env.example", "-f", "docker-compose.yml", "config", "--quiet"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)

    assert ended.returncode == 0, ended.stderr
