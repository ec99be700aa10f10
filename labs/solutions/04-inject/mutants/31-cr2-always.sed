# fails: an exception with an error code
# mistake: every exception loads CR2
s/ && delivery->event.vector == PAGE)/)/
