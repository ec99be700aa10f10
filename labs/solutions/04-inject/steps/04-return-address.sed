# test: INT n, INT3 and INTO
# promises: the word at ESP + 0 is 0x
s/guest->eip + delivery->event.length/guest->eip/
