# fails: the number of exits
# mistake: nested tables are counted
s/work->void_pages + 1/work->void_pages + 1 + work->tables/
