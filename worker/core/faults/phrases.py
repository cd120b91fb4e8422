"""What mail servers say, and whose fault it is: a table, from the first row to the last. Pure.

A phrase is compared with a reply of which only words are left, in lower case, a blank before and
behind each (`echoes`). `…` stands for any words between. A blank at an end ends a word: ` spf `.
"""

from collections.abc import Iterable

from worker.core.faults.fault import Fault

BROKEN_LOOKUPS = (
    "open resolver", "public resolver", "open/public", "excessive number of queries",
    "too many queries", "query refused", "query was blocked", "queries blocked", "refused.shtml",
    "/returnc/", "127.255.255.", "typing error in dnsbl", "rbl lookup error", "dnsbl lookup error",
)  # fmt: skip
"""Blocklists answer so to whom they do not serve; a filter that takes it for a listing is broken.
https://www.spamhaus.com/resource-center/help-for-spamhaus-projects-legacy-blocklist-users"""

LISTS = (
    "spamhaus.org", "spamcop.net", "barracudacentral.org", "abuseat.org", "sorbs.net",
    "senderbase.org", "talosintelligence.com", "mail-abuse.", "uceprotect.net", "invaluement.com",
    "senderscore.", "dnsbl", "rbl.", "denyip", "delist",
)  # fmt: skip
"""Where a reply sends us to be taken off a blocklist; asked where no word of the reply fits."""

_WRITTEN: tuple[tuple[Fault, str], ...] = (
    (Fault.RECEIVER, """
        recipient verification failed
        proxy session setup failed
        temporary dmarc dns lookup failure
        unexpected name server reply
        temporary error … spf
        temporary … lookup failure
        spf … temperror
        dns query refused
        certificate expired
        tlsa invalid
        dnssec invalid
        certificate host mismatch
        failed dane validation
        the domain failed dane
    """),
    (Fault.MESSAGE, """
        contains spam
        contain spam
        spam or virus
        spam virus
        contains a virus
        contains virus
        contains malware
        virus found
        virus detected
        virus infected
        infected with
        infected message
        malware detected
        duplicate header
        rfc compliant
        rfc section
        uribl
        surbl
        urlbl
        ip domain url
        blacklisted url
        url … blacklisted
        url … blocklist
        contains a url
        url found
        url … filter
        url … rejected
        blocking url
        subject headers
        multiple … headers
        mismatched with message header
        words in the message
        spam pattern
        spam content
        nature of the content
        message id header
        same message id
        from header or having no from
        multiple addresses in from
        valid address in the from
        spoofing
    """),
    (Fault.UNKNOWN, """
        content … or ip domain reputation
        permanent failure for one or more recipients
        policy restrictions
        policy that prohibited
    """),
    (Fault.MESSAGE, """
        url reputation
        link reputation
    """),
    (Fault.SENDER, """
        reputation
    """),
    (Fault.RECEIVER, """
        greylist
        graylist
        grey list
        gray list
        postgrey
        dt grl
        intentional policy rejection
        verification in progress
        recipient verify callout
        recipient callout
    """),
    (Fault.RECIPIENT, """
        in this mailbox
        on this mailbox
        space available
        authrequired
        recipient s preferences
        recipient is only accepting
        only accepting mail from
        only accepts mail from
        indicated no smtp service
        recipient verify
        blocked by the user
        blocked you
        privacy settings
        managed senders
        personal blocklist
        personal block
        client was not authenticated
        anonymous mail
        envelope blocked user
        rejected by recipient
        refused by recipient
        rejected by the recipient
        blocked by the recipient
        blocked by recipient
        recipient doesn t want
        recipient does not want
        definitively does not want
        user refused
        refused to receive
        user in blacklist
        user blacklist
        not in allowed senders list
        sendernotinallowedlist
        sendernotauthenticatedfor
        authentication required delivery restriction
        sender was not authenticated
        sender not authenticated for
        delivery restriction
        is receiving mail too quickly
        is receiving mail at a rate
        received too much email
        recipient thread limit
        opted out
        unsubscribed
        suppression list
        suppressed sending to this address
    """),
    (Fault.SENDER, """
         spf
         dkim
         dmarc
         arc seal
        sender address
        spam source
        spam sender
        spammer
        sending spam
        suspicious activity
        unusual activity
        for abuse
        abusive
        abuse detected
        abus detecte
        your isp
        network not allowed
        bounce attack
        denylist
        deny list
        temporarily deferred
        too quickly
        too fast
        per hour
        this hour
        hourly
        daily limit
        sender … quota
         tss0
         ts01
         ts02
         ts03
        sender policy framework
        unauthenticated email
        sender is unauthenticated
        mail … is unauthenticated
        not authenticated
        authentication level
        authentication checks
        domain authentication fail
        not authorized to send
        not allowed to send
        not authorised to send
        mismatches client ip
        reputation
        reverse dns
        reverse hostname
        reverse lookup
        rdns
         ptr
        forward dns
        no reverse
        cannot find your hostname
        cannot find your reverse
        ip name lookup failed
        cannot resolve your address
        bad helo
        helo command rejected
        invalid helo
        helo ehlo
        helohost
        generic hostname
        dynamic ip
        dynamic residential
        sender verify
        sender verification
        verify mailfrom
        verify sender
        sender rejected
        sender is rejected
        sender denied
        sender invalid
        invalid sender
        unknown sender
        bad sender
        bad outbound sender
        banned
        fake sender
        emetteur invalide
        domain of sender
        sender domain
        sending domain
        sender s domain
        mail from domain
        from domain
        unresolvable
        does not resolve
        mail from … rejected
        mail from … blocked
        mail from … refused
        messages from … deferred
        messages from … weren t sent
        messages from … blocked
        messages from … rejected
        email from … blocked
        not accepted from
        not be accepted from
        not currently accepting mail from your
        access from ip
        your ip
        dynamically assigned
        connection refused from
        connections from
        return email domain
        return path
        from address not verified
        from address is not
        verification failed
        postmaster verification
        sender id
        badmailfrom
        due to abuse
        from this sender
        from your sender
        authentication required
        authentication is required
        starttls is required
        starttls required
        starttls command first
        low trust
        untrusted
        not trusted
        bad neighborhood
        open relay
        open proxy
        open smtp relay
        proxy detected
        botnet
        compromised
        infected host
        zombie
        honeypot
        spam trap
        spamtrap
        trap hit
        volume exceeded
        volume limit
        too much mail
        too much traffic
        too much spam
        flood
        mail bomb
        dos attack
        denial of service
        geoip
        netblock
         as number
        whitelist
        allowlist
        allow list
        deferred due to
        temporarily deferred due
        postmaster … unblock
        unblock
        contact your isp
        internet service provider
        email service provider
        sending large
         helo 
        dictionary attack
        from this ip
        this ip
        sending ip
        sender ip
        source ip
        sender s ip
        spam ip
        black ip
        bad ip
        invalid ip
        ip is rejected
        ip is blocked
        ip rejected
        ip in prison
        ip blocked
        ip is in
        mail from ip
        ip address is
        ip address has
        adresse ip
        ip … blacklisted
        ip … blocklisted
        ip … block listed
        ip … listed
        ip … blocked
        ip … banned
        your host in blacklist
        your host
        your server
        your mail server
        the mail server … limited
        your domain
        your network
        part of their network
        your email address … black
        domain … blacklisted
        sender … blacklisted
        host … black
        blacklisted by
        black listed
        blacklist
        blocklist
        block listed
        block list
        blackhole
        black list
         rbl
        dnsbl
        dnsrbl
        sorbs
        spamcop
        spamhaus
        spam list
        client host … blocked
        client host … rejected
        client host
        client … blocked using
        blocked using
        blocked for spamming
        blocked by spam statistics
        spam statistics
        junkmail rejected … rbl
        temporarily blocked for
        request removal
        delisted
        removal from this list
        not whitelisted
        ip not in whitelist
        not on our whitelist
        access to this mail system has been rejected
        access to submit messages
        you are not allowed to connect
        not allowed to connect
        connections will not be accepted
        connection rejected by policy
        connection refused by policy
        too many connections
        too many concurrent
        too many sessions
        too many messages
        too many emails
        too many mails
        too many recipients
        too many errors
        too many bad commands
        too many invalid recipients
        too many unknown
        too many spam
        too many complaints
        user complaints
        spam complaints
        complaints we received
        unusual rate
        unusual volume
        unexpected volume
        excessive volume
        excessive rate
        high volume
        rate limit
        rate limited
        ratelimit
        rate exceeded
        send rate
        sending rate
        sending limit
        sending limits
        sending quota
        relay limit
        quota for sending
        frequency limited
        frequency limit
        throttl
        slow down
        slower
        retrying too fast
        trop de connexions
        max message per connection
        max number of messages
        messages per session
        messages per connection
        message threshold exceeded
        connection limit
        concurrent connections
        maximum number of connections
        permanently deferred
        new or untrusted
        server busy … from
        tls required
        tlsv … required
        requires tls
        requires encryption
        over a tls
        to use tls
        must issue a starttls
        encryption required
        access denied traffic
        access denied spam abuse
        spam abuse detected
        problem occurred ask your postmaster
        service permits
        hl rep
        hl icc
        hl ifc
        hl mep
        dt rbl
        mi sfq
        rp drc
        mi dmc
        cdrbl
        ipbl
        cxbl
        cxdns
        cxsndr
    """),
    (Fault.MESSAGE, """
        spam
        unsolicited
        junk mail
        bulk mail
        bulk email
        mass mailer
        phish
        ube id
        virus
        malware
        content reject
        content denied
        content filter
        content examination
        content is not
        content presents
        content of this message
        message content
        mail content
        unacceptable content
        banned content
        offensive content
        corrupt message
        invalid content
        this message scored
        message scored
        recurrent pattern
        message filtered
        mail data refused
        looks like
        illegal attachment
        attachment
        file too large
        too large
        too big
        message is too long
        message too long
        attachment is too long
        is larger
        larger than
        size limit … message
        message size
        message … size
        exceeds size
        size exceeds
        size exceeded
        mail size
        email size
        maximum size
        maximum message
        taille limite
        recipsizelimit
        header size
        header limit
        headers are
        invalid header
        header error
        bad header
        bad_header
        missing header
        disallowed header
        unicode character
        encoded word
        mail score
        message score
        spam score
        scoring
        content restrictions
        content policy
        html tag
        unacceptable
         dcc 
        pyzor
        razor
        bayes
        conversion failure
        nul characters
        binary content
        8bit
        smtputf8
        dangerous
        executable
        forbidden file
        file type
         macro
        password protected
        encrypted attachment
        advertis
        inappropriate
        profanity
        viagra
        blocked words
        suspicious link
        suspicious url
        suspicious content
        malicious
        fraud
        scam
        junk
        ransomware
        trojan
        dlp 
        data loss
        mime error
        mime reject
        malformed
        invalid structure
        invalid characters
        invalid data in message
        bare line
        bare lf
        linefeed
        line too long
        line length
        not rfc
        rfc violation
        violates … policy
        email policy
        message rejected due to local policy
        rejected due to local policy
        security policies
        policy violation detected
        content policy violation
        not accepted for policy reasons please visit
        message not allowed
        mail rejete
        dt spm
    """),
    (Fault.RECEIVER, """
        no such file
        command died
        mta failure
        i o error
        name server reply
        nameserver
        name server timeout
        name server … lookup failure
        best preference mx
        points back
        no dns a data
        internal system
        system issue
        has been delayed
        will be retried
        resources unavailable
        resource temporarily
        couldn t create
        can t open
        cannot open
        unable to open
        unable to create
        unable to chdir
        create directory
        read only file
        no space
        not enough disk
        lmtp
        dovecot
        backend
        back end
        downstream
        next hop
        smart host
        proxy error
        antivirus … unavailable
        scanner … unavailable
        milter
        content scanner error
        policy server
        policy service
        server configuration
        mail server error
        shutting down
        maintenance
        down for
        overquota on server
        service failure
        loop
        hop count
        exceeded hops
        too many hops
        requires authentication
        allowed to relay
        relay access denied
        relaying denied
        relay denied
        relay not permitted
        relay not allowed
        relaying not allowed
        relay prohibited
        not permitted to relay
        unable to relay
        unauthorized relay
        denies relay
        as a relay
        relaying to … prohibited
        not a gateway
        isn t in my list of allowed rcpthosts
        in my list of allowed rcpthosts
        not one of our domains
        no mail enabled subscriptions
        insufficient system
        insufficient disk
        out of memory
        disk full
        disk is full
        no space left
        system full
        storage failure
        file write error
        queue file
        maildir delivery failed
        trouble in home directory
        can t create
        cannot create
        write error
        error writing
        config error
        configuration error
        misconfigured
        local error
        local problem
        internal error
        internal server error
        internal resources
        resources temporarily unavailable
        resources are temporarily
        temporary system problem
        temporary server error
        temporary local
        temporary failure in name
        temporary error
        database
        queue unavailable
        ldap
        lookup fail
        unable to verify
        unable to process connection
        system busy
        server busy
        service busy
        u busy
        too busy
        overload
        try this recipient in a separate
        policy size per transaction
        temporarily rejected message
        temporarily unavailable
        temporarily not available
        currently unavailable
        not accepting network messages
        service refused … ofr005
        delivery temporarily suspended
        inbounds disabled
        upstream error
        unable to lookup dns
        dns lookup
        dns soft error
        name service error … try again
        host not found try again
        servfail
    """),
    (Fault.RECIPIENT, """
        user unknown
        unknown user
        unknown recipient
        recipient unknown
        unknown mailbox
        mailbox unknown
        unknown account
        account unknown
        unknown address
        address unknown
        addressee unknown
        unknown local
        unknown email
        unknown or illegal
        unknown or invalid
        invalid or unknown
        no such
        not exist
        n t exist
        doesn t have a
        does not have an account
        no longer exist
        no longer valid
        no longer available
        no longer on server
        no longer accept
        no longer in use
        no longer with
        not found
        notfound
        not known
        not a known
        not listed in
        not a valid
        not valid
        not our customer
        not a member of
        not activated
        not active
        not local
        not ok
        not allowed … recipient
        mailbox is not allowed
        mailbox not allowed
        name not allowed
        no mailbox
        no mail box
        no account
        no user
        no one at
        no valid recipients
        no person
        wrong recipient
        bad recipient
        bad address
        bad destination
        bad mailbox
        invalid recipient
        invalid mailbox
        invalid user
        invalid address
        invalid account
        marked as invalid
        recipient … invalid
        destinataire invalide
        destinataire inconnu
        utilisateur inconnu
        mailbox unavailable
        mailbox not available
        mailbox currently unavailable
        account unavailable
        account is unavailable
        user … unavailable
        mailbox … unavailable
        recipient … unavailable
        recipient rejected
        recipient address rejected
        address rejected
        recipients rejected
        rejected by recipients
        cannot be verified
        unrouteable
        unroutable
        recipients are invalid
        are invalid
        full mailbox
        space has used
        space not enough
        enough space
        receive any more
        never logged
        hasn t entered
        recognized
        recognised
        handle mail for
        does not receive
        doesn t receive
        non esiste
        couldn t find any host
        find a mail exchanger
        mail exchanger
        left the company
        no longer with
        no longer work
        no longer employed
        no longer at
        retired
        deceased
        resigned
        unallocated
        has been replaced
        user reject
        rcpt … does not
        not exists
        doesn t exist
        non existent
        nonexistent
        unused
        not used for
        not in our
        not have a mailbox
        not a mailbox
        misspell
        exceeded email quota
        maximum allowed size
        maximum … mailbox
        overdrawn
        over the maximum allowed
        dropfile
        user path no exist
        recipnotfound
        recipientnotfound
        inactive
        inactivated
        deactivated
        disabled
        discontinued
        suspended
        suspend the service
        expired account
        account expired
        account has expired
        account closed
        closed due to
        has been closed
        account is locked
        user is locked
        is locked
        status is locked
        is restricted
        has moved
        moved to
        archived
        archivee
        recipient … bloque
        recipient account
        accountdisabled
        over quota
        overquota
        quota
        mailbox full
        mailbox is full
        mailbox … full
        inbox … full
        inbox is out of storage
        out of storage
        is full
        boite … pleine
        boite pleine
        storage limit
        storage full
        exceeded storage
        mailbox size limit
        mailbox … exceeded
        null mx
        nullmx
        no mx
        does not accept mail
        nxdomain
        dns hard error
        host unknown
        unknown host
        domain not found
        domain name not found
        nonexistent domain
        non existent
        no a record
        unknown domain
        usuario desconocido
        usuario no existe
        no existe
        utente sconosciuto
        destinatario sconosciuto
        casella piena
        empfänger unbekannt
        nie istnieje
        nie ma takiego
        recipient is not accepting
        user is not accepting
        address lookup in
        badrcptto
        not in use
        not in service
        is unknown
        is invalid
        can t accept user
        no alias
        mailbox … limit
    """),
    (Fault.RECEIVER, """
        service not available
        service unavailable
        is broken
        not reachable
        permission denied
        starttls
        tls connect
        conversation with
        read error
        reset by peer
        delivery time expired
        giving up
        gave up
        couldn t be reached
        could not be reached
        timed out
        time out
        timeout
        connection refused
        connection reset
        connection closed
        connection dropped
        connection lost
        lost connection
        connect to
        could not connect
        unable to connect
        wasn t able to establish
        failed to establish
        no route to host
        network is unreachable
        unreachable
        no answer
        not responding
        tls handshake
        handshake fail
        certificate
        in the queue too long
        delivery expired
        message expired
        message too old
        retry timeout
        not accepting mail
        not accepting messages
        not accepting connections
        message delayed
        retry time
        queue is full
        queue full
        system error
        server error
        unexpected error
        software error
    """),
    # From here on a word is enough: nothing above fits.
    (Fault.MESSAGE, """
         url
        phone number
         link
        content
         7bit
         size
        mailsize
        header
        infect
        filter
    """),
    (Fault.RECEIVER, """
         relay
        dns query
        dns error
        lookup error
        temporarily unable
        internal
        could be reached
        cannot be reached
    """),
    (Fault.SENDER, """
         ip
         ips
         helo
        heloip
        attack
         tld
         sender
        mail from
        service denied
        has no a aaaa
        blocked by
    """),
    (Fault.RECIPIENT, """
        recipient
        mailbox
         inbox
        deliver mail for
        mail user
        not user of
    """),
    (Fault.SENDER, """
         blocked
         banned
    """),
)  # fmt: skip


def _rows() -> Iterable[tuple[Fault, tuple[str, ...], tuple[tuple[str, ...], ...]]]:
    for fault, written in _WRITTEN:
        phrases = [line[8:] for line in written.splitlines() if line.strip()]
        plain = tuple(phrase for phrase in phrases if "…" not in phrase)
        parts = tuple(tuple(phrase.split("…")) for phrase in phrases if "…" in phrase)
        yield fault, plain, parts


ROWS = tuple(_rows())
