"""Addresses that nobody of the house wrote: which may be called, and by which IP."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence

import pytest

from whereupon.connect.vetting import Vetting, loopback, public, resolve, warnings_for
from whereupon.model.errors import Refused

PUBLIC = "93.184.215.14"
INSIDE = [
    "0.0.0.0", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.8.8.8",
    "168.63.129.16", "169.254.169.254", "169.254.170.2", "172.16.0.1", "172.31.255.255", "192.0.0.192", "192.0.2.1",
    "192.88.99.1", "192.168.1.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255",
    "[::]", "[::1]", "[::127.0.0.1]", "[::ffff:127.0.0.1]", "[::ffff:a9fe:a9fe]", "[::ffff:0:127.0.0.1]",
    "[64:ff9b::7f00:1]", "[64:ff9b::169.254.169.254]", "[64:ff9b:1::a00:1]", "[100::1]", "[2001::1]",
    "[2001:0:7f00:1::]", "[2001:db8::1]", "[2002:7f00:1::]", "[2002:a9fe:a9fe::1]", "[fc00::1]", "[fd00:ec2::254]",
    "[fe80::1]", "[fec0::1]", "[ff02::1]",
]  # fmt: skip
"""20 of IPv4 and 20 of IPv6, written plainly."""
DISGUISED = [
    "https://2130706433/", "https://0x7f000001/", "https://0x7f.0.0.1/", "https://0177.0.0.1/", "https://127.1/",
    "https://127.0.1/", "https://0/", "https://0251.0376.0251.0376/", "https://2852039166/", "https://127.0.0.1./",
    "https://%31%32%37.0.0.1/", "https://１２７.0.0.1/", "https://127。0。0。1/", "https://[fe80::1%25lo]/",
    "https://good.example@127.0.0.1/", "https://good.example\\@127.0.0.1/", "https://127.0.0.1\\@good.example/",
    "https://good.example:443@[::1]/", "https://127.0.0.1#@good.example/", "https://127.0.0.1?@good.example/",
]  # fmt: skip
"""The same, so that some readers take them for something else."""


def vetting(*addresses: str, admin: Sequence[str] = ()) -> Vetting:
    """Vets with a resolver that gives every name these addresses."""
    return Vetting(frozenset(admin), lambda host: addresses)


def refusal(vetting: Vetting, url: str) -> str:
    with pytest.raises(Refused) as caught:
        vetting.vet(url)
    return caught.value.message


@pytest.mark.req("NEW-05")
@pytest.mark.fault(53)
@pytest.mark.parametrize("url", [*(f"https://{host}/latest/meta-data/" for host in INSIDE), *DISGUISED])
def test_an_address_inside_is_refused_even_if_a_resolver_says_it_is_public(url: str) -> None:
    assert refusal(vetting(PUBLIC), url)


def test_the_bar_is_sixty() -> None:
    assert len({*INSIDE, *DISGUISED}) == 60


@pytest.mark.fault(53)
@pytest.mark.parametrize("host", INSIDE)
def test_a_name_that_leads_inside_is_refused_and_so_is_one_of_whose_addresses_one_does(host: str) -> None:
    address = host.strip("[]")
    assert "leads to" in refusal(vetting(address), "https://good.example/")
    assert "leads to" in refusal(vetting(PUBLIC, address), "https://good.example/")


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("http://good.example/", "doesn't begin with https"),
        ("ftp://good.example/", "doesn't begin with https"),
        ("file:///etc/passwd", "has no plain host name"),
        ("//good.example/", "doesn't begin with https"),
        ("https:///path", "has no plain host name"),
        ("https://good.example:0/", "has no plain host name"),
        ("https://good.example:70000/", "has no plain host name"),
        ("https://[::1/", "has no plain host name"),
        ("https://good .example/", "has no plain host name"),
        ("https://good.example/\r\nHost: evil", "has no plain host name"),
        ("https://user:secret@good.example/", "has no plain host name"),
        ("https://-good.example/", "has no plain host name"),
    ],
)
def test_what_is_no_plain_address_of_the_web_is_refused(address: str, said: str) -> None:
    assert said in refusal(vetting(PUBLIC), address)


@pytest.mark.parametrize(
    ("url", "addresses", "pinned"),
    [
        ("https://esp.example/v1/send?x=1", [PUBLIC], PUBLIC),
        ("https://ESP.Example:8443/", [PUBLIC, "8.8.8.8"], PUBLIC),
        ("https://esp.example/", ["2606:4700:4700::1111"], "2606:4700:4700::1111"),
        ("https://esp.example/", ["64:ff9b::5db8:d70e"], "64:ff9b::5db8:d70e"),
        ("https://xn--bcher-kva.example/", [PUBLIC], PUBLIC),
        ("https://my_host.example/", [PUBLIC], PUBLIC),
        (f"https://{PUBLIC}/", [], None),
        ("https://[2606:4700:4700::1111]/", [], None),
        ("https://[::ffff:8.8.8.8]/", [], None),
    ],
)
def test_a_public_address_passes_with_the_ip_to_connect_to(
    url: str, addresses: list[str], pinned: str | None
) -> None:
    vetted = vetting(*addresses).vet(url)
    assert (vetted.url, vetted.pinned) == (url, pinned)


@pytest.mark.fault(53)
def test_a_name_that_changes_its_mind_is_asked_once_and_kept_to_what_was_vetted() -> None:
    answers: Iterator[Sequence[str]] = iter([[PUBLIC], ["127.0.0.1"]])
    flipping = Vetting(resolve=lambda host: next(answers))
    assert flipping.vet("https://good.example/").pinned == PUBLIC
    assert "leads to 127.0.0.1" in refusal(flipping, "https://good.example/")


def test_a_host_that_an_admin_wrote_may_be_private_and_use_plain_http() -> None:
    vets = vetting("10.0.0.5", admin=["esp.internal", "10.0.0.5", "::1"])
    for url in ("http://esp.internal:8080/send", "https://10.0.0.5/", "http://[::1]/"):
        assert vets.vet(url).pinned is None
    assert "doesn't begin with https" in refusal(vets, "http://other.internal/")
    assert "doesn't begin with https" in refusal(vets, "file://esp.internal/etc/passwd")
    assert "no plain host name" in refusal(vets, "http://evil.example\\@esp.internal/")


def test_a_name_that_nobody_knows_is_refused() -> None:
    def unknown(host: str) -> Sequence[str]:
        raise OSError("no such host")

    assert (
        refusal(Vetting(resolve=unknown), "https://nowhere.example/")
        == "The host nowhere.example isn't known."
    )
    assert "isn't known" in refusal(vetting("nonsense"), "https://nowhere.example/")


def test_the_systems_resolver_gives_addresses() -> None:
    found = {ipaddress.ip_address(each) for each in resolve("localhost")}
    assert found
    assert not any(public(each) for each in found)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("https://esp.example/", []),
        ("http://localhost:8080/", []),
        ("http://127.0.0.1/", []),
        ("http://[::1]/", []),
        ("http://esp.example/", ["unencrypted"]),
        ("https://10.0.0.5/", ["private network"]),
        ("http://192.168.1.9/", ["unencrypted", "private network"]),
    ],
)
def test_what_is_weak_about_an_admins_address_is_said(url: str, words: list[str]) -> None:
    said = warnings_for(url)
    assert len(said) == len(words)
    assert all(word in sentence for word, sentence in zip(words, said, strict=True))


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.8.8", "::1"])
def test_this_machine_goes_by_several_names(host: str) -> None:
    assert loopback(host)
    assert not loopback("mail.example.com")
    assert not loopback("10.0.0.5")
