# fails: an interrupt in the middle
# mistake: EVENTINJ is not valid
s/1ull << 31/1ull << 30/
