"""Why a message was withheld: one short lasting word for each reason, and what it means."""

from __future__ import annotations

from dataclasses import dataclass

REASONS = {
    "not in store": "A store that the campaign looks up has no record of the person.",
    "template": "A template has a reference that nothing fills, or can't be rendered.",
    "empty subject": "The subject was rendered empty.",
    "empty field": "A field that the channel can't do without was rendered empty.",
    "limit": "The person has had as many messages as the campaign's limits allow.",
    "too many events": "The person has so many events that limits can't be counted.",
    "too old": "The event is older than the time in which repeated events are recognised.",
    "expired": "The event was older than the campaign's expiry when its turn came.",
    "too large": "The message is larger than the channel takes.",
    "paused": "A person had paused the campaign.",
    "campaign deleted": "The campaign was deleted while the message was open.",
    "discarded": "A person discarded the message.",
    "suppressed": "The person or the address is on the suppression list.",
    "re-entry": "The campaign had been sent to the person before, and may not be again.",
}
"""Each withhold reason with a sentence about it; the words are kept in the journal and never change."""


@dataclass(frozen=True, slots=True)
class Withheld:
    """There is no message, on purpose. `reason` is one of REASONS; `detail` says which store, field or template."""

    reason: str
    detail: str = ""
