# fails: an exception with an error code
# mistake: the error code is not pushed
s/if (delivery->event.has_error_code)/if (false)/
