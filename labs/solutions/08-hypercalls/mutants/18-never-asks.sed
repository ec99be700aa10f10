# fails: an event that waits
# mistake: what waits is not asked for
s/    if (shared.event_waits)/    if (false)/
