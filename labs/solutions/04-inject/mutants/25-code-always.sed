# fails: an exception in ring 0
# mistake: an error code is pushed for every event
s/if (delivery->event.has_error_code)/if (true)/
