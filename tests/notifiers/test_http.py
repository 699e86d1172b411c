"""Slack, PagerDuty and webhooks, against local servers that behave as they do."""

from __future__ import annotations

import base64
import html
import json
from dataclasses import replace
from urllib.parse import quote

import pytest

from featurectl.monitor.alerts.deliver import LEASE_S
from featurectl.notifiers import http
from featurectl.notifiers.base import MessageSubject, NotSentError, load_message
from featurectl.notifiers.command import TIMEOUT_S
from featurectl.notifiers.deadline import TOTAL_S
from featurectl.notifiers.pagerduty import PagerDutyNotifier
from featurectl.notifiers.slack import SlackNotifier
from featurectl.notifiers.webhook import WebhookNotifier
from tests.notifiers.messages import KEY, MESSAGE
from tests.servers.hooks import as_pagerduty, as_slack, running_drip, running_hook
from tests.servers.redis import free_port

ROUTING_KEY = "0123456789abcdef0123456789abcdef"
PATH = "/services/T0/B0/secret"


def refused(notifier, message=MESSAGE):
    with pytest.raises(NotSentError) as caught:
        notifier.send(message)
    assert "secret" not in caught.value.message
    assert ROUTING_KEY not in caught.value.message
    return caught.value


def test_slack_shows_everything_and_reads_nothing_of_it_as_its_own():
    with running_hook(as_slack) as hook:
        SlackNotifier(f"{hook.url}{PATH}").send(MESSAGE)
    (document,) = hook.taken
    title, below = [block["text"]["text"] for block in document["blocks"]]
    assert title == ":rotating_light: *FIRING critical: stale (view:spend@1) in prod*"
    assert below.splitlines() == [
        "*cause*: source orders stopped: &lt;nobody&gt; knows &amp; why ☃",
        "*value*: 2 d",
        "*threshold*: freshness &gt; 1d",
        "*since*: 2026-11-24T12:00:00Z",
        "*environment*: prod of shop",
        "*look further*: featurectl why spend --env prod",
        f"*key*: {KEY}",
    ]
    assert document["text"].startswith("FIRING critical: stale (view:spend@1) in prod: source orders stopped")


def test_slack_takes_a_cause_of_any_length_and_shows_the_rest_whole():
    with running_hook(as_slack) as hook:
        SlackNotifier(f"{hook.url}{PATH}").send(replace(MESSAGE, cause="x & y" * 2_000, kind="resolved"))
        SlackNotifier(f"{hook.url}{PATH}").send(replace(MESSAGE, cause="x" * 10_000, look="y" * 9_000, key="z" * 9_000))
    title, below = [block["text"]["text"] for block in hook.taken[0]["blocks"]]
    assert title.startswith(":white_check_mark: *RESOLVED critical: stale")
    cause, *rest = below.splitlines()
    assert cause.startswith("*cause*: x &amp; y")
    assert cause.endswith("...")
    assert len(below) > 2_800
    assert rest[-2:] == ["*look further*: featurectl why spend --env prod", f"*key*: {KEY}"]


@pytest.mark.parametrize(
    ("answer", "again", "after_s", "told"),
    [
        ((429, "rate_limited", {"Retry-After": "30"}), True, 30.0, "Slack answered 429: rate_limited"),
        ((429, "", {}), True, None, "Slack answered 429"),
        ((500, "rollup_error", {}), True, None, "Slack answered 500: rollup_error"),
        ((400, "invalid_payload", {}), False, None, "Slack answered 400: invalid_payload"),
        ((403, "action_prohibited", {}), False, None, "Slack answered 403: action_prohibited"),
        ((410, "channel_is_archived", {}), False, None, "Slack answered 410: channel_is_archived"),
        ((302, "", {"Location": "http://127.0.0.1:1/"}), False, None, "Slack answered 302"),
        ((200, "<html>", {}), False, None, "Slack answered 200, and not with ok: is the address that of a webhook?"),
    ],
)
def test_what_slack_refuses_is_tried_again_or_not_as_it_says(answer, again, after_s, told):
    with running_hook(as_slack) as hook:
        hook.next.append(answer)
        error = refused(SlackNotifier(f"{hook.url}{PATH}"))
    assert (error.again, error.after_s, error.message) == (again, after_s, told)
    assert hook.taken == []


def test_an_address_of_slack_that_is_gone_is_given_up():
    with running_hook(as_slack) as hook:
        error = refused(SlackNotifier(f"{hook.url}/services/secret"))
    assert (error.again, error.message) == (False, "Slack answered 404: no_service")


def test_an_absent_server_is_tried_again_and_an_impossible_address_is_not():
    error = refused(SlackNotifier(f"http://127.0.0.1:{free_port()}/secret"))
    assert (error.again, error.down, error.message) == (True, True, "Slack can't be reached: Connection refused")
    none = ("file:///etc/secret", "secret", "", "http:///secret", "http://[secret", "http://h:secret/")
    for address in (*none, "http://127.0.0.1:1/a secret", "http://127.0.0.1:1/é", "http://a..b/"):
        error = refused(SlackNotifier(address))
        assert (error.again, error.message) == (False, "Slack: its address is no http or https URL")


@pytest.mark.parametrize("path", ["/services/T0/B0/xsecretx", "/hook?token=xsecretx", "/a/xsecretx?b=c"])
def test_a_server_that_repeats_an_unknown_path_puts_no_secret_in_the_error(path):
    with running_hook(lambda _document, asked: (404, f"Cannot POST {asked} xsecretx", {})) as hook:
        error = refused(SlackNotifier(f"{hook.url}{path}"))
    assert error.message.startswith("Slack answered 404: Cannot POST ...")


@pytest.mark.parametrize("path", ["/services/T0/B0/Canary7193xyz", "/hook?token=Canary7193xyz", "/a/Canary7193xyz/b"])
@pytest.mark.parametrize("end", ["", "...", "\u2026'", '"}'])
def test_a_secret_of_an_address_that_is_cut_off_is_in_no_error(path, end):
    with running_hook(lambda _document, asked: (404, f"no {asked[: asked.index('xyz')]}{end}", {})) as hook:
        error = refused(WebhookNotifier(f"{hook.url}{path}"))
    assert "Canary" not in error.message
    assert "***" in error.message


def test_a_routing_key_that_is_cut_off_is_in_no_error():
    with running_hook(lambda *_: (400, f"bad key: {ROUTING_KEY[:-3]}...", {})) as hook:
        assert refused(PagerDutyNotifier(ROUTING_KEY, hook.url)).message == "PagerDuty answered 400: bad key: ***..."


def test_a_server_that_goes_on_answering_for_ever_is_left_in_time(monkeypatch):
    monkeypatch.setattr(http, "TOTAL_S", 0.3)
    with running_drip() as url:
        error = refused(WebhookNotifier(url))
    assert (error.again, error.down, error.message) == (True, True, "the webhook can't be reached: it took too long")


def test_an_answer_of_slack_that_is_cut_off_is_no_refusal():
    with running_hook(lambda *_: (200, "o", {"content-length": "2"})) as hook:
        assert refused(SlackNotifier(f"{hook.url}{PATH}")).again is True


def test_all_of_an_exchange_ends_well_before_the_lease_of_a_message():
    assert TOTAL_S < LEASE_S / 2
    assert TIMEOUT_S < LEASE_S / 2


def test_a_user_in_an_address_logs_in():
    with running_hook() as hook:
        WebhookNotifier(hook.url.replace("http://", "http://ana:hush%3A1@")).send(MESSAGE)
    assert hook.headers[0]["authorization"] == "Basic YW5hOmh1c2g6MQ=="
    assert "@" not in hook.headers[0]["host"]


@pytest.mark.parametrize("password", ["hush-pw", "p&'hush\"", "\xfchush/+pw=x"])
@pytest.mark.parametrize("form", ["{auth}", "auth={auth}x", "{clear}", "{json}", "{html}"])
def test_a_server_that_repeats_a_login_puts_none_of_it_into_the_error(password, form):
    with running_hook() as hook:

        def repeat(_body: bytes, _path: str, headers: dict[str, str]):
            clear = base64.b64decode(headers["authorization"].removeprefix("Basic ")).decode()
            text = {"clear": clear, "json": json.dumps(clear), "html": html.escape(clear)}
            return 400, form.format(auth=headers["authorization"], **text), {}

        hook.answer = repeat
        address = hook.url.replace("http://", f"http://ana-key:{quote(password, safe='')}@")
        error = refused(WebhookNotifier(f"{address}/x"))
    login = f"ana-key:{password}"
    for piece in ("hush", "ana-key", base64.b64encode(login.encode()).decode()[:12]):
        assert piece not in error.message


@pytest.mark.parametrize("asked", ["9" * 400, "99999999999", "inf", "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_a_server_that_asks_to_wait_for_ever_is_asked_again_after_a_day(asked):
    with running_hook(as_slack) as hook:
        hook.next.append((429, "", {"Retry-After": asked}))
        assert refused(SlackNotifier(f"{hook.url}{PATH}")).after_s == 86_400.0


def test_a_test_of_pagerduty_leaves_no_incident_open():
    with running_hook(as_pagerduty) as hook:
        answer = PagerDutyNotifier(ROUTING_KEY, hook.url).send(replace(MESSAGE, kind="test"))
    assert answer == "PagerDuty answered success; the incident of the test was resolved again"
    assert [event["event_action"] for event in hook.taken] == ["trigger", "resolve"]
    assert len({event["dedup_key"] for event in hook.taken}) == 1


def test_a_test_that_pagerduty_opens_and_does_not_resolve_is_said():
    with running_hook(as_pagerduty) as hook:
        hook.next += [(202, '{"status": "success"}', {}), (503, "", {})]
        error = refused(PagerDutyNotifier(ROUTING_KEY, hook.url), replace(MESSAGE, kind="test"))
    assert "opened the incident of the test, and it stays open" in error.message
    assert "PagerDuty answered 503" in error.message


def test_a_message_lists_what_is_affected_but_for_what_it_is_about():
    def affected(*names, about="source:orders"):
        subjects = tuple(MessageSubject(name=name, value="2 d", measured=None, cause="") for name in names)
        message = replace(MESSAGE, subject=about, subjects=subjects)
        return message.title.partition("(")[2].partition(")")[0], dict(message.lines).get("affected")

    assert affected("view:spend@1", about="view:spend@1") == ("view:spend@1", None)
    assert affected("view:spend@1") == ("source:orders: view:spend@1", "view:spend@1 2 d")
    about, shown = affected(*(f"view:v{number}@1" for number in range(25)))
    assert (about, shown.count("2 d"), shown[-11:]) == ("source:orders: 25 subjects", 20, " and 5 more")


def test_pagerduty_joins_the_messages_of_an_incident_by_their_key():
    with running_hook(as_pagerduty) as hook:
        for kind in ("firing", "repeat", "resolved"):
            PagerDutyNotifier(ROUTING_KEY, hook.url).send(replace(MESSAGE, kind=kind))
    assert [d["event_action"] for d in hook.taken] == ["trigger", "trigger", "resolve"]
    assert {d["dedup_key"] for d in hook.taken} == {KEY}
    payload = hook.taken[0]["payload"]
    assert (payload["severity"], payload["source"]) == ("critical", "shop/prod/view:spend@1")
    assert payload["custom_details"]["look further"] == "featurectl why spend --env prod"


@pytest.mark.parametrize("severity", ["info", "warning", "critical"])
def test_pagerduty_knows_every_severity_and_takes_texts_of_any_length(severity):
    long = replace(MESSAGE, severity=severity, cause="x" * 3_000, key="k" * 400)
    with running_hook(as_pagerduty) as hook:
        PagerDutyNotifier(ROUTING_KEY, hook.url).send(long)
    assert hook.taken[0]["payload"]["severity"] == severity


def test_what_pagerduty_refuses_is_tried_again_or_not_as_it_says():
    with running_hook(as_pagerduty) as hook:
        error = refused(PagerDutyNotifier("short", hook.url))
        assert error.again is False
        assert "PagerDuty answered 400" in error.message
        assert "'routing_key' is invalid" in error.message
        hook.next += [(429, '{"status": "throttle exceeded"}', {}), (202, "no JSON", {}), (503, "", {})]
        assert [refused(PagerDutyNotifier(ROUTING_KEY, hook.url)).again for _ in range(3)] == [True, True, True]


@pytest.mark.parametrize("status", [200, 400])
def test_a_proxy_that_repeats_what_it_was_sent_puts_no_key_into_the_error(status):
    with running_hook(lambda document, _: (status, f"{'x' * 100}{document}", {})) as hook:
        assert "'routing_key': '...'" in refused(PagerDutyNotifier(ROUTING_KEY, hook.url)).message


def test_a_webhook_gets_the_whole_message_and_one_id_at_every_try():
    with running_hook() as hook:
        for _ in range(2):
            WebhookNotifier(hook.url).send(MESSAGE)
    document = hook.taken[0]
    assert document.pop("title") == "FIRING critical: stale (view:spend@1) in prod"
    assert load_message(document) == MESSAGE
    assert [h["idempotency-key"] for h in hook.headers] == [MESSAGE.id] * 2
    assert hook.headers[0]["content-type"] == "application/json"
    assert hook.headers[0]["user-agent"].startswith("featurectl/")


def test_a_webhook_gets_a_message_about_a_feature_of_any_letters():
    with running_hook() as hook:
        WebhookNotifier(hook.url).send(
            replace(MESSAGE, id="featurectl/shop/prod/drift/model:m:☃\r\nx: y/1/firing/1/ops")
        )
    assert hook.headers[0]["idempotency-key"].startswith("featurectl/shop/prod/drift/model:m:%E2%98%83%0D%0Ax: y/1")
