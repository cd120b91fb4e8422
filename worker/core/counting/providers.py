"""The mail provider of a domain, by a table of the domains that large providers give to people.

Domains of companies whose mail a provider handles are not known by their names; they are `other`.
"""

_PROVIDERS = {
    "aol": "aol.com aim.com aol.co.uk aol.de aol.fr verizon.net",
    "apple": "icloud.com me.com mac.com privaterelay.appleid.com",
    "att": "att.net sbcglobal.net bellsouth.net pacbell.net ameritech.net",
    "bt": "btinternet.com btopenworld.com",
    "charter": "charter.net spectrum.net rr.com roadrunner.com twc.com",
    "comcast": "comcast.net xfinity.com",
    "cox": "cox.net",
    "freenet": "freenet.de",
    "gmail": "gmail.com googlemail.com",
    "gmx": "gmx.de gmx.net gmx.at gmx.ch gmx.com gmx.co.uk gmx.fr gmx.us caramail.com",
    "laposte": "laposte.net",
    "libero": "libero.it iol.it inwind.it blu.it giallo.it",
    "mail_ru": "mail.ru bk.ru inbox.ru list.ru internet.ru",
    "microsoft": (
        "outlook.com hotmail.com live.com msn.com passport.com windowslive.com outlook.de "
        "outlook.fr outlook.es outlook.it outlook.jp outlook.com.br outlook.co.th outlook.be "
        "hotmail.co.uk hotmail.de hotmail.fr hotmail.es hotmail.it hotmail.be hotmail.nl "
        "hotmail.com.br hotmail.co.jp hotmail.com.ar hotmail.com.mx hotmail.ca hotmail.se "
        "live.co.uk live.de live.fr live.nl live.it live.be live.ca live.com.au live.com.mx "
        "live.dk live.no live.se live.jp"
    ),
    "naver": "naver.com",
    "netease": "163.com 126.com yeah.net vip.163.com",
    "orange": "orange.fr wanadoo.fr",
    "proton": "proton.me protonmail.com protonmail.ch pm.me",
    "rambler": "rambler.ru lenta.ru autorambler.ru myrambler.ru ro.ru",
    "rediff": "rediffmail.com",
    "seznam": "seznam.cz email.cz post.cz spoluzaci.cz",
    "sfr": "sfr.fr neuf.fr cegetel.net",
    "sina": "sina.com sina.cn",
    "sky": "sky.com",
    "t_online": "t-online.de magenta.de",
    "tencent": "qq.com foxmail.com vip.qq.com",
    "uol": "uol.com.br bol.com.br",
    "virgin": "virginmedia.com ntlworld.com blueyonder.co.uk virgin.net",
    "web_de": "web.de email.de",
    "wp": "wp.pl o2.pl tlen.pl",
    "yahoo": (
        "yahoo.com ymail.com rocketmail.com myyahoo.com yahoo.co.uk yahoo.fr yahoo.de yahoo.es "
        "yahoo.it yahoo.ca yahoo.in yahoo.co.in yahoo.com.au yahoo.com.br yahoo.com.mx "
        "yahoo.com.ar yahoo.com.tw yahoo.com.hk yahoo.com.sg yahoo.com.ph yahoo.com.vn "
        "yahoo.co.id yahoo.gr yahoo.ie yahoo.se yahoo.no yahoo.dk yahoo.pl yahoo.ro"
    ),
    "yahoo_japan": "yahoo.co.jp ybb.ne.jp",
    "yandex": "yandex.ru yandex.com ya.ru yandex.by yandex.kz yandex.ua",
    "zoho": "zoho.com zohomail.com zohomail.eu",
}
_BY_DOMAIN = {
    domain: provider for provider, domains in _PROVIDERS.items() for domain in domains.split()
}
PROVIDERS = (*_PROVIDERS, "other")
"""All values of the dimension `provider`, except the empty value: no domain."""


def provider_of(domain: str) -> str:
    """Return the provider of a domain in lower-case Punycode; empty if the domain is."""
    return _BY_DOMAIN.get(domain, "other" if domain else "")
