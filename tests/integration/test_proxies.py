"""A proxy, and a private CA: AWS's client and Slack's take the same variables and report the same."""

import ssl

import pytest
import trustme
from support.connect_proxy import ConnectProxy
from support.scripted import Scripted, answer

from worker.core.effects import Blocked, Later, Sent
from worker.core.errors import Unavailable
from worker.core.masking import sanitized
from worker.notifiers.slack.blocks import Post, plain_section
from worker.notifiers.slack.client import SlackClient
from worker.ses.suppression.listing import SuppressionList
from worker.sqs.queue import Queue
from worker.topology.checks.channels import judge_channel

POST = Post("BOUNCE", [plain_section("x")])
HOST = "far.example"
PASSWORD = "user:pass-word"


@pytest.fixture(autouse=True)
def isolated(nobodys_environment, monkeypatch):
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
def far(authority):
    """A server that shows a certificate of a private CA, and knows both services' answers."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(HOST, "localhost").configure_cert(context)
    with Scripted(context=context) as server:
        yield server


@pytest.fixture
def bundle(authority, tmp_path):
    file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(file)
    return str(file)


def slack(far, host=HOST, body=b"ok"):
    """Post to Slack; return what to do next."""
    far.script.clear()
    far.script.extend([answer(body)] * 3)
    url = f"https://{host}:{far.port}/services/T0/B0/averysecretword"
    return SlackClient.by_webhook(url, sleep=lambda _: None).post(POST)


def sqs(far, host=HOST, *, patch):
    far.script.clear()
    patch.setenv("AWS_ENDPOINT_URL_SQS", f"https://{host}:{far.port}")
    return Queue("https://sqs.eu-west-1.amazonaws.com/1/q", region="eu-west-1").receive(1, 0)


def ses(far, host=HOST, *, patch):
    patch.setenv("AWS_ENDPOINT_URL_SESV2", f"https://{host}:{far.port}")
    return SuppressionList(region="eu-west-1", await_slot=lambda: None).delete("a@example.com")


AWS = pytest.mark.parametrize("aws", [sqs, ses], ids=["sqs", "ses"])


class TestProxies:
    def test_slack_goes_through_it_and_names_the_host_alone(self, far, bundle, monkeypatch):
        monkeypatch.setenv("AWS_CA_BUNDLE", bundle)
        with ConnectProxy(("127.0.0.1", far.port)) as proxy:
            monkeypatch.setenv("HTTPS_PROXY", proxy.url)
            assert slack(far) == Sent(result="ok")
        assert proxy.requested == [f"{HOST}:{far.port}"]

    @AWS
    def test_aws_does_likewise(self, aws, far, bundle, monkeypatch):
        monkeypatch.setenv("AWS_CA_BUNDLE", bundle)
        with ConnectProxy(("127.0.0.1", far.port)) as proxy:
            monkeypatch.setenv("HTTPS_PROXY", proxy.url)
            aws(far, patch=monkeypatch)
        assert proxy.requested == [f"{HOST}:{far.port}"]

    @pytest.mark.parametrize("excluded", ["localhost", ".localhost,other", "*"])
    def test_no_proxy_excludes_hosts_for_both(self, excluded, far, bundle, monkeypatch):
        monkeypatch.setenv("AWS_CA_BUNDLE", bundle)
        monkeypatch.setenv("NO_PROXY", excluded)
        with ConnectProxy(status=502) as proxy:
            monkeypatch.setenv("HTTPS_PROXY", proxy.url)
            assert slack(far, "localhost") == Sent(result="ok")
            sqs(far, "localhost", patch=monkeypatch)
        assert proxy.requested == []

    def test_a_password_in_its_url_is_sent(self, far, bundle, monkeypatch):
        monkeypatch.setenv("AWS_CA_BUNDLE", bundle)
        with ConnectProxy(("127.0.0.1", far.port), password=PASSWORD) as proxy:
            url = proxy.url.replace("http://", f"http://{PASSWORD}@")
            monkeypatch.setenv("HTTPS_PROXY", url)
            assert slack(far) == Sent(result="ok")
            sqs(far, patch=monkeypatch)

    def test_a_proxy_that_requires_a_password_is_named_as_such(self, far, monkeypatch):
        with ConnectProxy(password=PASSWORD) as proxy:
            monkeypatch.setenv("HTTPS_PROXY", proxy.url)
            found = slack(far)
            where = f"the proxy 127.0.0.1:{proxy.port} of HTTPS_PROXY requires a password (407)"
            advice = "put the user and the password into its URL"
            assert found == Blocked(error=f"{where}: {advice}")
            finding = judge_channel(
                "slack", found, service="Slack", destination="the webhook", sent=False
            )
            assert (finding.message, finding.fix) == (f"the webhook: {where}", advice)

    @AWS
    def test_so_it_is_for_aws(self, aws, far, monkeypatch):
        with ConnectProxy(password=PASSWORD) as proxy:
            monkeypatch.setenv("HTTPS_PROXY", proxy.url.replace("http://", "http://u:wrong@"))
            with pytest.raises(Unavailable, match=r"requires a password \(407\)") as caught:
                aws(far, patch=monkeypatch)
        assert "wrong" not in str(caught.value)
        assert "***@" not in sanitized(str(caught.value).replace("***:***@", ""))

    @pytest.mark.parametrize(("status", "kind"), [(403, Blocked), (502, Later)])
    def test_a_proxy_that_makes_no_connection_is_named(self, status, kind, far, monkeypatch):
        with ConnectProxy(status=status) as proxy:
            monkeypatch.setenv("HTTPS_PROXY", proxy.url)
            found = slack(far)
            assert isinstance(found, kind)
            assert f"the proxy 127.0.0.1:{proxy.port} of HTTPS_PROXY" in found.error
            assert f"({status})" in found.error
            with pytest.raises(Unavailable, match=f"Tunnel connection failed: {status}"):
                sqs(far, patch=monkeypatch)

    def test_a_proxy_that_is_not_there_is_named(self, far, monkeypatch):
        with ConnectProxy() as proxy:
            pass
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        found = slack(far)
        where = f"no connection to the proxy 127.0.0.1:{proxy.port} of HTTPS_PROXY"
        assert found == Later(error=f"{where}: Connection refused")
        with pytest.raises(Unavailable, match=r"proxy URL.*Connection refused"):
            sqs(far, patch=monkeypatch)


class TestPrivateCertificates:
    @pytest.mark.parametrize("variable", ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"])
    def test_a_private_ca_is_trusted_by_both(self, variable, far, bundle, monkeypatch):
        monkeypatch.setenv(variable, bundle)
        assert slack(far, "localhost") == Sent(result="ok")
        sqs(far, "localhost", patch=monkeypatch)

    def test_slack_trusts_the_system_in_addition(self, far, bundle, monkeypatch):
        """Else a CA for AWS alone would end notices."""
        other = trustme.CA()
        monkeypatch.setenv("SSL_CERT_FILE", bundle)
        with other.cert_pem.tempfile() as file:
            monkeypatch.setenv("AWS_CA_BUNDLE", file)
            assert slack(far, "localhost") == Sent(result="ok")

    def test_awss_variable_goes_before_the_other(self, far, bundle, monkeypatch):
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", bundle)
        with trustme.CA().cert_pem.tempfile() as file:
            monkeypatch.setenv("AWS_CA_BUNDLE", file)
            assert isinstance(slack(far, "localhost"), Later)

    def test_an_untrusted_certificate_is_named_as_such(self, far, monkeypatch):
        found = slack(far, "localhost")
        assert isinstance(found, Later)
        assert "certificate shown for Slack is not trusted" in found.error
        assert "AWS_CA_BUNDLE" in found.error

    @AWS
    def test_so_it_is_for_aws(self, aws, far, monkeypatch):
        with pytest.raises(Unavailable, match=r"certificate is not trusted .*AWS_CA_BUNDLE"):
            aws(far, "localhost", patch=monkeypatch)

    @pytest.mark.parametrize("content", [None, "", "no certificate"])
    def test_a_file_that_cannot_be_used_is_named(self, content, far, tmp_path, monkeypatch):
        file = tmp_path / "ca.pem"
        if content is not None:
            file.write_text(content)
        monkeypatch.setenv("AWS_CA_BUNDLE", str(file))
        found = slack(far, "localhost")
        assert isinstance(found, Blocked)
        assert "AWS_CA_BUNDLE names no usable file of certificates" in found.error
        assert far.requests == []
