# fails: the code cache is emptied
# mistake: links outlive the units
/^static void flushed/,/^}/{/for (/d;/leads_to/d;/exits = 0/d;}
