"""Where SES sends its feedback, as its two interfaces show and take it; moto has little of it.

Shapes: botocore's models `ses/2010-12-01` and `sesv2/2019-09-27`.
"""

import json
from xml.sax.saxutils import escape

from botocore import xform_name

_V1 = {"ListIdentities", "GetIdentityNotificationAttributes", "SetIdentityNotificationTopic"}
_V2 = {
    "GetAccount", "ListConfigurationSets", "GetConfigurationSetEventDestinations",
    "CreateConfigurationSetEventDestination", "UpdateConfigurationSetEventDestination",
}  # fmt: skip


class Refusal(Exception):
    """SES says no."""

    def __init__(self, status, code, text):
        super().__init__(text)
        self.status = status
        self.code = code


class Publishing:
    """Identities with their topics, configuration sets with their event destinations."""

    def __init__(self):
        self.identities = {}
        """By name, `Bounce` and `Complaint` and their topics."""
        self.configuration_sets = {}
        """By name, definitions of event destinations by their names."""
        self.account = {
            "EnforcementStatus": "HEALTHY",
            "ProductionAccessEnabled": True,
            "SendingEnabled": True,
            "SuppressionAttributes": {"SuppressedReasons": ["BOUNCE", "COMPLAINT"]},
        }

    def knows(self, operation):
        return operation in _V1 | _V2

    def perform(self, request):
        found = getattr(self, f"_{xform_name(request.operation)}")(request.arguments)
        if request.operation in _V1:
            return _xml(request.operation, found)
        return 200, {}, json.dumps(found).encode()

    def _list_identities(self, _):
        members = "".join(f"<member>{escape(name)}</member>" for name in self.identities)
        return f"<Identities>{members}</Identities>"

    def _get_identity_notification_attributes(self, fields):
        requested = [value for name, value in fields.items() if name.startswith("Identities.")]
        entries = "".join(
            f"<entry><key>{escape(name)}</key><value>"
            + "".join(
                f"<{kind}Topic>{topic}</{kind}Topic>"
                for kind, topic in self.identities[name].items()
            )
            + "<ForwardingEnabled>true</ForwardingEnabled></value></entry>"
            for name in requested
            if name in self.identities
        )
        return f"<NotificationAttributes>{entries}</NotificationAttributes>"

    def _set_identity_notification_topic(self, fields):
        if fields["Identity"] not in self.identities:
            raise Refusal(400, "InvalidParameterValue", "Identity is not verified")
        self.identities[fields["Identity"]][fields["NotificationType"]] = fields["SnsTopic"]
        return ""

    def _get_account(self, _):
        return self.account

    def _list_configuration_sets(self, _):
        return {"ConfigurationSets": list(self.configuration_sets)}

    def _get_configuration_set_event_destinations(self, fields):
        found = self._set(fields)
        return {
            "EventDestinations": [{"Name": name} | attributes for name, attributes in found.items()]
        }

    def _create_configuration_set_event_destination(self, fields):
        found = self._set(fields)
        if fields["EventDestinationName"] in found:
            raise Refusal(400, "AlreadyExistsException", "It exists")
        found[fields["EventDestinationName"]] = fields["EventDestination"]
        return {}

    def _update_configuration_set_event_destination(self, fields):
        self._set(fields)[fields["path"][-1]] |= fields["EventDestination"]
        return {}

    def _set(self, fields):
        name = fields["path"][4]
        if name not in self.configuration_sets:
            raise Refusal(404, "NotFoundException", f"Configuration set <{name}> does not exist")
        return self.configuration_sets[name]


def _xml(operation, result):
    xml = (
        f'<{operation}Response xmlns="http://ses.amazonaws.com/doc/2010-12-01/">'
        f"<{operation}Result>{result}</{operation}Result></{operation}Response>"
    )
    return 200, {"Content-Type": "text/xml"}, xml.encode()
