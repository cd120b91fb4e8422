"""Words of mail servers that show whose fault it is, whatever else they write. Pure.

`phrases` says how the rows are read. The first row that has a phrase of the reply decides, so the
order matters: a broken lookup names a blocklist, and a blocklist names spam.
"""

from worker.core.faults.fault import Fault

TELLING: tuple[tuple[Fault, str], ...] = (
    (Fault.RECEIVER, """
        certificate expired; certificate host mismatch; dns query refused; dnssec invalid;
        failed dane validation; proxy session setup failed; recipient verification failed;
        spf … temperror; temporary dmarc dns lookup failure; temporary error … spf;
        temporary … lookup failure; the domain failed dane; tlsa invalid;
        unexpected name server reply
    """),
    (Fault.MESSAGE, """
        attach type; attachment type; banned content; blacklisted url; blocking url;
        contain spam; contains a url; contains a virus; contains malware; contains spam;
        contains virus; duplicate header; from header or having no from; infected message;
        infected with; ip domain url; malware detected; message id header;
        mismatched with message header; multiple addresses in from; multiple … headers;
        nature of the content; no resent from; rfc compliant; rfc section; same message id;
        spam body; spam content; spam header; spam link; spam or virus; spam pattern;
        spam virus; spoofing; subject headers; surbl; uribl; url found; url … blacklisted;
        url … blocklist; url … listed; url … filter; url … rejected; urlbl;
        valid address in the from; virus detected; virus found; virus infected; words in the message
    """),
    (Fault.UNKNOWN, """
        content … or ip domain reputation; permanent failure for one or more recipients;
        policy restrictions; policy that prohibited
    """),
    (Fault.MESSAGE, """
        link reputation; url reputation
    """),
    (Fault.SENDER, """
        reputation; excessive unknown; too many unknown; email from ip
    """),
    (Fault.RECEIVER, """
        loop detect; dt grl; gray list; graylist; grey list; greylist; intentional policy rejection;
        postgrey; recipient callout; recipient verify callout; verification in progress
    """),
    (Fault.RECIPIENT, """
        anonymous mail; not listed in public; authrequired;
        authentication required delivery restriction; blocked by recipient;
        blocked by the recipient; blocked by the user; blocked you;
        client was not authenticated; definitively does not want; delivery restriction;
        envelope blocked user; in this mailbox; indicated no smtp service;
        is receiving mail at a rate; is receiving mail too quickly; malformed address;
        managed senders; not in allowed senders list; on this mailbox; only accepting mail from;
        only accepts mail from; opted out; personal block; privacy settings;
        received too much email; recipient does not want; recipient doesn t want;
        recipient is only accepting; recipient s preferences; recipient thread limit;
        recipient verify; refused by recipient; refused to receive; rejected by recipient;
        rejected by the recipient; sender not authenticated for; sender was not authenticated;
        sendernotauthenticatedfor; sendernotinallowedlist; space available; storage space;
        suppressed sending to this address; suppression list; unknown recipient; unsubscribed;
        user blacklist; user in blacklist; user refused
    """),
    (Fault.SENDER, """
        abus detecte; abuse detected; abusive; access denied spam abuse; access denied traffic;
        access from ip; access to submit messages; access to this mail system has been rejected;
        adresse ip; allow list; allowlist; arc seal; as number; authentication checks;
        authentication is required; authentication level; authentication required; bad helo;
        bad ip; bad neighborhood; bad outbound sender; bad sender; badmailfrom; banned;
        black ip; black list; blackhole; blacklist; block list; blocked by spam statistics;
        blocked for spamming; blocked using; blocklist; botnet; bounce attack;
        cannot find your hostname; cannot find your reverse; cannot resolve your address; cdrbl;
        client host; client … blocked using; complaints we received; compromised;
        concurrent connections; connection limit; connection refused by policy;
        connection refused from; connection rejected by policy; connections from;
        connections will not be accepted; contact your isp; cxbl; cxdns; cxsndr; daily limit;
        deferred due to; delisted; denial of service; deny list; denylist; dictionary attack;
        dkim; dmarc; dnsbl; dnsrbl; does not resolve; domain authentication fail;
        domain of sender; domain … blacklisted; dos attack; dt rbl; due to abuse; dynamic ip;
        dynamic residential; dynamically assigned; email from … blocked; email service provider;
        emetteur invalide; encryption required; excessive rate; excessive volume; fake sender;
        flood; for abuse; forward dns; frequency limit; from address is not;
        from address not verified; from domain; from this ip; from this sender;
        from your sender; generic hostname; geoip; helo command rejected; helo ehlo; helo$;
        helohost; high volume; hl icc; hl ifc; hl mep; hl rep; honeypot; host … black; hourly;
        infected host; internet service provider; invalid helo; invalid ip; invalid sender;
        ip address has; ip address is; ip blocked; ip in prison; ip is blocked; ip is in;
        ip is rejected; ip name lookup failed; ip not in whitelist; ip rejected; ip … banned;
        ip … blacklisted; ip … block listed; ip … blocked; ip … blocklisted; ip … listed; ipbl;
        junkmail rejected … rbl; listed at; listed in; listed on; low trust; mail bomb;
        mail from domain; mail from ip; mail from … blocked; mail from … refused;
        mail from … rejected; mail … is unauthenticated; max message per connection;
        max number of messages; maximum number of connections; message threshold exceeded;
        messages from … blocked; messages from … deferred; messages from … rejected;
        messages from … weren t sent; messages per connection; messages per session; mi dmc;
        mi sfq; mismatches client ip; must issue a starttls; netblock; network not allowed;
        new or untrusted; no reverse; not accepted from; not allowed to connect;
        not allowed to send; not authenticated; not authorised to send; not authorized to send;
        not be accepted from; not currently accepting mail from your; not on our whitelist;
        not trusted; not whitelisted; open proxy; open relay; open smtp relay; over a tls;
        part of their network; per hour; permanently deferred; postmaster verification;
        postmaster … unblock; problem occurred ask your postmaster; proxy detected; ptr;
        quota for sending; rate exceeded; rate limit; ratelimit; rbl; rdns; relay limit;
        removal from this list; reputation; request removal; requires encryption; requires tls;
        retrying too fast; return email domain; return path; reverse dns; reverse hostname;
        reverse lookup; rp drc; send rate; sender address; sender denied; sender domain;
        sender id; sender invalid; sender ip; sender is rejected; sender is unauthenticated;
        sender policy framework; sender rejected; sender s domain; sender s ip;
        sender verification; sender verify; sender … blacklisted; sender … quota;
        sending domain; sending ip; sending large; sending limit; sending quota; sending rate;
        sending spam; server busy … from; service permits; slow down; slower; sorbs; source ip;
        spam abuse detected; spam complaints; spam ip; spam list; spam sender; spam source;
        spam statistics; spam trap; spamcop; spamhaus; spammer; spamtrap; spf;
        starttls command first; starttls is required; starttls required; suspicious activity;
        temporarily blocked for; temporarily deferred; the mail server … limited; this hour;
        this ip; throttl; tls required; tlsv … required; to use tls; too fast;
        too many bad commands; too many complaints; too many concurrent; too many connections;
        too many emails; too many errors; too many invalid recipients; too many mails;
        too many messages; too many recipients; too many sessions; too many spam;
        too many unknown; too much mail; too much spam; too much traffic; too quickly; trap hit;
        trop de connexions; ts01; ts02; ts03; tss0; unauthenticated email; unblock;
        unexpected volume; unknown sender; unresolvable; untrusted; unusual activity;
        unusual rate; unusual volume; user complaints; verification failed; verify mailfrom;
        verify sender; volume exceeded; volume limit; whitelist; you are not allowed to connect;
        your domain; your email address … black; your host; your ip; your isp; your mail server;
        your network; your server; zombie
    """),
)  # fmt: skip
