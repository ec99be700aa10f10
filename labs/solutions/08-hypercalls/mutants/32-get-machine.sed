# fails: entries as they were written
# mistake: the kernel reads machine addresses
s/return value \& P ? .*/return value;/
