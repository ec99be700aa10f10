# fails: the number of exits
# mistake: pages without memory are not counted
s/ + work->void_pages//
