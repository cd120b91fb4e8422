"""Words of mail servers that show whose fault it is, where nothing in `telling` fits. Pure.

`phrases` says how the rows are read. The last rows are single words, for replies with nothing else.
"""

from worker.core.faults.fault import Fault

HINTING: tuple[tuple[Fault, str], ...] = (
    (Fault.MESSAGE, """
        8bit; advertis; antispam; attachment; bad header; bad_header; bare lf; bare line; bayes;
        binary content; blocked words; bulk email; bulk mail; content denied;
        content examination; content filter; content is not; content of this message;
        content policy; content presents; content reject; content restrictions;
        conversion failure; corrupt message; dangerous; data loss; dcc$; disallowed header;
        dlp$; dt spm; email policy; email size; encoded word; encrypted attachment;
        exceeds size; executable; file too large; file type; forbidden file; fraud;
        header error; header limit; header size; headers are; html tag; illegal attachment;
        inappropriate; invalid characters; invalid content; invalid data in message;
        invalid header; invalid structure; is larger; junk; larger than; line length;
        line too long; linefeed; looks like; macro; mail content; mail data refused;
        mail rejete; mail score; mail size; malformed; malicious; malware; mass mailer;
        maximum message; maximum size; message content; message filtered; message is too long;
        message not allowed; message rejected due to local policy; message score; message size;
        message too long; message … size; mime error; mime reject; missing header; nospam;
        not accepted for policy reasons please visit; not rfc; nul characters;
        offensive content; password protected; phish; policy violation detected; profanity;
        pyzor; ransomware; razor; recipsizelimit; recurrent pattern;
        rejected due to local policy; rfc violation; scam; scoring; security policies;
        size exceeded; size exceeds; size limit … message; smtputf8; spam; suspicious content;
        suspicious link; suspicious url; taille limite; this message scored; too big; too large;
        trojan; ube id; unacceptable; unicode character; unsolicited; viagra; violates … policy;
        virus
    """),
    (Fault.RECEIVER, """
        allowed to relay; antivirus … unavailable; as a relay; back end; backend;
        best preference mx; can t create; can t open; cannot create; cannot open; command died;
        config error; configuration error; content scanner error; could not be stored;
        couldn t create; create directory; currently unavailable; database;
        delivery temporarily suspended; denies relay; disk full; disk is full; dns lookup;
        dns soft error; dovecot; down for; downstream; error writing; exceeded hops;
        file write error; has been delayed; hop count; host not found try again; i o error;
        in my list of allowed rcpthosts; inbounds disabled; insufficient disk;
        insufficient system; internal error; internal resources; internal server error;
        internal system; isn t in my list of allowed rcpthosts; ldap; lmtp; local error;
        local problem; lookup fail; loop; mail server error; maildir delivery failed;
        maintenance; milter; misconfigured; mta failure; name server reply; name server timeout;
        name server … lookup failure; name service error … try again; nameserver; next hop;
        no dns a data; no mail enabled subscriptions; no space; no such file; not a gateway;
        not accepting network messages; not enough disk; not one of our domains;
        not permitted to relay; out of memory; overload; overquota on server; points back;
        policy server; policy service; policy size per transaction; proxy error; queue file;
        queue unavailable; read only file; relay access denied; relay denied; relay not allowed;
        relay not permitted; relay prohibited; relaying denied; relaying not allowed;
        relaying to … prohibited; requires authentication; resource temporarily;
        resources are temporarily; resources temporarily unavailable; resources unavailable;
        scanner … unavailable; server busy; server configuration; servfail; service busy;
        service failure; service refused … ofr005; shutting down; smart host; storage failure;
        system busy; system full; system issue; temporarily not available;
        temporarily rejected message; temporarily unavailable; temporary error;
        temporary failure in name; temporary local; temporary server error;
        temporary system problem; too busy; too many hops; trouble in home directory;
        try this recipient in a separate; u busy; unable to chdir; unable to create;
        unable to lookup dns; unable to open; unable to process connection; unable to relay;
        unable to verify; unauthorized relay; upstream error; will be retried; write error
    """),
    (Fault.RECIPIENT, """
        account closed; account expired; account has expired; account is locked;
        account is unavailable; account unavailable; account unknown; accountdisabled;
        address lookup in; address rejected; address unknown; addressee unknown;
        adrrecipnotfound; archived; archivee; are invalid; bad address; bad destination;
        bad mailbox; bad recipient; badrcptto; boite pleine; boite … pleine; can t accept user;
        cannot be verified; casella piena; closed due to; couldn t find any host; deactivated;
        deceased; destinataire inconnu; destinataire invalide; destinatario sconosciuto;
        didn t exist; disabled; discontinued; dns hard error; does not accept mail;
        does not have an account; does not receive; doesn t exist; doesn t have a;
        doesn t receive; domain name not found; domain not found; don t exist; dropfile;
        empfänger unbekannt; enough space; exceeded email quota; exceeded storage;
        expired account; find a mail exchanger; full mailbox; handle mail for; has been closed;
        has been replaced; has moved; hasn t entered; host unknown; inactivated; inactive;
        inbox is out of storage; inbox … full; invalid account; invalid address;
        invalid mailbox; invalid or unknown; invalid recipient; invalid user; is full;
        is invalid; is locked; is restricted; is unknown; left the company; mail exchanger;
        mailbox currently unavailable; mailbox full; mailbox is full; mailbox is not allowed;
        mailbox not allowed; mailbox not available; mailbox size limit; mailbox unavailable;
        mailbox unknown; mailbox … exceeded; mailbox … full; mailbox … limit;
        mailbox … unavailable; marked as invalid; maximum allowed size; maximum … mailbox;
        misspell; moved to; name not allowed; never logged; nie istnieje; nie ma takiego;
        no a record; no account; no alias; no existe; no longer accept; no longer at;
        no longer available; no longer employed; no longer exist; no longer in use;
        no longer on server; no longer valid; no longer with; no longer work; no mail box;
        no mailbox; no mx; no one at; no person; no such; no user; no valid recipients;
        non esiste; non existent; nonexistent; not a known; not a mailbox; not a member of;
        not a valid; not activated; not active; not allowed … recipient; not exist; not found;
        not have a mailbox; not in our; not in service; not in use; not known; not listed in;
        not local; not ok; not our customer; not used for; not valid; null mx; nullmx; nxdomain;
        out of storage; over quota; over the maximum allowed; overdrawn; overquota; quota;
        rcpt … does not; receive any more; recipient account; recipient address rejected;
        recipient is not accepting; recipient rejected; recipient unknown; recipient … bloque;
        recipient … invalid; recipient … unavailable; recipientnotfound; recipients are invalid;
        recipients rejected; recipnotfound; recognised; recognized; rejected by recipients;
        resigned; retired; space has used; space not enough; status is locked; storage full;
        storage limit; suspend the service; suspended; unallocated; unknown account;
        unknown address; unknown domain; unknown email; unknown host; unknown local;
        unknown mailbox; unknown or illegal; unknown or invalid; unknown user; unroutable;
        unrouteable; unused; user is locked; user is not accepting; user path no exist;
        user reject; user unknown; user … unavailable; usuario desconocido; usuario no existe;
        utente sconosciuto; utilisateur inconnu; wrong recipient
    """),
    (Fault.RECEIVER, """
        certificate; connect to; connection closed; connection dropped; connection lost;
        connection refused; connection reset; conversation with; could not be reached;
        could not connect; couldn t be reached; delivery expired; delivery time expired;
        failed to establish; gave up; giving up; handshake fail; in the queue too long;
        is broken; lost connection; message delayed; message expired; message too old;
        network is unreachable; no answer; no route to host; not accepting connections;
        not accepting mail; not accepting messages; not reachable; not responding;
        permission denied; queue full; queue is full; read error; reset by peer; retry time;
        server error; service not available; service unavailable; software error; starttls;
        system error; time out; timed out; timeout; tls connect; tls handshake;
        unable to connect; unexpected error; unreachable; wasn t able to establish
    """),
    (Fault.MESSAGE, """
        7bit; content; filter; header; infect; link; mailsize; phone number; size; url
    """),
    (Fault.RECEIVER, """
        cannot be reached; could be reached; dns error; dns query; internal; lookup error;
        relay; temporarily unable
    """),
    (Fault.SENDER, """
        attack; blocked by; has no a aaaa; helo; ip; mail from; sender; service denied; tld
    """),
    (Fault.RECIPIENT, """
        deliver mail for; inbox; mail user; mailbox; not user of; recipient
    """),
    (Fault.SENDER, """
        banned; blocked
    """),
)  # fmt: skip
