# fails: a thousand entries
# mistake: a full queue is thrown away
/^static void put(/,/^}/s/entries_done();/queued = 0;/
