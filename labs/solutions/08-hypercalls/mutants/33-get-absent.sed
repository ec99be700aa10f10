# fails: entries as they were written
# mistake: what is no address is translated
s/return value \& P ? /return value ? /
