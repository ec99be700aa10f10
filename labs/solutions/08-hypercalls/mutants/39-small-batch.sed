# fails: a thousand entries
# mistake: batches of 32
s/QUEUE = 512/QUEUE = 32/
