# fails: INT n, INT3 and INTO
# mistake: INT n returns to itself
s/guest->eip + delivery->event.length/guest->eip/
