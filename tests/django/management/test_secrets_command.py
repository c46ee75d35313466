"""`metering_secrets` as somebody at a terminal sees it, over rows in every state."""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import StringIO
from typing import Any
from uuid import UUID

import pytest
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command
from django.db import connection
from pytest_django import Settings

from agentcore_metering.adapters.django.checks.secrets import check_stored_configurations
from agentcore_metering.adapters.django.models import LLMConfig, LLMConfigChange
from agentcore_metering.adapters.django.secretbox import current_key_id
from tests.django.factories import KEY, make_config, make_user

pytestmark = pytest.mark.django_db

OLD, NEW, LOST = (Fernet.generate_key().decode() for _ in range(3))
SECRET = "sk-canary-of-this-file-0123456789"


@pytest.fixture(autouse=True)
def _old_key(settings: Settings) -> None:
    settings.AGENTCORE_METERING_ENCRYPTION_KEYS = [OLD]


def run(*arguments: str) -> tuple[str, str, int]:
    """Stdout, stderr with the reason, and exit status; neither has a key or a secret in it."""
    stdout, stderr, status = StringIO(), StringIO(), 0
    try:
        call_command("metering_secrets", *arguments, stdout=stdout, stderr=stderr)
    except CommandError as error:
        stderr.write(str(error))
        status = error.returncode
    said = stdout.getvalue() + stderr.getvalue()
    if "generate-key" not in arguments:
        assert not any(text in said for text in (OLD, NEW, LOST, SECRET, KEY, "gAAAA"))
    return stdout.getvalue(), stderr.getvalue(), status


def run_json(*arguments: str) -> tuple[Any, int]:
    stdout, _stderr, status = run(*arguments, "--json")
    return json.loads(stdout), status


def store(row: LLMConfig, stored: dict[str, Any]) -> None:
    """Write the column past the field, as an older release does."""
    with connection.cursor() as cursor:
        column = "%s::jsonb" if connection.vendor == "postgresql" else "%s"
        cursor.execute(
            f"UPDATE agentcore_metering_llm_config SET config = {column} WHERE id = %s",
            [json.dumps(stored), row.pk],
        )


def stored(row: LLMConfig) -> Any:
    with connection.cursor() as cursor:
        cursor.execute("SELECT CAST(config AS text) FROM agentcore_metering_llm_config WHERE id = %s", [row.pk])
        return json.loads(cursor.fetchone()[0])


def make_plain(**options: Any) -> LLMConfig:
    row = make_config(user=options.pop("user", None))
    store(row, {"model": "m", "api_key": SECRET, **options})
    return row


def test_encrypt_seals_plain_rows_and_leaves_the_others() -> None:
    plain, mixed, sealed, empty = make_plain(), make_config(), make_config(), make_config(config={"model": "m"})
    store(mixed, {**stored(mixed), "api_key": SECRET, "token": ""})
    before = stored(sealed)

    document, status = run_json("encrypt")

    assert status == 0
    assert document == {"rows": 4, "sealed": 2, "dry_run": False, "key": current_key_id(), "unreadable": []}
    assert set(stored(plain)) == {"model", "__secrets__"}
    assert SECRET not in json.dumps([stored(plain), stored(mixed)])
    assert stored(sealed) == before
    assert stored(empty) == {"model": "m"}
    assert LLMConfig.objects.get(pk=plain.pk).config == {"model": "m", "api_key": SECRET}
    # What stands in clear beside sealed secrets was written later.
    assert LLMConfig.objects.get(pk=mixed.pk).config["api_key"] == SECRET


def test_encrypt_binds_a_users_row_to_the_user() -> None:
    row = make_plain(user=make_user())
    stranger = make_config(user=make_user("bob"))

    run("encrypt")
    store(stranger, stored(row))

    assert LLMConfig.objects.get(pk=row.pk).config["api_key"] == SECRET
    assert run_json("check")[0]["states"]["unreadable"] == 1


@pytest.mark.parametrize("size", ["1", "2", "3", "500"])
def test_encrypt_in_batches_does_all_and_again_has_nothing_to_do(size: str) -> None:
    for _ in range(5):
        make_plain()

    stdout, stderr, status = run("encrypt", "--batch-size", size)

    assert (stdout.splitlines()[0], status) == (f"5 of 5 rows sealed under the key {current_key_id()}", 0)
    assert stderr == ""
    assert run_json("encrypt")[0]["sealed"] == 0


@pytest.mark.parametrize("action", ["encrypt", "rotate"])
def test_dry_run_counts_and_changes_nothing(action: str, settings: Settings) -> None:
    rows = [make_plain(), make_config()]
    settings.AGENTCORE_METERING_ENCRYPTION_KEYS = [NEW, OLD]
    before = [stored(row) for row in rows]

    document, status = run_json(action, "--dry-run")

    assert (document["sealed"], document["dry_run"], status) == (1, True, 0)
    assert [stored(row) for row in rows] == before


def test_rotate_seals_anew_so_that_the_old_key_can_go(settings: Settings) -> None:
    row, plain = make_config(), make_plain()
    settings.AGENTCORE_METERING_ENCRYPTION_KEYS = [NEW, OLD]
    assert run_json("check")[0]["states"] == {"none": 0, "plain": 1, "current": 0, "older_key": 1, "unreadable": 0}

    document, status = run_json("rotate")
    settings.AGENTCORE_METERING_ENCRYPTION_KEYS = [NEW]

    assert (document["sealed"], status) == (1, 0)
    assert LLMConfig.objects.get(pk=row.pk).config["api_key"] == KEY
    assert "api_key" in stored(plain)
    assert run_json("rotate")[0]["sealed"] == 0


def test_rotate_from_the_derived_key_to_the_first_configured_one(settings: Settings) -> None:
    settings.AGENTCORE_METERING_ENCRYPTION_KEYS = []
    row = make_config()
    settings.AGENTCORE_METERING_ENCRYPTION_KEYS = [NEW]

    assert run_json("rotate")[0]["sealed"] == 1
    settings.SECRET_KEY = "quite another one, and long enough"
    assert LLMConfig.objects.get(pk=row.pk).config["api_key"] == KEY


def test_sealing_keeps_times_and_leaves_no_trail(settings: Settings) -> None:
    row = make_config()
    before = (row.updated_at, LLMConfigChange.objects.count())
    settings.AGENTCORE_METERING_ENCRYPTION_KEYS = [NEW, OLD]

    run("rotate")

    row.refresh_from_db()
    assert (row.updated_at, LLMConfigChange.objects.count()) == before


@pytest.mark.parametrize("action", ["encrypt", "rotate", "check"])
def test_row_that_does_not_open_is_named_and_left_as_it_is(action: str, settings: Settings) -> None:
    settings.AGENTCORE_METERING_ENCRYPTION_KEYS = [LOST]
    lost = make_config()
    settings.AGENTCORE_METERING_ENCRYPTION_KEYS = [NEW]
    fine = make_config()
    before = stored(lost)

    stdout, stderr, status = run(action)

    assert status == 1
    assert str(lost.uuid) in stdout
    assert str(fine.uuid) not in stdout
    assert "1 rows cannot be opened" in stderr
    assert stored(lost) == before


@pytest.mark.parametrize(
    "sealed", ["", "nonsense", "enc:v1:00000000:x", "enc:v2:00000000:gAAAAA", 5, None, {"a": 1}], ids=repr
)
def test_damaged_text_is_unreadable_and_no_crash(sealed: Any) -> None:
    row = make_config()
    store(row, {"model": "m", "__secrets__": sealed})

    document, status = run_json("check")

    assert status == 1
    assert [item["uuid"] for item in document["unreadable"]] == [str(row.uuid)]


def test_check_of_plain_rows_ends_with_1_and_names_them() -> None:
    row = make_plain()

    document, status = run_json("check")

    assert (status, document["plain"]) == (1, [str(row.uuid)])
    run("encrypt")
    assert run_json("check")[1] == 0


def test_key_that_is_none_is_told_without_its_text(settings: Settings) -> None:
    settings.AGENTCORE_METERING_ENCRYPTION_KEYS = ["not-a-key-but-secret"]

    stdout, stderr, status = run("check")

    assert status == 2
    assert "AGENTCORE_METERING_ENCRYPTION_KEYS[0]" in stderr
    assert "not-a-key-but-secret" not in stdout + stderr


def test_generated_key_is_one_and_new_each_time(settings: Settings) -> None:
    keys = {run("generate-key")[0].strip() for _ in range(3)} | {run_json("generate-key")[0]["key"]}

    assert len(keys) == 4
    settings.AGENTCORE_METERING_ENCRYPTION_KEYS = sorted(keys)
    assert LLMConfig.objects.get(pk=make_config().pk).config["api_key"] == KEY


def messages() -> Iterator[tuple[str, str]]:
    for message in check_stored_configurations(["default"]):
        yield (message.id or "").removeprefix("agentcore_metering."), message.msg


def test_system_check_tells_of_plain_and_of_unreadable_rows(settings: Settings) -> None:
    assert list(messages()) == []
    plain, lost = make_plain(), make_config()
    settings.AGENTCORE_METERING_ENCRYPTION_KEYS = [NEW]

    found = dict(messages())

    assert sorted(found) == ["W110", "W111"]
    assert str(plain.uuid) in found["W110"]
    assert str(lost.uuid) in found["W111"]


def test_system_check_names_five_rows_and_counts_the_rest() -> None:
    for _ in range(7):
        make_plain()

    ((_id, text),) = messages()

    assert text.startswith("7 configurations")
    assert text.endswith("and 2 more.")
    assert sum(str(UUID(str(row.uuid))) in text for row in LLMConfig.objects.all()) == 5


def test_scale_of_thousand_rows_takes_few_statements(django_assert_max_num_queries: Any) -> None:
    LLMConfig.objects.bulk_create(
        LLMConfig(scope="global", config={"model": "m", "api_key": f"sk-{number}"}) for number in range(1000)
    )

    with django_assert_max_num_queries(4):
        assert run_json("check")[0]["states"]["current"] == 1000
