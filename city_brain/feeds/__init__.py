"""What subscribers are told, and in which order; nothing here opens a connection or reads a clock.

In the order of a reader's way:

    refusals      why a reader is turned away: one error, one list of reasons
    heartbeat     signs of life: log time, sources live and silent, blind areas
    filters       which incidents a reader wants
    change_log    the numbered log of changes: snapshot, then updates, resume from a number
    scopes        what a department may know of, and every filter of its readers within that
    tokens        where a reader was, signed
    sifting       which of the newest changes could concern a filter, for many readers at once
    subscription  one reader's position, and when it is cut
    pages         lists of incidents, page by page
    explanation   why an incident is believed, by source
"""
