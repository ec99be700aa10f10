# fails: the number of exits
# mistake: the last OUT is forgotten
s/work->void_pages + 1;/work->void_pages;/
