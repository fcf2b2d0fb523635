"""Who calls, what they may, and TLS that renews itself.

From the handshake to the call:

    tls          certificate, key and client authorities, read again when they change
    peers        who calls, by the certificate that it showed
    tokens       bearer tokens: what would have to judge them; none is accepted
    policy       policy.toml: departments by certificate, their permissions, their scope
    permissions  each call of each service, and what it takes
    denials      what was refused, counted and told
    guard        stands before every call, and ends those whose rights have changed
    entrance     all of it for one server: at the start, and whenever a file changes

Whatever is not allowed is refused: a certificate that the policy does not name, a call that nobody declared, a policy
that cannot be read (at the start; later the one before it stays in force).
"""
