# test: an exception with an error code
# promises: ESP is 0x
s/if (delivery->event.has_error_code)/if (false)/
