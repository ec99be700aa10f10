# fails: memory one to one
# mistake: the last page is left out
s/at + page \* PAGE_SIZE < bytes/at + (page + 1) * PAGE_SIZE < bytes/
